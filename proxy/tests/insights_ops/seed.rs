//! `vitrine seed`.

use super::program::{Tools, said, text};

const COUNT: &str = "SELECT (SELECT count(*) FROM kinds) || ' ' || (SELECT count(*) FROM documents) || ' ' || \
                     (SELECT count(*) FROM vitrine.seeded)";

fn migrated() -> Tools {
    let tools = Tools::start();
    tools.run(&["migrate"]).fine();
    tools
}

#[test]
fn an_empty_store_is_filled_once() {
    let tools = migrated().with_files();
    let folder = tools.path("seed");
    let first = tools.run(&["seed", "--dir", text(&folder)]).fine();
    assert!(first.starts_with("4 records planted, 0 updated"), "{first}");
    assert_eq!(tools.sql(COUNT), "1 3 4");
    assert_eq!(
        tools.sql(
            "SELECT kind || ' ' || name || ' ' || title || ' ' || seeded || ' ' || updated_by FROM documents ORDER BY 1"
        ),
        "persona ada Ada true seed\npersona bob Bob true seed\nprompt ask Ask for it true seed"
    );
    assert_eq!(
        tools.sql("SELECT content #>> '{messages,0,content}' FROM documents WHERE kind = 'prompt'"),
        "Be {{kind}}."
    );
    let before = tools.sql("SELECT count(*) FROM changes");
    let again = tools.run(&["seed", "--dir", text(&folder)]).fine();
    assert!(again.starts_with("0 records planted, 0 updated\n4 left as they are: the same"), "{again}");
    assert_eq!(tools.sql("SELECT count(*) FROM changes"), before, "the second run writes nothing");
    assert!(tools.run(&["seed", "--dir", text(&folder), "--diff"]).fine().contains("0 of the seeds differ"));
    // Another tenant has a store of its own.
    let other = tools.run(&["seed", "--dir", text(&folder), "--tenant", "acme"]).fine();
    assert!(other.starts_with("4 records planted"), "{other}");
}

#[test]
fn what_a_person_did_stays_and_shows_in_the_difference() {
    let tools = migrated().with_files();
    let folder = tools.path("seed");
    tools.run(&["seed", "--dir", text(&folder)]).fine();
    let person = "SET vitrine.tenant = 'default'; ";
    tools.sql(&format!("{person} UPDATE documents SET title = 'Ada L.' WHERE name = 'ada'"));
    tools.sql(&format!("{person} DELETE FROM documents WHERE name = 'bob'"));
    tools.write("seed/kinds/trend.json", r#"{"schema": {"type": "object"}, "retention_days": 9}"#);
    tools.write("seed/personas/ada.json", r#"{"title": "Ada II", "content": {"tone": "dry"}}"#);
    tools.write("seed/scenarios/new.json", r#"{"title": "New", "content": {}}"#);

    let diff = tools.run(&["seed", "--dir", text(&folder), "--diff"]);
    assert_eq!(diff.code, 1, "{diff:?}");
    for line in [
        "personas/ada.json (persona ada): changed by a person\n    /title: file \"Ada II\", database \"Ada L.\"",
        "personas/bob.json (persona bob): deleted by a person",
        "kinds/trend.json ($kind trend): the file changed since it was planted\n    /retention_days: file 9, database 30",
        "scenarios/new.json (scenario new): not planted yet",
        "4 of the seeds differ",
    ] {
        assert!(diff.out.contains(line), "{line}: {}", diff.out);
    }
    let state =
        "SELECT string_agg(name || title, ',' ORDER BY name) || (SELECT retention_days FROM kinds) FROM documents";
    tools.run(&["seed", "--dir", text(&folder)]).fine();
    assert_eq!(tools.sql(state), "adaAda L.,askAsk for it30", "a second run changes nothing");
    let more = tools.run(&["seed", "--dir", text(&folder), "--add", "--update"]).fine();
    assert!(more.starts_with("1 records planted, 1 updated"), "{more}");
    assert_eq!(tools.sql(state), "adaAda L.,askAsk for it,newNew9", "what a person changed or deleted stays so");
    std::fs::remove_file(tools.path("seed/scenarios/new.json")).unwrap();
    assert!(
        tools
            .run(&["seed", "--dir", text(&folder), "--diff"])
            .out
            .contains("(scenario new): planted once, and its file is gone")
    );
}

#[test]
fn a_store_that_a_person_filled_is_left_alone() {
    let tools = migrated().with_files();
    let folder = tools.path("seed");
    tools.sql("SET vitrine.tenant = 'default'; INSERT INTO documents (kind, name, title, content) VALUES ('persona', 'ada', 'Mine', '{}')");
    let left = tools.run(&["seed", "--dir", text(&folder)]).fine();
    assert!(left.contains("0 records planted") && left.contains("the store is not empty"), "{left}");
    tools.run(&["seed", "--dir", text(&folder), "--add", "--update"]).fine();
    assert_eq!(tools.sql("SELECT title FROM documents WHERE name = 'ada'"), "Mine");
}

#[test]
fn every_mistake_is_listed_and_nothing_is_planted() {
    let tools = migrated().with_files();
    let folder = tools.path("seed");
    tools.write("seed/personas/bad.json", "{\"title\": \"x\",\n\"content\": {},,}");
    tools.write("seed/prompts/bad.prompty", "---\nname: x\nname: y\n---\nbody");
    tools.write("seed/prompts/worse.prompty", "no front matter");
    for arguments in [&["seed", "--dir", text(&folder)][..], &["seed", "--check", "--dir", text(&folder)]] {
        let bad = tools.run(arguments).refused(65);
        for part in [
            "personas/bad.json:2:",
            "prompts/bad.prompty:3:",
            "prompts/worse.prompty:1: expected a first line",
            "3 mistakes",
        ] {
            assert!(bad.contains(part), "{part}: {bad}");
        }
    }
    assert_eq!(tools.sql(COUNT), "0 0 0");
}

#[test]
fn two_that_seed_at_once_seed_once() {
    let tools = migrated();
    let runs: Vec<_> = (0..3).map(|_| tools.spawn(&["seed"])).collect();
    let outputs: Vec<String> = runs.into_iter().map(|run| said(run.wait_with_output().unwrap()).fine()).collect();
    assert_eq!(outputs.iter().filter(|out| out.starts_with("0 records planted")).count(), 2, "{outputs:?}");
    // What is shipped.
    assert_eq!(tools.sql(COUNT), "4 12 16");
    let mut none = tools.command(&["seed"]);
    none.env("VITRINE_INSIGHTS_URL", tools.server.superuser_url());
    let none = said(none.output().unwrap()).refused(69);
    assert!(none.contains("run vitrine migrate first"), "{none}");
}

impl Tools {
    /// Seeds of the test's own.
    fn with_files(self) -> Self {
        self.write("seed/kinds/trend.json", r#"{"schema": {"type": "object"}, "retention_days": 30}"#);
        self.write("seed/personas/ada.json", r#"{"title": "Ada", "content": {"tone": "dry"}}"#);
        self.write("seed/personas/bob.json", r#"{"title": "Bob", "content": {"n": 1.50}}"#);
        self.write("seed/prompts/ask.prompty", "---\nname: Ask for it\ntags: [a]\n---\nsystem:\nBe {{kind}}.\n");
        self
    }
}
