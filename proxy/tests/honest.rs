//! Honest reads of every kind: none may be refused by the readers, and what PostgreSQL answers the gateway answers. One
//! statement a line; a line that begins with a blank continues the one before.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

mod support;

use std::net::SocketAddr;

use support::raw::{self, Raw};
use support::{front, postgres};
use vitrine::sql::{self, Limits};
use vitrine::upstream::PoolLimits;

const HONEST: &str = include_str!("sql/honest.txt");

fn statements() -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    for line in HONEST.lines().filter(|line| !line.is_empty()) {
        match statements.last_mut() {
            Some(last) if line.starts_with(' ') => {
                last.push('\n');
                last.push_str(line);
            }
            _ => statements.push(line.to_owned()),
        }
    }
    statements
}

#[test]
fn honest_reads_pass_both_readers() {
    let mut refused = Vec::new();
    for statement in statements() {
        if let Err(denial) = sql::read(&statement, &Limits::default()) {
            refused.push(format!("{statement}\n    {} {}: {:?}", denial.rule.name(), denial.message, denial.detail));
        }
    }
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(statements().len() > 380);
}

/// Refused until the policy allows it.
const REFUSED: &[&str] = &["SET myapp.user_id = '42'", "SHOW myapp.user_id"];

/// Read and not run: they have no end, or none that is near.
const ENDLESS: &[&str] =
    &["SELECT id + 1 FROM t) SEARCH", "pg_stat_activity, pg_locks, pg_settings, pg_stat_user_tables"];

/// The cases of `policy/live/reads.txt`: SQL before a line of dashes, a verdict behind it.
fn live_reads() -> Vec<String> {
    let cases = include_str!("policy/live/reads.txt").split("\n\n");
    let sql = cases.filter_map(|case| case.split_once("\n----\n")).filter(|(_, verdict)| verdict.starts_with("permit"));
    sql.map(|(sql, _)| sql.lines().filter(|line| !line.starts_with(['#', '@'])).collect::<Vec<_>>().join("\n"))
        .collect()
}

/// What became of it: the words of the command tags, or that there was an error, with its code.
fn outcome(lines: &[String]) -> Result<Vec<String>, String> {
    if let Some(error) = lines.iter().find(|line| line.starts_with("Error")) {
        return Err(error.clone());
    }
    assert!(lines.last().is_some_and(|line| line.starts_with("Ready")), "{lines:#?}");
    let tags = lines.iter().filter_map(|line| line.strip_prefix("CommandComplete "));
    let words = tags.map(|tag| tag.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == ' '));
    Ok(words.map(str::to_owned).collect())
}

/// Through a gateway with a live catalog, before a database in which half of the names have two meanings. What PostgreSQL
/// cannot answer either (a table that is not there) says nothing.
#[test]
fn what_postgresql_answers_the_gateway_answers() {
    let server = postgres();
    server.psql(include_str!("policy/live/fixture.sql")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let front = runtime.block_on(front(&server, "postgres", "postgres", PoolLimits::default()));
    let through = Raw::connect(front.address, "postgres", &[("database", "postgres")]).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let read_only = ("options", "-c default_transaction_read_only=on");
    let direct = Raw::connect(address, "postgres", &[("database", "postgres"), read_only]).unwrap();
    let mut sides = [direct, through];
    let (mut refused, mut answered, mut asked) = (Vec::new(), 0, 0);
    let endless = |sql: &String| ENDLESS.iter().any(|words| sql.contains(words));
    for sql in statements().into_iter().chain(live_reads()).filter(|sql| !endless(sql)) {
        for described in [false, true] {
            let [expected, got] = sides.each_mut().map(|side| {
                let lines = if described {
                    side.send(&[raw::parse("", &sql, &[]), raw::about(b'D', b'S', ""), raw::sync()].concat());
                    side.lines_until_ready(1)
                } else {
                    side.query(&sql)
                };
                assert_ne!(lines.last().unwrap(), "silence", "{sql}");
                side.query("ROLLBACK; SET statement_timeout = '10s'");
                outcome(&lines)
            });
            asked += 1;
            // Of what is no query PostgreSQL looks for the tables when it runs; the gateway looks before.
            let early = described && got.as_ref().is_err_and(|error| error.contains(" 42P01 "));
            answered += usize::from(expected.is_ok());
            if (expected.is_ok() || got.is_ok()) && expected != got && !early && !REFUSED.contains(&sql.as_str()) {
                refused.push(format!("{sql}\n    PostgreSQL: {expected:?}\n    gateway: {got:?}"));
            }
        }
    }
    println!("{asked} asked, {answered} answered by PostgreSQL");
    assert!(refused.is_empty(), "{} differ:\n{}", refused.len(), refused.join("\n"));
    assert!(answered > 250, "{answered}");
}
