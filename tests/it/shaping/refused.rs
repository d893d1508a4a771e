//! What makes no sense: a 400 that points at it, and costs the origin nothing.

use serde_json::Value;

use super::{OFFER, USER, before, json};
use crate::support::{Origin, Proxy, Reply, get, send};

#[tokio::test]
async fn a_malformed_parameter_is_pointed_at() {
    let (origin, proxy) = before(json(USER)).await;
    let rows = [
        ("fields=a,,b", "fields", 3, "fields: character 3 comes where a name should be"),
        ("fields=a(b", "fields", 2, "fields: character 2 is never closed by )"),
        ("x=1&fields=", "fields", 1, "fields: character 1 is the end, where a name should be"),
        ("fields[%22]=a)", "fields[\"]", 2, "fields[\"]: character 2 closes nothing"),
        ("limit=1e3", "limit", 2, "limit: character 2 is no digit of a whole number"),
        ("limit=0", "limit", 1, "limit: character 1 is less than 1"),
        (
            "limit=101",
            "limit",
            1,
            "limit: character 1 is more than the 100 elements that a page may have",
        ),
    ];
    for (query, parameter, position, detail) in rows {
        for method in ["GET", "HEAD"] {
            let answer = send(&proxy, method, &format!("/?{query}")).await;
            assert_eq!(answer.status, 400, "{method} {query}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.header("cache-status"), Some("larder; detail=bad-shape"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            if method == "HEAD" {
                continue;
            }
            let told: Value = serde_json::from_str(answer.text()).expect("RFC 9457: it is JSON");
            assert_eq!(
                (&told["parameter"], &told["position"]),
                (&parameter.into(), &position.into())
            );
            assert_eq!(
                (&told["status"], &told["detail"]),
                (&400.into(), &detail.into()),
                "{query}"
            );
        }
    }
    assert_eq!(origin.requests(), 0, "the origin is not asked");
}

#[tokio::test]
async fn what_is_too_large_to_be_cut_is_passed_or_refused() {
    let long = format!(r#"{{"id":1,"rest":"{}"}}"#, "x".repeat(5000));
    for (reply, stored) in [
        (json(&*long), true),
        (json(&*long).chunked(), true),
        (json(&*long).chunked().header("Cache-Control", "private"), false),
    ] {
        for refuse in [false, true] {
            let origin = Origin::always(reply.clone()).await;
            let too_large = if refuse { "refuse" } else { "pass" };
            let with = format!("max_size = \"1KiB\", too_large = \"{too_large}\", page");
            let proxy = Proxy::with(&origin, &OFFER.replace("page", &with)).await;
            for _ in 0..2 {
                let answer = get(&proxy, "/?fields=id").await;
                let status = answer.header("cache-status").unwrap();
                assert!(status.ends_with("; detail=too-large-to-shape"), "{status}");
                match refuse {
                    true => assert_eq!(answer.status, 502, "{}", answer.text()),
                    false => assert_eq!((answer.status, answer.text()), (200, &*long)),
                }
            }
            assert_eq!(origin.requests(), if stored { 1 } else { 2 });
        }
    }
}

#[tokio::test]
async fn what_breaks_off_is_no_answer() {
    let origin = Origin::always(json(USER).torn_after(20)).await;
    let proxy = Proxy::with(&origin, OFFER).await;
    let answer = get(&proxy, "/?fields=id").await;
    assert_eq!(answer.status, 502, "a torn body must not look whole");
    assert!(!answer.header("cache-status").unwrap().contains("stored"));
    let origin = Origin::always(Reply::status(500)).await;
    let proxy = Proxy::with(&origin, OFFER).await;
    assert_eq!(get(&proxy, "/?fields=id").await.status, 500, "errors are nobody's shape");
}
