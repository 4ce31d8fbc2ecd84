//! Alert rules, dashboard and the page about them, held against what a gateway answers at `/metrics`.

use std::collections::BTreeSet;
use std::path::Path;

/// Fails for a metric or a label that is not there, and for a metric that `docs/operate.md` does not name.
pub(crate) fn papers_are_true(metrics: &str) {
    let exposed: BTreeSet<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let mut findings = Vec::new();
    for file in
        ["config/monitoring/alerts.yml", "config/monitoring/alerts.test.yml", "config/monitoring/dashboard.json"]
    {
        let text = read(file);
        let used = names(&text);
        assert!(used.len() > 5, "{file} uses {used:?}");
        for (name, selector) in used {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            let family = family.filter(|family| exposed.contains(family)).unwrap_or(name);
            if !exposed.contains(family) {
                findings.push(format!("{file}: no metric is called {name}"));
            }
            for label in labels(selector) {
                let sample = format!("{name}{{");
                let has = |line: &str| line.starts_with(&sample) && line.contains(&format!("{label}=\""));
                if label != "instance" && label != "job" && !metrics.lines().any(has) {
                    findings.push(format!("{file}: {name} has no label {label}"));
                }
            }
        }
    }
    let page = read("docs/operate.md");
    findings.extend(
        exposed
            .iter()
            .filter(|name| !page.contains(&format!("`{name}`")))
            .map(|name| format!("docs/operate.md: {name} is missing")),
    );
    let told: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|quoted| is_metric(quoted)).collect();
    findings.extend(
        told.iter()
            .filter(|name| !exposed.contains(*name))
            .map(|name| format!("docs/operate.md: no metric is called {name}")),
    );
    assert!(findings.is_empty(), "{findings:#?}");
}

fn is_metric(word: &str) -> bool {
    word.starts_with("vitrine_")
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        // Roles and the like are called so too.
        && !["vitrine_app", "vitrine_sql", "vitrine_reader"].contains(&word)
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every metric that a text names, with its selector in braces, if one follows.
fn names(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("vitrine_") {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        let selector =
            rest[end..].strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        found.push((&rest[..end], selector));
    }
    found
}

fn labels(selector: &str) -> Vec<&str> {
    let pairs = selector.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(label, _)| label.trim_end_matches(['!', '~']).trim()).collect()
}
