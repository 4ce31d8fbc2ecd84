//! The table of contents of an archive, as `pg_restore --list` prints it and `--use-list` takes it.

use std::path::Path;

use super::programs::last_words;
use super::{BackupError, Libpq, Programs};

/// What is to be restored, and what must be done by hand.
#[derive(Default)]
pub(super) struct Listing {
    /// For `--use-list`.
    pub(super) list: String,
    /// Entries that are restored.
    pub(super) entries: usize,
    /// Extensions that the archive makes.
    pub(super) extensions: Vec<String>,
    /// Schemas of the store's own that the archive would make.
    pub(super) schemas: Vec<String>,
    /// `vitrine.f(integer)` and the role that it must belong to.
    pub(super) routines: Vec<(String, String)>,
}

/// Owners are not restored but for the store's own roles: the owner of a restored store is who restores it.
const OWN_ROLES: &[&str] = &["vitrine_app", "vitrine_sql", "vitrine_keeper"];

impl Listing {
    pub(super) async fn of(programs: &Programs, archive: &Path) -> Result<Self, BackupError> {
        let failed = |said: String| BackupError::Program { program: "pg_restore", said };
        let mut command = programs.command("pg_restore", &Libpq::default());
        let output = command.arg("--list").arg(archive).output().await.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            let lines: Vec<String> = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
            return Err(failed(last_words(&lines)));
        }
        Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    /// A line is `id; tableoid oid TYPE schema name owner`, where a type may be two words and a name may hold spaces.
    fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        for line in text.lines() {
            let Some(entry) = entry(line) else { continue };
            if let Some(name) = entry.strip_prefix("EXTENSION - ") {
                listing.extensions.push(name.trim().to_owned());
            }
            for kind in ["FUNCTION", "PROCEDURE", "AGGREGATE"] {
                listing.routines.extend(entry.strip_prefix(kind).and_then(|rest| routine(rest.trim_start())));
            }
            // These schemas are made beforehand, with the right to hand their functions over. Comments on extensions and
            // default privileges of another owner are not ours to set.
            let schema = entry.strip_prefix("SCHEMA - ").and_then(|rest| rest.split_whitespace().next());
            let schema = schema.filter(|name| name.starts_with("vitrine"));
            listing.schemas.extend(schema.map(str::to_owned));
            let leave_out =
                schema.is_some() || entry.starts_with("COMMENT - EXTENSION") || entry.starts_with("DEFAULT ACL");
            if !leave_out {
                listing.list.push_str(line);
                listing.list.push('\n');
                listing.entries += 1;
            }
        }
        listing
    }
}

/// What comes after the numbers.
fn entry(line: &str) -> Option<&str> {
    let (id, rest) = line.split_once("; ")?;
    id.parse::<u32>().ok()?;
    rest.split_once(' ')?.1.split_once(' ').map(|(_, entry)| entry)
}

/// `vitrine f(integer, text) vitrine_keeper`.
fn routine(rest: &str) -> Option<(String, String)> {
    let (signature, owner) = rest.rsplit_once(' ')?;
    let (schema, name) = signature.split_once(' ')?;
    OWN_ROLES.contains(&owner).then(|| (format!("{schema}.{name}"), owner.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_left_out() {
        let listing = Listing::parse(
            ";\n; Archive created at 2026-11-21\n;\n6; 2615 16385 SCHEMA - vitrine postgres\n\
             2; 3079 16400 EXTENSION - vector \n3512; 0 0 COMMENT - EXTENSION vector \n\
             260; 1255 16501 FUNCTION vitrine note_changes() vitrine_keeper\n\
             261; 1255 16502 FUNCTION vitrine search(text, integer) vitrine_keeper\n\
             262; 1255 16503 FUNCTION vitrine actor() postgres\n\
             263; 1255 16504 PROCEDURE vitrine isolate(regclass) vitrine_keeper\n\
             210; 1259 16390 TABLE public insights postgres\n\
             3400; 826 16600 DEFAULT ACL vitrine DEFAULT PRIVILEGES FOR FUNCTIONS postgres\n",
        );
        assert_eq!(
            (listing.extensions.concat(), listing.schemas.concat()),
            ("vector".to_owned(), "vitrine".to_owned())
        );
        let routines: Vec<&str> = listing.routines.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(routines, ["vitrine.note_changes()", "vitrine.search(text, integer)", "vitrine.isolate(regclass)"]);
        assert_eq!((listing.entries, listing.list.lines().count()), (6, 6));
        assert!(!listing.list.contains("SCHEMA - vitrine") && !listing.list.contains("DEFAULT ACL"));
    }
}
