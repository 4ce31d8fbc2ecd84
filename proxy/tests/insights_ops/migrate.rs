//! `vitrine migrate`.

use super::program::{Said, Tools, said, text};

const ONE: &str = "CREATE TABLE one (id int PRIMARY KEY);\n";
const TWO: &str = "CREATE TABLE two (id int PRIMARY KEY);\n";

fn with_two() -> Tools {
    let tools = Tools::start();
    tools.write("m/0001_one.sql", ONE);
    tools.write("m/0002_two.sql", TWO);
    tools
}

fn migrate(tools: &Tools, action: &[&str]) -> Said {
    let folder = tools.path("m");
    let mut arguments = vec!["migrate"];
    arguments.extend(action);
    arguments.extend(["--dir", text(&folder)]);
    tools.run(&arguments)
}

#[test]
fn files_are_applied_once_in_order_and_recorded() {
    let tools = with_two();
    let before = migrate(&tools, &["status"]);
    assert_eq!(before.code, 1, "{before:?}");
    assert!(before.out.contains("pending  0001_one.sql\npending  0002_two.sql"), "{before:?}");
    let plan = migrate(&tools, &["plan"]);
    assert_eq!((plan.code, plan.out), (1, format!("-- 0001_one.sql\n{ONE}\n-- 0002_two.sql\n{TWO}\n")));
    assert_eq!(tools.sql("SELECT to_regnamespace('vitrine') IS NULL"), "t", "looking makes nothing");

    let first = migrate(&tools, &[]).fine();
    assert!(
        first.contains("applied 0001_one.sql in") && first.contains("at version 2, 2 migrations applied"),
        "{first}"
    );
    let again = migrate(&tools, &["up"]).fine();
    assert_eq!(again, "the tool database is at version 2, nothing applied\n");
    assert!(migrate(&tools, &["status"]).fine().contains("2 migrations applied, nothing pending"));
    assert!(migrate(&tools, &["plan"]).fine().is_empty());
    let history = tools.sql(
        "SELECT version, name, checksum = sha256(convert_to(CASE version WHEN 1 THEN E'CREATE TABLE one (id int PRIMARY KEY);\\n' \
         ELSE E'CREATE TABLE two (id int PRIMARY KEY);\\n' END, 'UTF8')), applied_by, duration_ms >= 0, \
         now() - applied_at < interval '1 hour' FROM vitrine.migrations ORDER BY 1",
    );
    assert_eq!(history, "1|0001_one.sql|t|postgres|t|t\n2|0002_two.sql|t|postgres|t|t");
}

#[test]
fn what_does_not_fit_the_history_is_refused_by_name_and_nothing_runs() {
    let tools = with_two();
    migrate(&tools, &[]).fine();
    tools.write("m/0003_three.sql", "CREATE TABLE three ();");

    tools.write("m/0001_one.sql", "CREATE TABLE one (id bigint PRIMARY KEY);");
    let altered = migrate(&tools, &[]).refused(65);
    assert!(altered.contains("0001_one.sql was altered after it was applied on 20"), "{altered}");
    assert!(migrate(&tools, &["status"]).refused(65).contains("0001_one.sql was altered"));
    tools.write("m/0001_one.sql", ONE);

    std::fs::rename(tools.path("m/0002_two.sql"), tools.path("m/0002_zwei.sql")).unwrap();
    assert!(migrate(&tools, &[]).refused(65).contains("0002_zwei.sql was applied on"), "renamed");
    std::fs::rename(tools.path("m/0002_zwei.sql"), tools.path("m/0002_two.sql")).unwrap();

    std::fs::remove_file(tools.path("m/0003_three.sql")).unwrap();
    tools.sql("INSERT INTO vitrine.migrations (version, name, checksum, duration_ms) VALUES (3, '0003_gone.sql', sha256(''), 1)");
    let missing = migrate(&tools, &[]).refused(65);
    assert!(missing.contains("0003_gone.sql was applied on") && missing.contains("is missing"), "{missing}");
    tools.sql("DELETE FROM vitrine.migrations WHERE version IN (1, 3)");
    let late = migrate(&tools, &["plan"]).refused(65);
    assert!(late.contains("0001_one.sql is out of order: 0002_two.sql is applied already"), "{late}");
    assert_eq!(tools.sql("SELECT to_regclass('three') IS NULL"), "t");

    tools.write("m/0004_four.sql", "SELECT 1");
    let gap = migrate(&tools, &[]).refused(65);
    assert!(gap.contains("0004_four.sql does not follow: number 0003 is missing"), "{gap}");
}

