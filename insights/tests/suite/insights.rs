//! Insights: their life, their lists, their evidence, many at once.

use serde_json::{Value, json};

use super::{Scene, id, insight, unique};

pub(super) async fn a_life(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("life").await);
    let made = acme.post("/v1/insights", &insight(&kind, "k", "Sales fell")).await.is(201);
    let first = id(&made);
    assert_eq!(made.header("location"), format!("/v1/insights/{first}"));
    assert_eq!((made.json()["version"].as_i64(), made.json()["state"].as_str()), (Some(1), Some("current")));
    let again = acme.post("/v1/insights", &insight(&kind, "k", "Sales fell")).await.is(200);
    assert_eq!(id(&again), first, "the same key with the same content is the same insight");
    acme.post("/v1/insights", &insight(&kind, "k", "Sales rose")).await.is(409);
    assert_eq!(acme.get(&format!("/v1/insights/{first}")).await.is(200).json(), made.json());

    let version = json!({ "title": "Sales rose after all", "payload": { "score": 2 }, "confidence": 0.5 });
    let second = acme.post(&format!("/v1/insights/{first}/supersede"), &version).await.is(201);
    assert_eq!((second.json()["version"].as_i64(), second.json()["key"].as_str()), (Some(2), Some("k")));
    let other = json!({ "title": "Something else", "payload": {} });
    acme.post(&format!("/v1/insights/{first}/supersede"), &other).await.is(409);
    let old = acme.get(&format!("/v1/insights/{first}")).await.is(200).json();
    assert_eq!((&old["state"], &old["superseded_by"]), (&json!("superseded"), &second.json()["id"]));
    assert_eq!(old["title"], "Sales fell", "what was said stays said");

    let second = id(&second);
    let reason = json!({ "reason": "the data were of another year" });
    let retracted = acme.post(&format!("/v1/insights/{second}/retract"), &reason).await.is(200).json();
    assert_eq!((&retracted["state"], &retracted["retraction_reason"]), (&json!("retracted"), &reason["reason"]));
    let other = json!({ "reason": "another reason" });
    acme.post(&format!("/v1/insights/{second}/retract"), &other).await.is(409);
    for any in [&first, &second] {
        let history = acme.get(&format!("/v1/insights/{any}/history")).await.is(200).items();
        assert_eq!(history.iter().map(|version| &version["id"]).collect::<Vec<_>>(), [&json!(first), &json!(second)]);
    }
    assert_eq!(acme.get(&format!("/v1/insights?kind={kind}")).await.is(200).items().len(), 0, "none is current");

    let held = acme.put(&format!("/v1/insights/{second}/hold"), &[], &json!({ "held": true })).await.is(200).json();
    assert_eq!(held["legal_hold"], true);
    let free = acme.put(&format!("/v1/insights/{second}/hold"), &[], &json!({ "held": false })).await.is(200).json();
    assert_eq!(free["legal_hold"], false);
    for path in ["", "/history", "/evidence"] {
        acme.get(&format!("/v1/insights/00000000-0000-7000-8000-000000000000{path}")).await.is(404);
        acme.get(&format!("/v1/insights/1%20OR%201=1{path}")).await.is(404);
    }
}

pub(super) async fn payloads_fit_their_kind(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("fit").await);
    let mut unfit = insight(&kind, "k", "t");
    unfit["payload"] = json!({ "score": "high" });
    let answer = acme.post("/v1/insights", &unfit).await.is(422).json();
    assert_eq!(answer["errors"][0]["pointer"], "/payload/score", "{answer}");
    let none = acme.post("/v1/insights", &insight("no-such-kind", "k", "t")).await.is(404).json();
    assert!(none["detail"].as_str().unwrap().contains("no-such-kind"), "{none}");
    let first = id(&acme.post("/v1/insights", &insight(&kind, "k", "t")).await.is(201));
    let version = json!({ "title": "t", "payload": { "score": [] } });
    let answer = acme.post(&format!("/v1/insights/{first}/supersede"), &version).await.is(422).json();
    assert_eq!(answer["errors"][0]["pointer"], "/payload/score", "{answer}");
    for (field, wrong) in [
        ("title", json!("")),
        ("confidence", json!(1.5)),
        ("valid_from", json!("-0044-03-15T00:00:00Z")),
        ("valid_to", json!("yesterday")),
        ("embedding", json!([])),
        ("key", json!("k".repeat(1_000))),
        ("payload", json!([])),
        ("surprise", json!(1)),
    ] {
        let mut new = insight(&kind, &unique("k"), "t");
        new[field] = wrong.clone();
        let answer = acme.post("/v1/insights", &new).await.is(422).json();
        let pointer = answer["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned();
        assert!(pointer.starts_with(&format!("/{field}")), "{field} {wrong}: {answer}");
    }
}

