//! Payloads that come by SQL: the database judges them as the API does.

use jsonschema::{PatternOptions, Validator};
use proptest::collection::{btree_map, vec};
use proptest::prelude::{Just, Strategy, any};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use proptest::{option, prop_oneof, sample};
use serde_json::{Map, Value, json};
use tokio_postgres::types::Json;
use tokio_postgres::{Client, NoTls};
use vitrine_insights::model::Tenant;
use vitrine_insights::seed::{self, Seeds, Sowing};
use vitrine_insights::service::{Error, Insights as _, Kinds as _};

use crate::server::{Server, kind, writer};
use crate::writes::insight;

/// As the store compiles them.
fn compile(schema: &Value) -> Option<Validator> {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
    options.with_pattern_options(PatternOptions::regex()).build(schema).ok()
}

fn number() -> impl Strategy<Value = Value> {
    sample::select(vec![
        json!(-1),
        json!(0),
        json!(1),
        json!(1.0),
        json!(1.5),
        json!(2),
        json!(3),
        json!(4.0),
        json!(1e20),
        json!(-0.0),
    ])
}

fn text() -> impl Strategy<Value = String> {
    "[ab1é\n/~.-]{0,4}"
}

fn name() -> impl Strategy<Value = String> {
    sample::select(vec!["a", "b", "c", "a/b", "~", "ab1"]).prop_map(str::to_owned)
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number(), text().prop_map(Value::from),];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(name(), inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn pattern() -> impl Strategy<Value = String> {
    let known = sample::select(vec![
        "^a",
        "b$",
        "^ab1$",
        "a.b",
        ".",
        "^.$",
        "^[^.]+\\.[^.]+$",
        "^(a|b)*$",
        "\\d",
        "^\\w+$",
        "[a-b]{2,3}",
        "[^a-z0-9_-]",
        "^(?:ab?)+1?$",
        "^$",
        "",
        "a|",
        "\\/",
        "\\-",
        "(?=a)b",
        "\\s",
        "a+?",
        "\\p{L}",
        "[[:alpha:]]",
        "^\\S*$",
        "(a",
        "a**",
        "x{1000}",
        "[b-a]",
        "\\bab",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => "[ab1.*+?|()^$\\[\\]\\\\{},-]{0,6}"]
}

#[allow(clippy::too_many_lines, reason = "a list of keywords is one list")]
fn schema() -> impl Strategy<Value = Value> {
    let count = || sample::select(vec![json!(0), json!(1), json!(2), json!(3)]);
    let kind_of = || sample::select(vec!["null", "boolean", "number", "integer", "string", "array", "object"]);
    let bound = || sample::select(vec![json!(-1), json!(0), json!(1), json!(1.5), json!(2), json!(3)]);
    let keyword = |name: &'static str, value: proptest::strategy::BoxedStrategy<Value>| {
        value.prop_map(move |value| (name.to_owned(), value)).boxed()
    };
    let mut leaves = vec![
        keyword("type", kind_of().prop_map(Value::from).boxed()),
        keyword(
            "type",
            sample::subsequence(vec!["null", "number", "integer", "string", "array", "object"], 1..4)
                .prop_map(|all| json!(all))
                .boxed(),
        ),
        keyword("enum", vec(payload(), 1..4).prop_map(|all| json!(all)).boxed()),
        keyword("const", payload().boxed()),
        keyword("pattern", pattern().prop_map(Value::from).boxed()),
        keyword("multipleOf", sample::select(vec![json!(1), json!(2), json!(1.5), json!(2.0)]).boxed()),
        keyword("uniqueItems", any::<bool>().prop_map(Value::from).boxed()),
        keyword("required", sample::subsequence(vec!["a", "b", "c"], 0..3).prop_map(|all| json!(all)).boxed()),
        keyword(
            "dependentRequired",
            btree_map(name(), sample::subsequence(vec!["a", "b", "c"], 0..3), 0..2).prop_map(|all| json!(all)).boxed(),
        ),
        keyword("format", Just(json!("date-time")).boxed()),
        keyword("title", Just(json!("x")).boxed()),
        keyword(
            "$ref",
            sample::select(vec![json!("#/$defs/leaf"), json!("#/$defs/deep"), json!("#/$defs/leaf/x")]).boxed(),
        ),
    ];
    for name in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] {
        leaves.push(keyword(name, bound().boxed()));
    }
    for name in [
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "minContains",
        "maxContains",
    ] {
        leaves.push(keyword(name, count().boxed()));
    }
    let object = |words: Vec<(String, Value)>| Value::Object(words.into_iter().collect::<Map<_, _>>());
    let leaf = prop_oneof![
        6 => vec(proptest::strategy::Union::new(leaves.clone()), 0..3).prop_map(object),
        1 => any::<bool>().prop_map(Value::from),
    ];
    let deep = leaf.prop_recursive(3, 24, 3, move |inner| {
        let inner = inner.boxed();
        let mut words = leaves.clone();
        for name in [
            "items",
            "contains",
            "additionalProperties",
            "propertyNames",
            "not",
            "if",
            "then",
            "else",
            "unevaluatedProperties",
        ] {
            words.push(keyword(name, inner.clone()));
        }
        for name in ["allOf", "anyOf", "oneOf", "prefixItems"] {
            words.push(keyword(name, vec(inner.clone(), 1..3).prop_map(|all| json!(all)).boxed()));
        }
        for name in ["properties", "properties", "dependentSchemas"] {
            words.push(keyword(name, btree_map(self::name(), inner.clone(), 0..3).prop_map(|all| json!(all)).boxed()));
        }
        words.push(keyword(
            "patternProperties",
            btree_map(pattern(), inner.clone(), 0..2).prop_map(|all| json!(all)).boxed(),
        ));
        vec(proptest::strategy::Union::new(words), 1..5).prop_map(object)
    });
    (deep, option::of(payload())).prop_map(|(mut schema, leaf)| {
        if let (Some(fields), Some(leaf)) = (schema.as_object_mut(), leaf) {
            // One reference goes round: through an array, so that it ends.
            fields.insert(
                "$defs".to_owned(),
                json!({"leaf": {"const": leaf}, "deep": {"items": {"$ref": "#/$defs/deep"}, "maxItems": 2}}),
            );
        }
        schema
    })
}

