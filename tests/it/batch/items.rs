//! What items are answered.

use serde_json::{Value, json};

use super::{TAKEN, named, post, statuses, told};
use crate::support::{Gate, Origin, Proxy, Reply, get, send};

#[tokio::test]
async fn items_are_answered_in_their_order_from_the_cache() {
    let origin = named().await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    get(&proxy, "/b").await;
    let items = json!(["/a", { "id": "x", "path": "/b" }, { "method": "HEAD", "path": "/c?d=1" }]);
    let first = post(&proxy, &items).await;
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.header("cache-control"), Some("no-store"));
    assert_eq!(first.header("cache-status"), Some("larder; detail=batch"));
    let answers = told(&first);
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(0), &json!("x"), &json!(2)]);
    assert_eq!(statuses(&answers), [200, 200, 200]);
    assert_eq!(answers[0]["body"], json!({ "path": "/a" }), "JSON is embedded as JSON");
    assert_eq!(answers[2]["body"], Value::Null, "RFC 9110 §9.3.2: a HEAD has no body");
    let status = |answer: &Value| answer["headers"]["cache-status"].as_str().unwrap().to_owned();
    assert_eq!(status(&answers[1]), "larder; hit; ttl=60", "what others stored");
    assert!(status(&answers[0]).starts_with("larder; fwd=uri-miss; stored"));
    let again = told(&post(&proxy, &json!(["/a", "/b"])).await);
    assert!(again.iter().all(|it| status(it) == "larder; hit; ttl=60"), "and what a batch stored");
    assert!(get(&proxy, "/a").await.is_hit());
    assert_eq!(origin.requests(), 3, "one for each path");
}

#[tokio::test]
async fn bodies_are_json_text_or_base64() {
    let origin = Origin::serve(|seen| match seen.target.as_str() {
        "/text" => Reply::ok("a \"b\"\n").header("Content-Type", "text/plain"),
        "/bytes" => Reply::ok(&b"\xff\xfe"[..]).header("Content-Type", "image/x"),
        "/broken" => Reply::ok("{\"a\":").header("Content-Type", "application/json"),
        "/number" => Reply::ok(" 1.50\n").header("Content-Type", "application/json"),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let items = json!(["/text", "/bytes", "/broken", "/number", "/none"]);
    let answer = post(&proxy, &items).await;
    let answers = told(&answer);
    let bodies: Vec<&Value> = answers.iter().map(|answer| &answer["body"]).collect();
    let expected = [json!("a \"b\"\n"), json!("//4="), json!("{\"a\":"), json!(1.5), Value::Null];
    assert_eq!(bodies, expected.iter().collect::<Vec<_>>());
    assert_eq!(
        (&answers[1]["encoding"], &answers[0]["encoding"]),
        (&json!("base64"), &Value::Null)
    );
    assert!(answer.text().contains("\"body\":1.50"), "numbers stay as they are spelled");
}

#[tokio::test]
async fn lines_come_as_they_are_ready() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| {
        let text = "{\n\"path\": \"".to_owned() + &seen.target + "\"\n}";
        let reply = Reply::fresh(60, text).header("Content-Type", "application/json");
        if seen.target == "/slow" { reply.held(&held) } else { reply }
    })
    .await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let ask = post(&proxy, &json!(["/slow", "/fast"])).header("Accept", "application/x-ndjson");
    let mut arriving = ask.arriving().await;
    assert_eq!(arriving.so_far().header("content-type"), Some("application/x-ndjson"));
    let mut first = String::new();
    while !first.ends_with('\n') {
        first = String::from_utf8_lossy(arriving.body(first.len() + 1).await).into_owned();
    }
    assert!(first.starts_with("{\"id\":1,"), "the first that came, with its end: {first}");
    gate.open();
    let whole = arriving.end().await.unwrap();
    let lines: Vec<Value> =
        whole.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["body"]), (2, &json!({ "path": "/slow" })), "a line each");
}

#[tokio::test]
async fn an_items_conditions_are_its_own() {
    let origin = Origin::always(Reply::fresh(60, "x").header("ETag", "\"v\"")).await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let items = json!([
        { "path": "/a", "headers": { "If-None-Match": "\"v\"" } },
        { "path": "/a", "headers": { "If-None-Match": "\"w\"" } },
    ]);
    let ask = post(&proxy, &items).header("If-None-Match", "\"v\"").header("Range", "bytes=0-0");
    let answers = told(&ask.await);
    assert_eq!(statuses(&answers), [304, 200], "RFC 9110 §13.1.2, and the batch's are none");
    assert_eq!((&answers[0]["body"], &answers[1]["body"]), (&Value::Null, &json!("x")));
    assert_eq!(origin.requests(), 1, "both are one fetch");
}

#[tokio::test]
async fn an_items_failure_is_its_own() {
    let origin = Origin::serve(|seen| match seen.target.as_str() {
        "/torn" => Reply::ok("0123456789").torn_after(5),
        "/error" => Reply::status(500),
        "/reset" => Reply::reset(),
        _ => Reply::ok("fine"),
    })
    .await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let items = json!(["/torn", "/error", "/reset", "/a/../b", "/fine"]);
    let answers = told(&post(&proxy, &items).await);
    assert_eq!(statuses(&answers), [502, 500, 502, 400, 200]);
    assert_eq!(answers[4]["body"], json!("fine"));
    assert_eq!(answers[0]["body"]["title"], json!("Bad Gateway"), "RFC 9457");
}

