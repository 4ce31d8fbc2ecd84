//! What the store costs beside plain SQL on the same server in the same run. `make bench-insights` runs it; the figures
//! go into `loadtests/README.md`.
//!
//! `ROWS` insights (default 100,000), `ROUNDS` rounds, bare COPY and bulk write in turns.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    dead_code,
    reason = "a bench says what is wrong by failing, and shares the tests' server"
)]

#[path = "../tests/store/server.rs"]
mod server;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use serde_json::json;
use vitrine_insights::model::{Distance, EmbeddingSpec, InsightFilter, NewInsight, SearchMode, SearchRequest};
use vitrine_insights::service::{Error, Insights as _, Kinds as _};

use server::{Server, identity, kind, machine_bin, vector_bin, writer};

const WORDS: &[&str] = &[
    "revenue",
    "margin",
    "region",
    "europe",
    "customer",
    "churn",
    "price",
    "discount",
    "order",
    "return",
    "season",
    "forecast",
    "growth",
    "decline",
    "segment",
    "channel",
    "partner",
    "contract",
    "renewal",
    "invoice",
    "delay",
    "stock",
    "shipment",
    "supplier",
    "quality",
    "complaint",
    "campaign",
    "conversion",
    "traffic",
    "basket",
    "loyalty",
    "retail",
];
const DIMENSION: usize = 384;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A stream of numbers that is the same in each run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| WORDS[(self.next() % WORDS.len() as u64) as usize]).collect::<Vec<_>>().join(" ")
    }
}

/// The insights as lines of NDJSON, and as text for COPY.
fn made(rows: usize) -> (Vec<String>, String) {
    let (mut chance, mut lines, mut copy) = (Chance(88_172_645_463_325_252), Vec::with_capacity(rows), String::new());
    for number in 0..rows {
        let (title, body) = (chance.text(6), format!("{} rare{}", chance.text(40), number % 5_000));
        let payload =
            json!({"change": (chance.next() % 1_000) as f64 / 10.0, "region": WORDS[number % 16], "n": number});
        let line = json!({"kind": "trend", "key": format!("key-{number}"), "title": title, "body": body,
            "payload": payload, "confidence": 0.75});
        lines.push(line.to_string());
        writeln!(copy, "acme\t{}\ttrend\tkey-{number}\t{title}\t{body}\t{payload}\t0.75", uuid::Uuid::now_v7())
            .unwrap();
    }
    (lines, copy)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn quantiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    format!("{:.2} / {:.2}", at(0.5), at(0.99))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let (rows, rounds) = (number("ROWS", 100_000), number("ROUNDS", 3));
    let config = ["shared_buffers = 512MB", "autovacuum = off", "checkpoint_timeout = 30min"];
    let bin = if std::env::var_os("WITHOUT_VECTORS").is_some() { machine_bin() } else { vector_bin() };
    let server = Server::start_with(&bin, None, &config).await;
    let store = server.store();
    let version: String = server.client("tools").await.query_one("SHOW server_version", &[]).await.unwrap().get(0);
    println!("PostgreSQL {version}, {rows} insights, {rounds} rounds\n");
    let schema = json!({"type": "object", "required": ["change", "region"], "additionalProperties": false, "properties": {
        "change": {"type": "number", "minimum": 0}, "region": {"type": "string", "maxLength": 40}, "n": {"type": "integer"}}});
    store.put_kind(&writer("acme"), kind("trend", schema), None).await.unwrap();
    bulk(&server, &store, rows, rounds).await;
    singles(&server, &store).await;
    searches(&server, &store).await;
    if std::env::var_os("WITHOUT_VECTORS").is_none() {
        vectors(&server, &store, number("VECTORS", rows)).await;
    }
}

