//! Judged by effect: a real PostgreSQL full of traps, and everything that is known against it sent through the gateway
//! as superuser, as owner and as reader. Whatever is answered, nothing on the server may have changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]

#[path = "walls/scene.rs"]
mod scene;
mod support;

use scene::{Scene, corpus_statements};
use vitrine::verify::{Attack, Move, Outcome, Protocol, Way, attacks, attempt, parse};

const OWN: &str = include_str!("walls/attacks.txt");
const POLICY: &str = include_str!("policy/live/attacks.txt");

/// Statements as attacks.
fn steps(name: &str, statements: impl IntoIterator<Item = String>) -> Vec<Attack> {
    let attack = |(index, sql): (usize, String)| Attack {
        id: format!("{name}:{index}"),
        family: name.to_owned(),
        text: sql.clone(),
        moves: Move::Steps(vec![sql]),
    };
    statements.into_iter().enumerate().map(attack).collect()
}

/// The statements of the policy's own cases, which stand before a line of dashes.
fn policy_cases() -> Vec<String> {
    let paragraphs = POLICY.split("\n\n");
    let sql = paragraphs.filter_map(|text| text.split_once("\n----")).map(|(sql, _)| sql.trim());
    sql.map(|sql| sql.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")).collect()
}

/// Runs attacks and returns what had an effect. Every one is followed by a look at the server.
async fn effects(scene: &Scene, way: &Way, attacks: &[Attack], protocols: &[Protocol]) -> Vec<String> {
    let (mut found, mut tried, mut permitted) = (Vec::new(), 0, 0);
    let mut before = scene.pulse().await;
    for (index, attack) in attacks.iter().enumerate() {
        for protocol in attack.protocols() {
            // Of a large corpus each statement goes one way, in turn.
            if !protocols.is_empty() && *protocol != protocols[index % protocols.len()] && attack.protocols().len() > 1
            {
                continue;
            }
            let outcome = attempt(way, attack, *protocol).await;
            tried += 1;
            permitted += usize::from(matches!(outcome, Outcome::GotThrough { .. } | Outcome::RefusedByDatabase(_)));
            let after = scene.pulse().await;
            if before != after {
                found
                    .push(format!("{} {protocol}: {}\n    {outcome}\n    {before} -> {after}", attack.id, attack.text));
                before = after;
            }
        }
    }
    let name = attacks.first().map(|attack| attack.family.as_str()).unwrap_or_default();
    println!("{name}: {tried} attempts, {permitted} passed on to PostgreSQL, {} had an effect", found.len());
    found
}

/// A gateway that refuses everything would pass every attack.
async fn honest_reads_are_answered(way: &Way) {
    for (sql, expected) in [
        ("SELECT count(*) FROM app.customer", "2"),
        ("SELECT abs(-1)", "1"),
        ("SELECT name FROM app.customer_names ORDER BY id LIMIT 1", "ADA"),
        ("SELECT total FROM app.nested_honest WHERE name = 'BOB'", "20"),
        ("SELECT (at).x FROM app.shop", "1"),
        ("SELECT length(name) FROM app.customer WHERE id = 1", "3"),
    ] {
        let steps = vec![sql.to_owned()];
        let moves = Move::Probe { expected: expected.to_owned(), steps, elsewhere: false };
        let probe = Attack { id: "honest".into(), family: "honest".into(), text: sql.into(), moves };
        let outcome = attempt(way, &probe, Protocol::Simple).await;
        assert!(matches!(outcome, Outcome::WithoutEffect { .. }), "{sql}: {outcome}");
    }
}

async fn nothing_changes(role: &str, every: usize) {
    let scene = Scene::new().await;
    let front = scene.front(role).await;
    let way = Way::Here { gateway: front.gateway.clone(), database: scene::DATABASE.into(), user: "walls".into() };
    honest_reads_are_answered(&way).await;
    let before = scene.state().await;
    let mut found = effects(&scene, &way, &parse("walls", OWN).unwrap(), &[]).await;
    found.extend(effects(&scene, &way, &scene.typed_attacks().await, &[]).await);
    found.extend(effects(&scene, &way, &steps("policy", policy_cases()), &[]).await);
    let two = [Protocol::Simple, Protocol::Extended];
    found.extend(effects(&scene, &way, &steps("adversarial", corpus_statements("adversarial.jsonl")), &[]).await);
    found.extend(
        effects(&scene, &way, &steps("differential", corpus_statements("parser_differentials.jsonl")), &[]).await,
    );
    let regress = corpus_statements("pg_regress_1.jsonl").into_iter().step_by(every);
    found.extend(effects(&scene, &way, &steps("pg_regress", regress), &two).await);
    let shipped = attacks().unwrap();
    let mut through = Vec::new();
    let start = scene.pulse().await;
    for (index, attack) in shipped.iter().enumerate() {
        let protocol = attack.protocols()[index % attack.protocols().len()];
        let outcome = attempt(&way, attack, protocol).await;
        if let Outcome::GotThrough { why } = outcome {
            through.push(format!("{} {protocol}: {}: {why}", attack.id, attack.text));
        }
    }
    if start != scene.pulse().await {
        found.push(format!("the shipped corpus: {start} -> {}", scene.pulse().await));
    }
    assert!(found.is_empty(), "as {role}, {} had an effect:\n{}", found.len(), found.join("\n"));
    assert!(through.is_empty(), "as {role}, {} got through:\n{}", through.len(), through.join("\n"));
    assert_eq!(before, scene.state().await);
    scene.assert_nothing_leaked(&way).await;
    honest_reads_are_answered(&way).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_changes_by_a_superuser() {
    nothing_changes("postgres", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_changes_by_the_owner() {
    nothing_changes("owner", 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_changes_by_a_reader() {
    nothing_changes("reader", 5).await;
}