pub(super) async fn lists_filter_and_turn_pages(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("list").await);
    for number in 0..7 {
        let mut new = insight(&kind, &format!("k{number}"), &format!("number {number}"));
        new["confidence"] = json!(f64::from(number) / 10.0);
        new["payload"] = json!({ "score": number, "tags": { "even": number % 2 == 0 } });
        acme.post("/v1/insights", &new).await.is(201);
    }
    let (mut path, mut titles) = (format!("/v1/insights?kind={kind}&limit=3"), Vec::new());
    let mut pages = 0;
    loop {
        let page = acme.get(&path).await.is(200);
        titles.extend(page.items().iter().map(|item| item["title"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
        path = format!("/v1/insights?kind={kind}&limit=3&after={next}");
        // A row made meanwhile shifts nothing.
        acme.post("/v1/insights", &insight(&kind, &unique("late"), "late")).await.is(201);
    }
    assert_eq!((pages, titles.len()), (3, 7), "{titles:?}");
    titles.sort();
    titles.dedup();
    assert_eq!(titles.len(), 7, "none twice: {titles:?}");

    let count =
        async |filter: &str| acme.get(&format!("/v1/insights?kind={kind}&{filter}")).await.is(200).items().len();
    assert_eq!(count("confidence_min=0.4").await, 3);
    assert_eq!(count("key=k3").await, 1);
    assert_eq!(count("payload=%7B%22tags%22:%7B%22even%22:true%7D%7D").await, 4);
    assert_eq!(count("valid_at=2001-01-01T00:00:00Z").await, 0);
    assert_eq!(count("state=superseded").await, 0);
    for wrong in
        ["state=new", "limit=0", "limit=x", "confidence_min=nan", "as_of=now", "payload=1", "colour=red", "key=a&key=b"]
    {
        acme.get(&format!("/v1/insights?{wrong}")).await.is(400);
    }
    acme.get("/v1/insights?after=nonsense").await.is(422);
}

pub(super) async fn past_moments_can_be_read(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("past").await);
    let first = acme.post("/v1/insights", &insight(&kind, "k", "first")).await.is(201);
    let version = json!({ "title": "second", "payload": {} });
    let second = acme.post(&format!("/v1/insights/{}/supersede", id(&first)), &version).await.is(201);
    let moment = |answer: &Value| answer["recorded_at"].as_str().unwrap().to_owned();
    let (before, after) = (moment(&first.json()), moment(&second.json()));
    let read = async |at: &str| acme.get(&format!("/v1/insights/{}?as_of={at}", id(&first))).await;
    assert_eq!(read(&before).await.is(200).json()["title"], "first");
    assert_eq!(read("2999-01-01T00:00:00Z").await.is(200).json()["title"], "second");
    read("2001-01-01T00:00:00Z").await.is(404);
    let listed = async |at: &str| {
        let items = acme.get(&format!("/v1/insights?kind={kind}&as_of={at}")).await.is(200).items();
        items.iter().map(|item| item["title"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&before).await, ["first"]);
    assert_eq!(listed("2999-01-01T00:00:00Z").await, ["second"], "{after}");
    assert_eq!(listed("2001-01-01T00:00:00Z").await, Vec::<String>::new());
}

pub(super) async fn evidence_is_kept(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("evidence").await);
    let evidence = |shape: &str| {
        json!({ "query_shape": shape, "relations": ["sales.orders"], "data_as_of": "2026-11-20T12:00:00Z",
                "database": "shop", "receipt": "r1" })
    };
    let mut new = insight(&kind, "k", "t");
    new["evidence"] = json!([evidence("SELECT sum(x) FROM sales.orders")]);
    let one = id(&acme.post("/v1/insights", &new).await.is(201));
    let path = format!("/v1/insights/{one}/evidence");
    acme.post(&path, &evidence("SELECT 2")).await.is(201);
    let items = acme.get(&path).await.is(200).items();
    assert_eq!(items.len(), 2);
    assert!(items.iter().any(|item| item["query_shape"] == "SELECT 2" && item["receipt"] == "r1"), "{items:?}");
    let rests = acme.get(&format!("/v1/insights?kind={kind}&relation=sales.orders")).await.is(200).items();
    assert_eq!(rests.len(), 1);
    assert_eq!(acme.get(&format!("/v1/insights?kind={kind}&relation=sales.other")).await.is(200).items().len(), 0);
    acme.post(&path, &json!({ "query_shape": "", "data_as_of": "2026-11-20T12:00:00Z" })).await.is(422);
}

pub(super) async fn search_finds_words(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("search").await);
    let word = unique("zebra").replace('-', "");
    let mut new = insight(&kind, "k", &format!("The {word} crossed"));
    new["body"] = json!("at night, slowly");
    let one = id(&acme.post("/v1/insights", &new).await.is(201));
    acme.post("/v1/insights", &insight(&kind, "other", "Nothing of the kind")).await.is(201);
    let asked = json!({ "query": format!("{word} slowly"), "filter": { "kind": kind } });
    let found = acme.post("/v1/search", &asked).await.is(200).items();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["insight"]["id"], &found[0]["text_rank"]), (&json!(one), &json!(1)));
    assert_eq!(acme.get(&format!("/v1/search?query={word}&limit=5")).await.is(200).items().len(), 1);
    acme.post("/v1/search", &json!({})).await.is(422);
    acme.get("/v1/search").await.is(400);
    let can = acme.get("/v1/capabilities").await.is(200).json();
    if can["vector_search"] == false {
        acme.post("/v1/search", &json!({ "embedding": [1, 0], "filter": { "kind": kind } })).await.is(501);
        assert!(!can["vector_detail"].as_str().unwrap().is_empty(), "it says why: {can}");
    }
}