/// Rows per second: COPY by the owner into the table, against NDJSON through the store with validation.
async fn bulk(server: &Server, store: &vitrine_insights::store::Store, rows: usize, rounds: usize) {
    let (lines, copy) = made(rows);
    let owner = server.client("tools").await;
    // Bare means bare: nothing checks the payloads of COPY. (It never runs for the store, which checks them itself.)
    owner.batch_execute("ALTER TABLE insights DISABLE TRIGGER check_payloads").await.unwrap();
    let (mut bare, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let mut rates = [0.0, 0.0];
        for step in 0..2 {
            owner.batch_execute("TRUNCATE insights, evidence, changes CASCADE; CHECKPOINT").await.unwrap();
            let which = (step + round) % 2;
            let since = Instant::now();
            if which == 0 {
                let sql = "COPY insights (tenant, id, kind, key, title, body, payload, confidence) FROM STDIN";
                let sink = owner.copy_in::<_, Bytes>(sql).await.unwrap();
                let mut sink = std::pin::pin!(sink);
                for chunk in copy.as_bytes().chunks(65_536) {
                    sink.send(Bytes::copy_from_slice(chunk)).await.unwrap();
                }
                assert_eq!(sink.finish().await.unwrap(), rows as u64);
            } else {
                let parsed = lines.clone().into_iter().map(|line| {
                    serde_json::from_str::<NewInsight>(&line).map_err(|error| Error::Invalid(error.to_string()))
                });
                let count = store.create_insights(&writer("acme"), stream::iter(parsed).boxed()).await.unwrap();
                assert_eq!(count.created, rows as u64);
            }
            rates[which] = rows as f64 / since.elapsed().as_secs_f64();
        }
        // The first round warms up.
        if round > 0 {
            bare.push(rates[0]);
            ours.push(rates[1]);
            ratios.push(rates[1] / rates[0]);
        }
        println!(
            "round {round}: bare COPY {:.0} rows/s, store {:.0} rows/s, {:.2}",
            rates[0],
            rates[1],
            rates[1] / rates[0]
        );
    }
    println!("\n| bulk | rows/s |\n|---|---|");
    println!("| bare COPY into `insights`, by its owner | {:.0} |", median(bare));
    println!("| store: NDJSON, schema, natural key | {:.0} ({:.2} of bare) |\n", median(ours), median(ratios));
}

async fn singles(server: &Server, store: &vitrine_insights::store::Store) {
    println!("| single inserts | per second | median / p99, ms |\n|---|---|---|");
    for writers in [1_usize, 8] {
        let each = 4_000 / writers;
        for plain in [true, false] {
            let since = Instant::now();
            let mut tasks = Vec::new();
            for number in 0..writers {
                let (store, client) = (store.clone(), server.client("tools").await);
                tasks.push(tokio::spawn(async move {
                    let mut times = Vec::new();
                    client.batch_execute("SET vitrine.tenant = 'acme'").await.unwrap();
                    let sql = "INSERT INTO insights (kind, key, title, body, payload) VALUES ('trend', $1, $2, $3, $4) RETURNING id";
                    let statement = client.prepare(sql).await.unwrap();
                    let payload = json!({"change": 1.5, "region": "europe"});
                    for round in 0..each {
                        let key = format!("{plain}-{writers}-{number}-{round}");
                        let began = Instant::now();
                        if plain {
                            client.query_one(&statement, &[&key, &"Revenue falls", &"in the region", &payload]).await.unwrap();
                        } else {
                            let new = serde_json::from_value(json!({"kind": "trend", "key": key, "title": "Revenue falls",
                                "body": "in the region", "payload": payload})).unwrap();
                            store.create_insight(&writer("acme"), new).await.unwrap();
                        }
                        times.push(began.elapsed());
                    }
                    times
                }));
            }
            let mut times = Vec::new();
            for task in tasks {
                times.extend(task.await.unwrap());
            }
            let rate = times.len() as f64 / since.elapsed().as_secs_f64();
            let who = if plain { "plain INSERT" } else { "store" };
            println!("| {who}, {writers} at a time | {rate:.0} | {} |", quantiles(times));
        }
    }
    println!();
}

async fn searches(server: &Server, store: &vitrine_insights::store::Store) {
    const EACH: usize = 200;
    let owner = server.client("tools").await;
    owner.batch_execute("ANALYZE insights; SET vitrine.tenant = 'acme'").await.unwrap();
    println!("| search of 10, median / p99, ms | plain SQL | store |\n|---|---|---|");
    let sql = "SELECT id, kind, key, title, body, payload, ts_rank_cd(search, q) AS score FROM insights, websearch_to_tsquery('english', $1) q
        WHERE tenant = 'acme' AND state = 'current' AND search @@ q ORDER BY score DESC, id DESC LIMIT 10";
    let statement = owner.prepare(sql).await.unwrap();
    for (what, shape) in
        [("a rare word (20 of 100,000)", "rare"), ("three words", "three"), ("a common word (70 %)", "common")]
    {
        let (mut plain, mut ours, mut chance) = (Vec::new(), Vec::new(), Chance(7));
        let each = if shape == "common" { EACH / 10 } else { EACH };
        for _ in 0..each {
            let words = match shape {
                "rare" => format!("rare{}", chance.next() % 5_000),
                "three" => format!("{} rare{}", chance.text(2), chance.next() % 5_000),
                _ => chance.text(1),
            };
            let since = Instant::now();
            let there = owner.query(&statement, &[&words]).await.unwrap().len();
            plain.push(since.elapsed());
            let since = Instant::now();
            let request = SearchRequest { query: Some(words), ..SearchRequest::default() };
            assert_eq!(store.search(&identity("acme"), &request).await.unwrap().len(), there);
            ours.push(since.elapsed());
        }
        println!("| {what} | {} | {} |", quantiles(plain), quantiles(ours));
    }
    println!();
}