#[tokio::test]
async fn items_join_what_is_under_way() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let alone = tokio::spawn(get(&proxy, "/a").into_future());
    origin.until_requests(1).await;
    let batch = tokio::spawn(post(&proxy, &json!(["/a", "/a", "/a"])).into_future());
    proxy.settle().await;
    gate.open();
    assert_eq!(alone.await.unwrap().text(), "x");
    assert_eq!(statuses(&told(&batch.await.unwrap())), [200, 200, 200]);
    assert_eq!(origin.requests(), 1, "all of them wait for one fetch");
}

#[tokio::test]
async fn a_batch_is_packed_as_a_whole_and_never_stored() {
    let origin = Origin::serve(|seen| {
        let text = format!("[{}\"{}\"]", "\"some text\",".repeat(100), seen.target);
        Reply::fresh(60, text).header("Content-Type", "application/json")
    })
    .await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let items = json!(["/a", "/b"]);
    for _ in 0..2 {
        let packed = post(&proxy, &items).header("Accept-Encoding", "gzip").await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert_eq!(packed.header("vary"), Some("accept-encoding"), "RFC 9110 §12.5.5");
        let plain = post(&proxy, &items).await;
        let unpacked = super::super::compression::unpack("gzip", &packed.body).await;
        let unpacked: Vec<Value> = serde_json::from_slice(&unpacked).unwrap();
        let bodies = |all: &[Value]| all.iter().map(|it| it["body"].clone()).collect::<Vec<_>>();
        assert_eq!(bodies(&unpacked), bodies(&told(&plain)));
        assert!(packed.body.len() < plain.body.len() / 4, "one window for all of them");
        assert!(unpacked.iter().all(|it| it["headers"]["content-encoding"].is_null()));
        assert_eq!(plain.header("age"), None, "it comes from no store");
    }
}

#[tokio::test]
async fn an_item_can_be_cut() {
    let origin = named().await;
    let shape = "[[routes]]\nmatch = { path = \"/**\" }\nshape = { fields = \"fields\" }\n";
    let proxy = Proxy::with(&origin, &format!("{TAKEN}{shape}")).await;
    let answers =
        told(&post(&proxy, &json!(["/a?fields=path", "/a?fields=x", "/a?fields=,"])).await);
    let bodies: Vec<&Value> = answers.iter().map(|answer| &answer["body"]).collect();
    assert_eq!(bodies[..2], [&json!({ "path": "/a" }), &json!({})]);
    assert_eq!((statuses(&answers), origin.requests()), (vec![200, 200, 400], 1));
}

#[tokio::test]
async fn without_the_key_a_batch_is_a_post_like_any_other() {
    let origin = Origin::always(Reply::ok("the API's own")).await;
    let proxy = Proxy::before(&origin).await;
    let answer = send(&proxy, "POST", "/_batch").body("[]").await;
    assert_eq!((answer.text(), origin.last().target.as_str()), ("the API's own", "/_batch"));
}

#[tokio::test]
async fn a_hit_is_told_as_it_would_be_alone() {
    let text = format!("{{\"path\":\"\\u002f\",\n\"long\":\"{}\"}}", "x".repeat(9000));
    let origin = Origin::serve(move |seen| {
        let reply = Reply::fresh(60, text.clone()).header("Content-Type", "application/json");
        let reply = reply.header("X-Quoted", "a \"b\\c\"").header("X-Tab", "a\tb");
        let reply = reply.header("Link", "</1>; rel=a").header("Link", "</2>; rel=b");
        match seen.target.split('?').next() {
            Some("/own") => reply.header("Vary", "Accept-Language"),
            Some("/told") => reply.header("Cache-Status", "origin; hit").header("ETag", "\"v\""),
            Some("/id") => reply.header("ETag", "\"v--id\""),
            Some("/short") => Reply::fresh(60, "7").header("Content-Type", "application/json"),
            _ => reply.header("ETag", "W/\"v\""),
        }
    })
    .await;
    let shape = "[[routes]]\nmatch = { path = \"/**\" }\nshape = { fields = \"fields\" }\n";
    let proxy = Proxy::with(&origin, &format!("{TAKEN}{shape}")).await;
    let paths = [
        "/a",
        "/own",
        "/told",
        "/id",
        "/short",
        "/b?fields=path",
        "/b?fields=long",
        "/own?fields=x",
    ];
    let names = ["etag", "vary", "cache-control", "age", "cache-status", "via", "content-type"];
    let names = [&names[..], &["x-quoted", "x-tab", "link"]].concat();
    for accept in ["application/json", "application/x-ndjson"] {
        for path in paths {
            for _ in 0..3 {
                get(&proxy, path).await;
            }
        }
        proxy.advance(1);
        let answer = post(&proxy, &json!(paths)).header("Accept", accept).await;
        let answers: Vec<Value> = match accept {
            "application/json" => told(&answer),
            _ => answer.text().lines().map(|it| serde_json::from_str(it).unwrap()).collect(),
        };
        assert_eq!(answers.len(), paths.len());
        for (path, item) in paths.iter().zip(&answers) {
            let alone = get(&proxy, path).header("Accept-Encoding", "identity").await;
            assert!(alone.is_hit(), "{path}");
            let body: Value = serde_json::from_str(alone.text()).unwrap();
            assert_eq!((&item["status"], &item["body"]), (&json!(200), &body), "{path}");
            for name in &names {
                let lines = alone.headers(name);
                let expected = match lines.as_slice() {
                    [] => Value::Null,
                    [one] => json!(one),
                    several => json!(several),
                };
                assert_eq!(item["headers"][name], expected, "{name} of {path}");
            }
        }
    }
    assert_eq!(origin.requests(), 6, "one for each, whatever is cut out of it");
}