pub(super) async fn bulk_is_all_or_none(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("bulk").await);
    let lines = |count: usize| {
        let lines = (0..count).map(|number| format!("{}\n", insight(&kind, &format!("k{number}"), "t")));
        lines.collect::<String>()
    };
    assert_eq!(acme.bulk(&[], lines(1_000)).await.is(200).json(), json!({ "created": 1_000, "unchanged": 0 }));
    assert_eq!(acme.bulk(&[], lines(1_500)).await.is(200).json(), json!({ "created": 500, "unchanged": 1_000 }));
    let count = async || {
        let (mut path, mut count) = (format!("/v1/insights?kind={kind}&limit=1000"), 0);
        loop {
            let page = acme.get(&path).await.is(200);
            count += page.items().len();
            let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { return count };
            path = format!("/v1/insights?kind={kind}&limit=1000&after={next}");
        }
    };
    assert_eq!(count().await, 1_500);
    let fresh = |number: u32| insight(&kind, &format!("fresh{number}"), "t");
    let mut unfit = fresh(2);
    unfit["payload"]["score"] = json!("high");
    let answer = acme.bulk(&[], format!("{}\n{unfit}\n{}\n", fresh(1), fresh(3))).await.is(422).json();
    assert_eq!((&answer["errors"][0]["line"], &answer["errors"][0]["pointer"]), (&json!(2), &json!("/payload/score")));
    let taken = format!("{}\n{}\n", fresh(1), insight(&kind, "k1", "other content"));
    assert_eq!(acme.bulk(&[], taken).await.is(409).json()["errors"][0]["line"], 2);
    let homeless = format!("{}\n{}\n", fresh(1), insight("no-such-kind", "k", "t"));
    assert_eq!(acme.bulk(&[], homeless).await.is(404).json()["errors"][0]["line"], 2);
    assert_eq!(count().await, 1_500, "all or none");

    // Without keys of their own, the idempotency key keeps them from being doubled.
    let keyless = format!("{}\n", json!({ "kind": kind, "title": "keyless" })).repeat(10);
    let key = unique("bulk");
    let header: &[(&str, &str)] = &[("Idempotency-Key", &key)];
    let first = acme.bulk(header, keyless.clone()).await.is(200);
    assert_eq!(acme.bulk(header, keyless).await.is(200).json(), first.json());
    assert_eq!(count().await, 1_510);
    acme.bulk(header, lines(1)).await.is(422);
    assert_eq!(acme.bulk(&[], "").await.is(200).json(), json!({ "created": 0, "unchanged": 0 }));
}