/// What the database says of each pair: `None` where it does not judge, else whether the payload fits.
async fn judged(client: &Client, pairs: &[(Value, Value)]) -> Vec<Option<bool>> {
    let sql = "SELECT CASE WHEN vitrine.beyond_sql(p.value -> 0, p.value -> 0) IS NULL
                           THEN vitrine.unfit(p.value -> 0, p.value -> 0, p.value -> 1, '', 0) IS NULL END
               FROM jsonb_array_elements($1) WITH ORDINALITY AS p (value, place) ORDER BY p.place";
    let rows = client.query(sql, &[&Json(pairs)]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_and_the_api_judge_payloads_alike() {
    let server = Server::start().await;
    let client = server.client("tools").await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let both = (schema(), payload());
    let (mut fit, mut unfit, mut beyond) = (0, 0, 0);
    for _ in 0..20 {
        let pairs: Vec<(Value, Value, bool)> = std::iter::repeat_with(|| both.new_tree(&mut runner).unwrap().current())
            .filter_map(|(schema, payload)| {
                compile(&schema).map(|validator| (validator.is_valid(&payload), schema, payload))
            })
            .map(|(fits, schema, payload)| (schema, payload, fits))
            .take(500)
            .collect();
        let sent: Vec<(Value, Value)> =
            pairs.iter().map(|(schema, payload, _)| (schema.clone(), payload.clone())).collect();
        for ((schema, payload, fits), said) in pairs.iter().zip(judged(&client, &sent).await) {
            match said {
                None => beyond += 1,
                Some(said) => {
                    assert_eq!(said, *fits, "the API says {fits}, the database {said}: {schema} of {payload}");
                    if said { fit += 1 } else { unfit += 1 }
                }
            }
        }
    }
    println!("{fit} fit, {unfit} do not, {beyond} the database does not judge");
    assert!(fit > 1_000 && unfit > 1_000 && beyond > 100, "{fit} {unfit} {beyond}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shipped_kinds_are_judged_alike_and_none_is_beyond() {
    let server = Server::start().await;
    let mut client = server.client("tools").await;
    let seeds = Seeds::read(&seed::embedded()).unwrap();
    seed::plant(&mut client, &Tenant::parse("acme").unwrap(), &seeds, Sowing::default()).await.unwrap();
    let rows = client.query("SELECT name, schema, http_only FROM kinds ORDER BY name", &[]).await.unwrap();
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let (mut fit, mut unfit) = (0, 0);
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let (name, schema, beyond): (&str, Value, Option<&str>) = (row.get(0), row.get(1), row.get(2));
        assert_eq!(beyond, None, "{name}");
        let whole = match name {
            "anomaly" => {
                json!({"measure": "m", "at": "2026-01-01T00:00:00Z", "expected": {"low": 1, "high": 2}, "observed": 3, "severity": "notice"})
            }
            "data_quality" => {
                json!({"relation": "public.orders", "columns": ["a", "b"], "rule": "missing", "rows_checked": 5, "rows_failing": 0})
            }
            "forecast" => {
                json!({"measure": "m", "horizon_days": 7, "method": "linear", "values": [{"on": "2026-01-01", "value": 1.5}]})
            }
            _ => {
                json!({"measure": "m", "direction": "up", "change_percent": -4, "period": {"from": "2026-01-01", "to": "2026-02-01"}})
            }
        };
        // One field of it, or of what lies in it, is another value, is gone, or is one too many.
        let fields: Vec<String> =
            schema["properties"].as_object().unwrap().keys().cloned().chain(["x".to_owned()]).collect();
        let changed = (sample::select(fields), option::of(payload()), option::of(name_below()));
        let pairs: Vec<(Value, Value)> = (0..400)
            .map(|_| {
                let (field, value, below) = changed.new_tree(&mut runner).unwrap().current();
                let mut payload = whole.clone();
                let mut place = payload.as_object_mut().unwrap();
                let mut at = field;
                if let (Some(below), true) = (below, place.get(&at).is_some_and(Value::is_object)) {
                    place = place.get_mut(&at).unwrap().as_object_mut().unwrap();
                    at = below;
                }
                match value {
                    Some(value) => drop(place.insert(at, value)),
                    None => drop(place.remove(&at)),
                }
                (schema.clone(), payload)
            })
            .chain([(schema.clone(), whole.clone())])
            .collect();
        let validator = compile(&schema).unwrap();
        for ((_, payload), said) in pairs.iter().zip(judged(&client, &pairs).await) {
            assert_eq!(said, Some(validator.is_valid(payload)), "{name}: {payload}");
            if said == Some(true) { fit += 1 } else { unfit += 1 }
        }
    }
    assert!(fit > 100 && unfit > 400, "{fit} {unfit}");
}

fn name_below() -> impl Strategy<Value = String> {
    sample::select(vec!["low", "high", "from", "to", "x"]).prop_map(str::to_owned)
}

/// A connection as SQL users have it.
async fn sql_user(server: &Server) -> Client {
    let mut config = server.config("tools");
    config.options("-c role=vitrine_sql -c search_path=public -c vitrine.tenant=acme");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_that_does_not_fit_is_refused_by_sql_as_by_the_api() {
    let server = Server::start().await;
    let store = server.store();
    let ada = writer("acme");
    let schema = json!({"type": "object", "required": ["change"], "properties": {"change": {"type": "number"}}});
    store.put_kind(&ada, kind("trend", schema), None).await.unwrap();
    store.put_kind(&ada, kind("shut", json!({"unevaluatedProperties": false})), None).await.unwrap();
    let user = sql_user(&server).await;
    let code = async |sql: &str| match user.batch_execute(sql).await {
        Ok(()) => String::new(),
        Err(error) => {
            let said = error.as_db_error().unwrap();
            format!("{} {}; {}", said.code().code(), said.message(), said.detail().unwrap_or_default())
        }
    };
    let wrong = "23514 the payload does not fit kind \"trend\"; At \"/change\": is not of type \"number\".";
    assert_eq!(
        code("INSERT INTO insights (kind, key, title, payload) VALUES ('trend', 'a', 'A', '{\"change\": \"x\"}')")
            .await,
        wrong
    );
    // One of many, by a view for COPY, and as a new version whose kind is its forerunner's.
    let many = "INSERT INTO insights (kind, key, title, payload) SELECT 'trend', g::text, 'A', CASE g WHEN 70 THEN '{\"change\": []}' ELSE '{\"change\": 1}' END::jsonb FROM generate_series(1, 100) g";
    assert_eq!(code(many).await, wrong);
    assert_eq!(code("INSERT INTO vitrine_copy.insights (kind, key, title, payload) VALUES ('trend', 'a', 'A', '{\"change\": null}')").await, wrong);
    assert_eq!(
        code("INSERT INTO insights (kind, key, title, payload) VALUES ('trend', 'a', 'A', '{\"change\": 1}')").await,
        ""
    );
    assert_eq!(
        code("INSERT INTO insights (kind, title, payload, supersedes) SELECT 'x', 'B', '{}', id FROM insights").await,
        "23514 the payload does not fit kind \"trend\"; At \"\": \"change\" is a required property."
    );
    assert_eq!(code("INSERT INTO insights (kind, title, payload, supersedes) SELECT 'x', 'B', '{\"change\": 2}', id FROM insights").await, "");
    let shut = code("INSERT INTO insights (kind, title) VALUES ('shut', 'A')").await;
    assert!(
        shut.starts_with(
            "0A000 insights of kind \"shut\" are written over HTTP only; Its schema has \"unevaluatedProperties\""
        ),
        "{shut}"
    );
    let mut one = insight(None, "By the API");
    one.kind = "shut".to_owned();
    one.payload = json!({});
    store.create_insight(&ada, one.clone()).await.unwrap();
    one.payload = json!({"x": 1});
    assert!(matches!(store.create_insight(&ada, one).await, Err(Error::Unfit(_))));
    // The kind changes: what comes next is judged by what it is now, what is there stays.
    let seen = store.kind(&ada.identity, "trend").await.unwrap().revision;
    let wider = kind("trend", json!({"required": ["other"]}));
    store.put_kind(&ada, wider, Some(vitrine_insights::model::DocumentTag(seen))).await.unwrap();
    assert!(
        code("INSERT INTO insights (kind, title, payload) VALUES ('trend', 'C', '{\"change\": 1}')")
            .await
            .starts_with("23514")
    );
    assert_eq!(code("INSERT INTO insights (kind, title, payload) VALUES ('trend', 'C', '{\"other\": 1}')").await, "");
}
