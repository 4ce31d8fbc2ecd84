//! A posture as a person reads it.

use std::fmt;

use super::{Finding, Posture, Severity};

impl fmt::Display for Posture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.server_version;
        let (major, minor) = (version / 10_000, version % 10_000);
        writeln!(f, "role {} in database {} (PostgreSQL {major}.{minor})", self.role, self.database)?;
        writeln!(
            f,
            "verdict: {}",
            if self.can_write() { "COULD WRITE, were the gateway's other walls down" } else { "cannot write" }
        )?;
        for severity in [Severity::Write, Severity::Effects, Severity::Notice] {
            self.findings
                .iter()
                .filter(|finding| finding.severity == severity)
                .try_for_each(|found| write!(f, "{found}"))?;
        }
        let fixes: Vec<&str> = self.fixes(Severity::Effects).collect();
        if fixes.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nSQL that takes these rights away, for an administrator to read first:\n")?;
        for fix in fixes {
            match self.others(fix) {
                Some(others) => writeln!(f, "{fix} -- touches {others}")?,
                None => writeln!(f, "{fix}")?,
            }
        }
        Ok(())
    }
}

impl Posture {
    /// The statements that take away what is at least as bad as this, each once, worst first.
    pub fn fixes(&self, at_least: Severity) -> impl Iterator<Item = &str> {
        let mut seen = std::collections::HashSet::new();
        self.findings
            .iter()
            .filter(move |finding| finding.severity >= at_least)
            .flat_map(|finding| finding.fixes.iter().map(String::as_str))
            .filter(move |fix| seen.insert(*fix))
    }

    /// Who else is touched by a fix: REVOKE from a group or from everybody.
    fn others(&self, fix: &str) -> Option<String> {
        let grantee = fix.strip_suffix(';')?.rsplit_once(" FROM ")?.1;
        if grantee == "PUBLIC" {
            return Some("everybody".to_owned());
        }
        let own = grantee.trim_matches('"').replace("\"\"", "\"") == self.role;
        (!own).then(|| format!("every member of {grantee}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:7} {} [{}]", self.severity.to_string(), self.what, self.check)?;
        for place in &self.places {
            writeln!(f, "        {place}")?;
        }
        let shown = u64::try_from(self.places.len()).unwrap_or(u64::MAX);
        if self.count > shown {
            writeln!(f, "        and {} more", self.count - shown)?;
        }
        Ok(())
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Write => "WRITE",
            Self::Effects => "EFFECTS",
            Self::Notice => "notice",
        })
    }
}
