//! What the app does with an answer: it derives an insight, keeps it, finds it again, corrects it, and reads what became
//! of it, all over HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_postgres::SimpleQueryMessage;

use super::http_client::HttpClient;
use crate::demo::{DemoError, connect};

/// The question that the insight is derived from.
const QUESTION: &str = "SELECT region, name, total_spent FROM analytics.region_ranking WHERE place = 1 \
    ORDER BY total_spent DESC LIMIT 1";
/// How long the gateway may take to open the store after its start.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(100);

/// The stops of the tour at the insight store.
#[derive(Debug, Clone)]
pub struct Stops {
    /// The gateway, as a PostgreSQL client sees it.
    pub gateway_url: String,
    /// The gateway's HTTP API.
    pub address: SocketAddr,
    /// The bearer key.
    pub key: String,
}

impl Stops {
    /// Takes them, printing each; false if one did not go as it should.
    ///
    /// # Errors
    /// The gateway takes no connections.
    pub async fn take(&self) -> Result<bool, DemoError> {
        println!("\nInsights, kept in the tool database over http://{}", self.address);
        let client = HttpClient { address: self.address, key: self.key.clone() };
        let (region, name, spent) = self.best_customer().await?;
        let outcome = walk(&client, &region, &name, &spent).await;
        if let Err(why) = &outcome {
            println!("  FAILED {why}");
        }
        Ok(outcome.is_ok())
    }

    /// Asks the customer database, through the gateway.
    async fn best_customer(&self) -> Result<(String, String, String), DemoError> {
        let client = connect(&self.gateway_url).await?;
        let answer = client.simple_query(QUESTION).await.map_err(DemoError::sql("cannot ask for the best customer"))?;
        let row = answer.iter().find_map(|message| {
            let SimpleQueryMessage::Row(row) = message else { return None };
            Some(row)
        });
        let column = |index| row.and_then(|row| row.get(index)).unwrap_or_default().to_owned();
        Ok((column(0), column(1), column(2)))
    }
}

async fn walk(client: &HttpClient, region: &str, name: &str, spent: &str) -> Result<(), String> {
    ready(client).await?;
    let kind = json!({
        "description": "Who spends most.",
        "schema": { "type": "object", "required": ["region"], "properties": { "spent": { "type": "number" } } },
    });
    stop(client, "a kind with a JSON Schema", "PUT", "/v1/kinds/best-customer", Some(&kind), 201).await?;
    let spent: f64 = spent.parse().unwrap_or_default();
    let insight = json!({
        "kind": "best-customer",
        "key": region,
        "title": format!("{name} is the best customer of {region}"),
        "body": format!("{name} spent {spent:.2} in all."),
        "payload": { "region": region, "name": name, "spent": spent },
        "confidence": 0.9,
        "evidence": [{
            "query_shape": QUESTION,
            "relations": ["analytics.region_ranking"],
            "data_as_of": chrono::Utc::now(),
            "database": "shop",
        }],
    });
    let kept = stop(client, "an insight, with its evidence", "POST", "/v1/insights", Some(&insight), 201).await?;
    println!("      \"{}\"", text(&kept, "title"));
    let id = text(&kept, "id");
    let word = name.split(|character: char| !character.is_alphanumeric()).find(|word| word.len() > 2).unwrap_or(name);
    let search = json!({ "query": format!("{word} customer"), "filter": { "kind": "best-customer" } });
    let found = stop(client, "found by its words", "POST", "/v1/search", Some(&search), 200).await?;
    let first = found.pointer("/items/0/insight/id").and_then(Value::as_str);
    if first != Some(id) {
        return Err(format!("the search for {word:?} found {found}"));
    }
    let wrong = json!({ "kind": "best-customer", "title": "t", "payload": { "spent": "much" } });
    let refused = stop(client, "a payload that does not fit", "POST", "/v1/insights", Some(&wrong), 422).await?;
    let place = refused.pointer("/errors/0/pointer").and_then(Value::as_str).unwrap_or_default();
    println!("      {}: {place}", text(&refused, "title"));
    let version = json!({
        "title": format!("{name} is the best customer of {region}, returns not counted"),
        "payload": { "region": region, "name": name, "spent": spent },
        "confidence": 0.7,
    });
    let path = format!("/v1/insights/{id}/supersede");
    stop(client, "a version that supersedes it", "POST", &path, Some(&version), 201).await?;
    let path = format!("/v1/insights/{id}/history");
    let history = stop(client, "the history of both", "GET", &path, None, 200).await?;
    let versions = history.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    for version in &versions {
        let number = version.get("version").and_then(Value::as_i64).unwrap_or_default();
        println!("      {number} {:<11} {}", text(version, "state"), text(version, "title"));
    }
    if versions.len() == 2 { Ok(()) } else { Err(format!("{} versions instead of 2", versions.len())) }
}

/// One request with the status that it must have.
#[expect(clippy::too_many_arguments, reason = "it prints what it sends")]
async fn stop(
    client: &HttpClient,
    title: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
    wanted: u16,
) -> Result<Value, String> {
    let since = Instant::now();
    let (status, answer) = client.send(method, path, body).await.map_err(|why| format!("{title}: {why}"))?;
    if status != wanted {
        return Err(format!("{title}: {status} {answer}"));
    }
    let time_ms = since.elapsed().as_secs_f64() * 1000.0;
    println!("  {title:<32} {:<41} {status} {time_ms:>8.1} ms", format!("{method} {}", shortened(path)));
    Ok(answer)
}

/// A path with ids cut short.
fn shortened(path: &str) -> String {
    let short = |segment: &str| if segment.len() == 36 { "…" } else { segment }.to_owned();
    path.split('/').map(short).collect::<Vec<_>>().join("/")
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The store opens a moment after the gateway starts.
async fn ready(client: &HttpClient) -> Result<(), String> {
    let since = Instant::now();
    loop {
        match client.send("GET", "/v1/capabilities", None).await {
            Ok((200, _)) => return Ok(()),
            other if since.elapsed() > OPEN_WITHIN => return Err(format!("the API did not open: {other:?}")),
            Ok(_) | Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}
