//! `vitrine import-insights`, `vitrine key`, `vitrine tenant`.

use super::program::{Said, Tools, said};

const MAP: &str = "kind='trend',key=id,title=headline,body=details,payload=*,confidence=score,valid_from=at";

fn ready(rows: u32) -> Tools {
    let tools = Tools::start();
    tools.run(&["migrate"]).fine();
    tools
        .server
        .psql(&format!(
            "CREATE DATABASE shop;
             \\c shop
             CREATE SCHEMA ai;
             CREATE TABLE ai.trends (id bigint PRIMARY KEY, headline text, details text, score real, at timestamptz,
                                     region text, amount numeric(10, 2), tags text[]);
             INSERT INTO ai.trends SELECT n, 'trend ' || n, CASE WHEN n % 3 > 0 THEN 'it''s \"so\" ' || n END, 0.5,
                 '2026-01-01Z'::timestamptz + n * interval '1 hour', 'r' || n % 5, n + 0.50, ARRAY['a', NULL] FROM generate_series(1, {rows}) n;
             CREATE ROLE looker LOGIN; GRANT USAGE ON SCHEMA ai TO looker; GRANT SELECT ON ai.trends TO looker"
        ))
        .unwrap();
    tools
}

fn import(tools: &Tools, more: &[&str]) -> Said {
    let mut command = tools.command(&["import-insights", "--from", "customer", "--table", "ai.trends"]);
    command.args(more).env("VITRINE_CUSTOMER_URL", tools.server.url("looker", "shop"));
    said(command.output().unwrap())
}

#[test]
fn a_table_is_copied_counted_and_compared_and_again_changes_nothing() {
    let tools = ready(5_000);
    let dry = import(&tools, &["--map", MAP, "--create-kinds", "--dry-run"]).fine();
    assert!(dry.starts_with("5000 rows of kinds trend"), "{dry}");
    assert_eq!(tools.sql("SELECT count(*) FROM kinds"), "0", "a dry run writes nothing");
    let refused = import(&tools, &["--map", MAP]).refused(65);
    assert!(refused.contains("tenant \"default\" has no kind \"trend\""), "{refused}");
    let first = import(&tools, &["--map", MAP, "--create-kinds"]).fine();
    assert!(
        first.contains("5000 of 5000 rows read = 5000 created + 0 there already + 0 rejected; 5000 compared and equal"),
        "{first}"
    );
    assert_eq!(
        tools.sql("SELECT title, body, confidence, valid_from AT TIME ZONE 'UTC', payload, tenant FROM insights WHERE key = '4'"),
        "trend 4|it's \"so\" 4|0.5|2026-01-01 04:00:00|{\"tags\": [\"a\", null], \"amount\": 4.5, \"region\": \"r4\"}|default"
    );
    let again = import(&tools, &["--map", MAP]).fine();
    assert!(again.contains("= 0 created + 5000 there already + 0 rejected; 5000 compared and equal"), "{again}");
    assert_eq!(tools.sql("SELECT count(*) FROM insights"), "5000");
    assert_eq!(
        tools.sql("SELECT source, rows_read, finished_at IS NOT NULL FROM vitrine.import_progress"),
        "shop/ai.trends|5000|t"
    );
}

#[test]
fn a_run_that_was_broken_off_goes_on_where_it_was() {
    let tools = ready(6_000);
    tools.run(&["seed"]).fine();
    let map = format!("kind='note',{}", MAP.split_once(',').unwrap().1);
    tools.sql("SET vitrine.tenant = 'default'; INSERT INTO kinds (name, schema) VALUES ('note', 'true')");
    // Only some rows are in sight at first, and their run is made to look unfinished.
    tools.server.psql_in("shop", "ALTER TABLE ai.trends RENAME TO everything; CREATE VIEW ai.trends AS SELECT * FROM ai.everything WHERE id <= 2500; GRANT SELECT ON ai.trends TO looker").unwrap();
    import(&tools, &["--map", &map]).fine();
    let kept = format!("{{\"after\": \"2500\", \"map\": \"{}\"}}", map_as_kept(&map));
    tools.sql(&format!(
        "UPDATE vitrine.import_progress SET finished_at = NULL, resume_after = '{}'",
        kept.replace('\'', "''")
    ));
    tools.server.psql_in("shop", "CREATE OR REPLACE VIEW ai.trends AS SELECT * FROM ai.everything").unwrap();
    let rest = import(&tools, &["--map", &map]).fine();
    assert!(
        rest.contains("went on after key 2500") && rest.contains("3500 of 6000 rows read = 3500 created"),
        "{rest}"
    );
    assert_eq!(tools.sql("SELECT count(*), count(DISTINCT key) FROM insights"), "6000|6000");
    let whole = import(&tools, &["--map", &map, "--restart"]).fine();
    assert!(whole.contains("6000 of 6000 rows read = 0 created + 6000 there already"), "{whole}");
}

