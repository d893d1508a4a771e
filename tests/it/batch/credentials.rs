//! Who an item asks for: the batch's own sender, and nobody else.

use serde_json::{Value, json};

use super::{TAKEN, post, statuses, told};
use crate::support::{Origin, Proxy, Reply, Seen};

/// Says who asks, in one of the ways of telling who may have it.
fn personal(seen: Seen) -> Reply {
    let who = seen.header("authorization").or(seen.header("cookie")).unwrap_or("nobody");
    let reply =
        Reply::ok(format!("\"{who} {}\"", seen.target)).header("Content-Type", "application/json");
    match seen.target.split('/').nth(1) {
        Some("private") => reply.header("Cache-Control", "private, max-age=60"),
        Some("silent") => reply,
        Some("vary") => reply
            .header("Cache-Control", "public, max-age=60")
            .header("Vary", "Authorization, Cookie"),
        _ => reply.header("Cache-Control", "max-age=60"),
    }
}

#[tokio::test]
async fn items_carry_the_batchs_own_fields() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let items =
        json!([{ "path": "/a", "headers": { "Accept": "text/x", "Accept-Language": "fr" } }]);
    let ask =
        post(&proxy, &items).header("Authorization", "Bearer alice").header("Cookie", "sid=1");
    let ask = ask.header("X-Tenant", "one").header("Accept-Language", "de");
    assert_eq!(statuses(&told(&ask.header("Accept", "application/json").await)), [200]);
    let seen = origin.last();
    let own = ["authorization", "cookie", "x-tenant", "accept", "accept-language", "host"];
    let own = own.map(|name| seen.header(name).unwrap_or_default());
    assert_eq!(own, ["Bearer alice", "sid=1", "one", "text/x", "fr", "api.test"]);
    assert_eq!((seen.method.as_str(), seen.body.len()), ("GET", 0));
    for gone in ["content-type", "content-length", "transfer-encoding"] {
        assert_eq!(seen.header(gone), None, "{gone} is the batch's own");
    }
}

#[tokio::test]
async fn an_item_cannot_say_who_it_is() {
    let origin = Origin::serve(personal).await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let names = [
        "Authorization",
        "Cookie",
        "Host",
        "X-Forwarded-For",
        "Forwarded",
        "X-Real-IP",
        "X-Tenant",
        "Proxy-Authorization",
        "Connection",
        "Range",
        "If-Match",
        "If-Range",
        "Content-Length",
        "Transfer-Encoding",
        "X-HTTP-Method-Override",
        "X-Api-Key",
        "Accept-Encoding",
        "Vary",
        "TE",
    ];
    for name in names {
        let items = json!(["/a", { "path": "/b", "headers": { name: "bob" } }]);
        let answer = post(&proxy, &items).header("Authorization", "alice").await;
        assert_eq!(answer.status, 400, "{name}");
        let problem: Value = serde_json::from_str(answer.text()).unwrap();
        assert_eq!((&problem["item"], &problem["status"]), (&json!(1), &json!(400)), "{name}");
        assert!(problem["detail"].as_str().unwrap().contains(name), "{problem}");
    }
    assert_eq!(origin.requests(), 0, "nothing of such a batch is run");
}

/// One user's item never answers another's batch: whoever asks first, at the same time or later,
/// for what the origin marks in any way.
#[tokio::test]
async fn nobody_gets_what_is_another_users() {
    let ways = [
        "",
        "[cache]\nttl = \"60s\"\n",
        "[cache]\nttl = \"60s\"\nauthorization = \"isolate\"\n",
        "[cache]\nauthorization = \"bypass\"\n",
    ];
    let kinds = ["private", "silent", "vary", "plain"];
    let mut random = fastrand::Rng::with_seed(7);
    for config in ways {
        let origin = Origin::serve(personal).await;
        let proxy = Proxy::with(&origin, &format!("{config}{TAKEN}")).await;
        for _ in 0..6 {
            let batches = (0..4).map(|_| {
                let who = random.choice(["alice", "bob"]).unwrap();
                let field = random.choice(["Authorization", "Cookie"]).unwrap();
                let path = |_| format!("/{}/{}", random.choice(kinds).unwrap(), random.u8(..2));
                let paths: Vec<String> = (0..8).map(path).collect();
                let name = format!("{who}={field}");
                let ask = post(&proxy, &json!(paths)).header(field, &name);
                tokio::spawn(async move { (name, paths, ask.await) })
            });
            let batches: Vec<_> = batches.collect();
            for batch in batches {
                let (name, paths, answer) = batch.await.unwrap();
                for (path, told) in paths.iter().zip(told(&answer)) {
                    let own = format!("{name} {path}");
                    let body = told["body"].as_str().unwrap();
                    // What says itself that it may be shared is, where Cookie alone told who asked:
                    // that is RFC 9111 §7.3, in a batch as elsewhere.
                    let shared = path.starts_with("/plain") && body.contains("=Cookie ");
                    assert!(body == own || shared, "{config}: {name} got {body:?} for {path}");
                    assert!(body.ends_with(path.as_str()), "of the path that was asked for");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_page_cannot_read_cookies_that_are_set() {
    let origin = Origin::always(Reply::ok("x").header("Set-Cookie", "sid=1; HttpOnly")).await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    let answer = post(&proxy, &json!(["/a"])).await;
    assert!(!answer.text().contains("sid=1"), "RFC 6265 §4.1.2.6: {}", answer.text());
    assert_eq!(statuses(&told(&answer)), [200]);
}
