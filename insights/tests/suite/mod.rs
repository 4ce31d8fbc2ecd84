//! What must hold of the HTTP API over whatever store. The same checks run over the memory store and, in a gateway
//! process, over PostgreSQL; every answer in them is held against the OpenAPI document.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test says what is wrong by failing"
)]
#![allow(clippy::too_many_lines, reason = "a story is told in one piece")]

pub(crate) mod client;
mod conditions;
pub(crate) mod contract;
mod feed;
mod hostile;
mod insights;
mod keys;
mod problems;
mod records;
mod tenants;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use client::{Answer, Client};
use contract::Contract;
use serde_json::{Value, json};

/// A served API, empty or not, and keys to it.
pub(crate) struct Scene {
    /// All scopes of one tenant.
    pub(crate) acme: Client,
    /// All scopes of another.
    pub(crate) globex: Client,
    /// The first tenant's, reading alone.
    pub(crate) reader: Client,
    /// The first tenant's, reading and writing.
    pub(crate) writer: Client,
    /// Nobody.
    pub(crate) stranger: Client,
    /// What the answers are held against.
    pub(crate) contract: Arc<Contract>,
}

/// One check of the suite.
pub(crate) type Check = for<'a> fn(&'a Scene) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! checks {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// All checks. Each makes what it needs under names of its own.
        pub(crate) const CHECKS: &[(&str, Check)] =
            &[$((concat!(stringify!($module), "::", stringify!($name)), |scene| Box::pin($module::$name(scene)))),*];
    };
}

checks! {
    insights::a_life,
    insights::payloads_fit_their_kind,
    insights::lists_filter_and_turn_pages,
    insights::past_moments_can_be_read,
    insights::evidence_is_kept,
    insights::what_is_past_its_time_is_not_there,
    insights::search_finds_words,
    insights::bulk_is_all_or_none,
    insights::bulk_names_every_wrong_line,
    records::documents_have_revisions,
    records::configurations_have_revisions,
    records::profiles_merge_and_remember,
    records::memories_are_found_and_forgotten,
    records::kinds_change_and_go,
    conditions::the_same_request_again_answers_the_same,
    conditions::of_two_writers_one_wins,
    feed::pages_go_on_where_they_ended,
    feed::a_stream_misses_nothing_and_repeats_nothing,
    keys::scopes_hold,
    keys::a_revoked_key_opens_nothing,
    keys::a_key_is_made_once_and_ends,
    problems::every_error_is_a_problem,
    problems::a_stranger_gets_nowhere,
    tenants::nobody_sees_another_tenant,
    tenants::forged_headers_say_nothing,
    hostile::strings_are_only_strings,
    hostile::what_cannot_be_kept_is_refused,
    hostile::deep_json_is_refused,
    hostile::a_body_of_100_mb_is_refused,
}

impl Scene {
    /// A scene at an address; `keys` are those of [`Self::acme`], [`Self::globex`], [`Self::reader`], [`Self::writer`].
    pub(crate) async fn at(address: SocketAddr, keys: [&str; 4]) -> Self {
        let contract = Arc::new(Contract::read(address).await);
        let client = |key: &str| Client::new(address, key, Arc::clone(&contract));
        let [acme, globex, reader, writer] = keys.map(client);
        Self { acme, globex, reader, writer, stranger: client(""), contract }
    }

    /// A kind of its own for one check, whose payload may have a number `score` and nothing else that is wrong.
    pub(crate) async fn kind(&self, name: &str) -> String {
        self.kind_of(&self.acme, name).await
    }

    /// The same for any tenant.
    pub(crate) async fn kind_of(&self, client: &Client, name: &str) -> String {
        let name = unique(name);
        let schema = json!({ "type": "object", "properties": { "score": { "type": "number" } } });
        let made =
            client.put(&format!("/v1/kinds/{name}"), &[("If-None-Match", "*")], &json!({ "schema": schema })).await;
        made.is(201);
        name
    }
}

/// A name that no other check and no other run has.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// The id of a record that was answered.
pub(crate) fn id(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {answer:?}")).to_owned()
}

/// An insight of a kind.
pub(crate) fn insight(kind: &str, key: &str, title: &str) -> Value {
    json!({ "kind": kind, "key": key, "title": title, "payload": { "score": 1.5 } })
}

/// A change stream that has begun.
pub(crate) async fn stream(client: &Client) -> feed::Stream {
    let mut stream = feed::Stream::open(client, &[]).await;
    stream.next().await.unwrap();
    stream
}

/// The same, from an event on.
pub(crate) async fn stream_after(client: &Client, last: &str) -> feed::Stream {
    let mut stream = feed::Stream::open(client, &[("Last-Event-ID", last)]).await;
    stream.next().await.unwrap();
    stream
}