/// Parts in the order in which the program writes them.
fn map_as_kept(map: &str) -> String {
    let order = ["kind", "key", "title", "body", "payload", "confidence", "valid_from", "valid_to", "expires_at"];
    let mut parts: Vec<&str> = map.split(',').collect();
    parts.sort_by_key(|part| order.iter().position(|known| part.starts_with(&format!("{known}="))));
    parts.join(",")
}

#[test]
fn what_cannot_be_copied_is_said_before_or_listed_after() {
    let tools = ready(10);
    let proposal = import(&tools, &[]);
    assert_eq!(proposal.code, 64, "{proposal:?}");
    assert!(
        proposal.out.contains("--map \"kind='trend',key=id,title=headline,body=details,confidence=score,payload=*\""),
        "{proposal:?}"
    );
    let bad = import(&tools, &["--map", "key=nr,title=headline,colour=red,kind=*"]).refused(65);
    for part in [
        "--map: key: there is no column \"nr\"",
        "--map: \"colour\" is no part of an insight",
        "--map: kind cannot be *",
    ] {
        assert!(bad.contains(part), "{part}: {bad}");
    }
    tools.server.psql_in("shop", "INSERT INTO ai.trends (id) VALUES (11)").unwrap();
    let empty = import(&tools, &["--map", MAP, "--create-kinds"]).refused(65);
    assert!(empty.contains("1 of 11 rows have no title"), "{empty}");
    tools.server.psql_in("shop", "UPDATE ai.trends SET headline = 'eleven', score = 0 WHERE id = 11").unwrap();
    import(&tools, &["--map", MAP, "--create-kinds"]).fine();
    // The source changed a row since: the insight stays, and the row is named.
    tools.server.psql_in("shop", "UPDATE ai.trends SET headline = 'other' WHERE id = 7").unwrap();
    let other = import(&tools, &["--map", MAP]);
    assert_eq!(other.code, 1, "{other:?}");
    assert!(
        other.out.contains("11 of 11 rows read = 0 created + 10 there already + 1 rejected; 10 compared and equal"),
        "{other:?}"
    );
    assert!(other.err.contains("key 7: ") && other.err.contains("supersede"), "{other:?}");
    let missing = tools
        .command(&["import-insights", "--table", "ai.none"])
        .env("VITRINE_CUSTOMER_URL", tools.server.url("looker", "shop"))
        .output()
        .unwrap();
    assert!(said(missing).refused(65).contains("there is no table \"ai.none\" that this role may read"));
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let tools = Tools::start();
    tools.run(&["migrate"]).fine();
    tools.run(&["tenant", "create", "acme"]).fine();
    let made = tools.run(&["key", "create", "--tenant", "acme", "--label", "the app", "--scopes", "read,write"]);
    let secret = made.out.trim().to_owned();
    assert!(made.code == 0 && secret.starts_with("vtr_") && made.err.contains("it is not shown again"), "{made:?}");
    let listed = tools.run(&["key", "list", "--tenant", "acme"]).fine();
    assert!(
        listed.contains("valid  read,write") && listed.contains("the app") && !listed.contains(&secret),
        "{listed}"
    );
    assert_eq!(tools.run(&["key", "list"]).fine(), "", "another tenant's");
    let id = listed.split_whitespace().next().unwrap();
    tools.run(&["key", "revoke", id]).refused(1);
    tools.run(&["key", "revoke", "--tenant", "acme", id]).fine();
    assert!(tools.run(&["key", "list", "--tenant", "acme"]).fine().contains("revoked 20"));
    let kept = tools.server.psql_in("tools", "SELECT a::text FROM vitrine.api_keys a").unwrap();
    assert!(!kept.contains(secret.splitn(3, '_').nth(2).unwrap()), "the secret is kept nowhere");
}

#[test]
fn tenants_are_listed_and_held() {
    let tools = Tools::start().with_plain_owner();
    tools.run(&["migrate"]).fine();
    tools.run(&["seed", "--tenant", "acme"]).fine();
    tools.sql("SET vitrine.tenant = 'acme'; INSERT INTO kinds (name) VALUES ('note'); INSERT INTO insights (kind, key, title) VALUES ('note', 'a', 'A'), ('note', 'b', 'B')");
    let listed = tools.run(&["tenant", "list"]).fine();
    assert!(listed.starts_with("acme  since 20") && listed.contains("2 insights  0 keys"), "{listed}");
    assert_eq!(
        tools.run(&["tenant", "hold", "acme"]).fine(),
        "2 insights of acme are held now, and so is every one that comes\n"
    );
    assert!(tools.run(&["tenant", "list"]).fine().contains("2 insights  0 keys  under legal hold"));
    let held =
        tools.server.psql_in("tools", "SET vitrine.tenant = 'acme'; DELETE FROM insights").unwrap_err().to_string();
    assert!(held.contains("legal hold"), "{held}");
    assert_eq!(tools.run(&["tenant", "hold", "acme", "--release"]).fine(), "2 insights of acme are no longer held\n");
    assert!(tools.run(&["tenant", "create", "No!"]).code == 2, "clap's own exit code for a bad argument");
}