pub(super) async fn bulk_names_every_wrong_line(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("lines").await);
    let good = insight(&kind, "k", "t");
    let wrong = format!("{good}\n{{\n{good}\n{{\"kind\":7}}\n[]\n{good}\n");
    let answer = acme.bulk(&[], wrong).await.is(422).json();
    let lines: Vec<i64> =
        answer["errors"].as_array().unwrap().iter().map(|fault| fault["line"].as_i64().unwrap()).collect();
    assert_eq!(lines, [2, 4, 5], "{answer}");
    assert_eq!(acme.get(&format!("/v1/insights?kind={kind}")).await.is(200).items().len(), 0);
    acme.send("POST", "/v1/insights/bulk", &[("Content-Type", "application/json")], good.to_string()).await.is(415);
    let long = format!("{{\"kind\":\"{kind}\",\"title\":\"{}\"}}\n", "x".repeat(2 << 20));
    acme.bulk(&[], long).await.is(413);
    acme.bulk(&[], &b"{\"kind\":\"\xff\"}\n"[..]).await.is(422);
}

pub(super) async fn what_is_past_its_time_is_not_there(scene: &Scene) {
    let (acme, kind) = (&scene.acme, scene.kind("expiring").await);
    let word = unique("word").replace('-', "");
    let end = chrono::Utc::now() + chrono::Duration::milliseconds(1_500);
    let mut new = insight(&kind, "k", &format!("Soon gone {word}"));
    new["expires_at"] = json!(end);
    let one = id(&acme.post("/v1/insights", &new).await.is(201));
    new["key"] = json!("held");
    let held = id(&acme.post("/v1/insights", &new).await.is(201));
    acme.put(&format!("/v1/insights/{held}/hold"), &[], &json!({ "held": true })).await.is(200);
    let list = format!("/v1/insights?kind={kind}");
    assert_eq!(acme.get(&list).await.is(200).items().len(), 2);
    let search = json!({ "query": word });
    assert_eq!(acme.post("/v1/search", &search).await.is(200).items().len(), 2);
    let then = chrono::Utc::now();
    for round in 0.. {
        if acme.get(&format!("/v1/insights/{one}")).await.status == 404 {
            break;
        }
        assert!(round < 300, "it never ends");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(chrono::Utc::now() >= end, "it ended too early");
    assert!(acme.get(&list).await.is(200).items().is_empty());
    assert!(acme.post("/v1/search", &search).await.is(200).items().is_empty());
    acme.get(&format!("/v1/insights/{one}/history")).await.is(404);
    acme.get(&format!("/v1/insights/{one}/evidence")).await.is(404);
    acme.get(&format!("/v1/insights/{held}")).await.is(200);
    // At that moment it was there.
    let then = then.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    assert_eq!(acme.get(&format!("{list}&as_of={then}")).await.is(200).items().len(), 2);
    // Its key is free for what is said anew.
    let next = acme.post("/v1/insights", &insight(&kind, "k", "Said anew")).await.is(201).json();
    assert_eq!((&next["version"], &next["state"]), (&json!(2), &json!("current")));
}