async fn vectors(server: &Server, store: &vitrine_insights::store::Store, rows: usize) {
    let mut embedded = kind("embedded", json!({}));
    embedded.embedding = Some(EmbeddingSpec { dimension: DIMENSION as u16, distance: Distance::Cosine });
    store.put_kind(&writer("acme"), embedded, None).await.unwrap();
    let mut chance = Chance(99);
    let vector = move |chance: &mut Chance| -> Vec<f32> {
        (0..DIMENSION).map(|_| (chance.next() % 2_000) as f32 / 1_000.0 - 1.0).collect()
    };
    let all: Vec<_> = (0..rows)
        .map(|number| {
            let title = chance.text(6);
            let mut new: NewInsight = serde_json::from_value(
                json!({"kind": "embedded", "title": title, "payload": {"rare": number % (rows / 10)}}),
            )
            .unwrap();
            new.embedding = Some(vector(&mut chance));
            Ok(new)
        })
        .collect();
    let owner = server.client("tools").await;
    load(&owner, store, all).await;
    owner.batch_execute("ANALYZE insights; ANALYZE insight_embeddings").await.unwrap();
    println!("| vector search of 10 among {rows}, median / p99, ms | plain SQL | store |\n|---|---|---|");
    for (what, payload, words) in [
        ("all of the kind", None, None),
        ("a filter that 10 pass", Some(json!({"rare": 7})), None),
        ("fused with words", None, Some("revenue margin")),
    ] {
        let (mut plain, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let embedding = vector(&mut chance);
            let literal = serde_json::to_string(&embedding).unwrap();
            if words.is_none() {
                let filter = payload.as_ref().map_or(String::new(), |payload| format!("AND i.payload @> '{payload}'"));
                let sql = format!(
                    "SELECT i.id, i.title, i.payload FROM insight_embeddings e JOIN insights i ON i.tenant = e.tenant AND i.id = e.insight_id
                     WHERE e.tenant = 'acme' AND e.kind = 'embedded' AND e.dimension = {DIMENSION} AND i.state = 'current' {filter}
                     ORDER BY e.embedding::vector({DIMENSION}) <=> '{literal}' LIMIT 10");
                let since = Instant::now();
                owner.simple_query(&sql).await.unwrap();
                plain.push(since.elapsed());
            }
            let request = SearchRequest {
                query: words.map(str::to_owned),
                embedding: Some(embedding),
                mode: Some(if words.is_some() { SearchMode::Fused } else { SearchMode::Vector }),
                filter: InsightFilter {
                    kind: Some("embedded".to_owned()),
                    payload: payload.clone(),
                    ..InsightFilter::default()
                },
                limit: Some(10),
            };
            let since = Instant::now();
            assert_eq!(store.search(&identity("acme"), &request).await.unwrap().len(), 10);
            ours.push(since.elapsed());
        }
        let plain = if plain.is_empty() { "–".to_owned() } else { quantiles(plain) };
        println!("| {what} | {plain} | {} |", quantiles(ours));
    }
}

/// A few into the HNSW index as it stands, the rest before it is built anew: one by one would take most of the run.
async fn load(
    owner: &tokio_postgres::Client,
    store: &vitrine_insights::store::Store,
    all: Vec<Result<NewInsight, Error>>,
) {
    let count = "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'embeddings_%'";
    assert_eq!(owner.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 1, "the kind has its index");
    let (rows, few) = (all.len(), all.len() / 20);
    let mut all = all.into_iter();
    let (head, rest): (Vec<_>, Vec<_>) = (all.by_ref().take(few).collect(), all.collect());
    let since = Instant::now();
    store.create_insights(&writer("acme"), stream::iter(head).boxed()).await.unwrap();
    let into_index = few as f64 / since.elapsed().as_secs_f64();
    let drop_index = "DO $$ DECLARE one text; BEGIN
        FOR one IN SELECT indexname FROM pg_indexes WHERE indexname LIKE 'embeddings\\_%' LOOP EXECUTE format('DROP INDEX %I', one); END LOOP; END $$";
    owner.batch_execute(drop_index).await.unwrap();
    let since = Instant::now();
    store.create_insights(&writer("acme"), stream::iter(rest).boxed()).await.unwrap();
    let bare = (rows - few) as f64 / since.elapsed().as_secs_f64();
    let since = Instant::now();
    let build =
        "SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 2; SELECT vitrine.index_embeddings()";
    owner.batch_execute(build).await.unwrap();
    println!("| bulk with embeddings of {DIMENSION} dimensions | rows/s |\n|---|---|");
    println!("| into the HNSW index | {into_index:.0} |\n| without it | {bare:.0} |");
    println!("| building it for {rows}, by pgvector | {:.0} |\n", rows as f64 / since.elapsed().as_secs_f64());
}