#[test]
fn a_file_that_fails_is_undone_whole_and_says_where() {
    let tools = with_two();
    tools.write("m/0003_three.sql", "CREATE TABLE three ();\n\nINSERT INTO nowhere VALUES (1);\n");
    let failed = migrate(&tools, &[]).refused(1);
    assert!(failed.contains("0003_three.sql:3: relation \"nowhere\" does not exist (SQLSTATE 42P01)"), "{failed}");
    assert_eq!(tools.sql("SELECT to_regclass('three') IS NULL, max(version) FROM vitrine.migrations"), "t|2");

    tools.write("m/0003_three.sql", "CREATE TABLE three ();\nCOMMIT;\nCREATE TABLE four ();");
    let ends = migrate(&tools, &[]).refused(1);
    assert!(ends.contains("0003_three.sql ends the transaction it runs in"), "{ends}");
    assert_eq!(tools.sql("SELECT max(version) FROM vitrine.migrations"), "2");
}

#[test]
fn programs_that_start_at_once_migrate_once() {
    let tools = Tools::start();
    for number in 1..=5 {
        let sql = format!("CREATE TABLE t{number} (); SELECT pg_sleep(0.1);");
        tools.write(&format!("m/{number:04}_t.sql"), &sql);
    }
    let folder = tools.path("m");
    let runs: Vec<_> = (0..4).map(|_| tools.spawn(&["migrate", "--dir", text(&folder)])).collect();
    let outputs: Vec<String> = runs.into_iter().map(|run| said(run.wait_with_output().unwrap()).fine()).collect();
    let worked = outputs.iter().filter(|out| out.contains("version 5, 5 migrations applied")).count();
    let idled = outputs.iter().filter(|out| out.contains("version 5, nothing applied")).count();
    assert_eq!((worked, idled), (1, 3), "{outputs:?}");
}

#[test]
fn a_lock_that_is_not_released_ends_the_wait() {
    let tools = with_two();
    let holder = format!("SELECT pg_advisory_lock({}); SELECT pg_sleep(60)", vitrine_insights::migrate::LOCK);
    std::thread::scope(|scope| {
        scope.spawn(|| tools.server.psql_in("tools", &holder).unwrap_err());
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
        while tools.sql(held) == "0" {
            std::thread::yield_now();
        }
        let waited = migrate(&tools, &["--wait", "1"]).refused(75);
        assert!(waited.contains("another program migrates, backs up or restores this database"), "{waited}");
        tools.sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
    });
}

#[test]
fn what_is_missing_is_said_with_its_exit_code() {
    let tools = Tools::start();
    let mut none = tools.command(&["migrate"]);
    none.env_remove("VITRINE_INSIGHTS_URL");
    let none = said(none.output().unwrap()).refused(78);
    assert!(none.contains("no tool database is configured: set VITRINE_INSIGHTS_URL"), "{none}");
    tools.server.stop();
    let away = tools.run(&["migrate", "status"]).refused(69);
    assert!(away.contains("the tool database postgres@127.0.0.1:"), "{away}");
    assert!(tools.run(&["migrate", "--dir", "/nowhere"]).refused(65).contains("could not read /nowhere"));
}

/// What is shipped applies to every kind of server, twice.
#[test]
fn the_shipped_migrations_apply() {
    let tools = Tools::start();
    tools.run(&["migrate"]).fine();
    let again = tools.run(&["migrate"]).fine();
    assert!(again.contains("nothing applied"), "{again}");
}
