//! A cut that is asked for again is ready: the same answer as the first, made of nothing anew.

use serde_json::json as value;

use super::{OFFER, json};
use crate::support::{Answer, Origin, Proxy, get, send};

/// What a client can tell of an answer, but for its age.
fn told(answer: &Answer) -> (u16, Vec<u8>, Vec<Option<String>>) {
    let names =
        ["etag", "link", "x-total-count", "vary", "content-type", "content-encoding", "x-own"];
    let fields = names.map(|name| answer.header(name).map(str::to_owned));
    (answer.status, answer.body.to_vec(), fields.to_vec())
}

fn rows(count: u32, name: &str) -> String {
    let row =
        |id| value!({ "id": id, "name": name, "status": if id % 2 == 0 { "open" } else { "" } });
    serde_json::Value::from_iter((0..count).map(row)).to_string()
}

#[tokio::test]
async fn the_same_is_answered_however_often_it_is_asked() {
    let queries =
        ["fields=id", "limit=60&offset=1", "x=1&limit=1", "status=open&fields=id", "limit=1&x=1"];
    let asked = [("Accept", "*/*"), ("Accept-Encoding", "gzip"), ("If-None-Match", "*")];
    for tag in ["\"v\"", "W/\"v\"", "\"v--id\"", ""] {
        for query in queries {
            let reply = json(rows(200, "some name")).header("X-Own", "1");
            let reply = if tag.is_empty() { reply } else { reply.header("ETag", tag) };
            let origin = Origin::always(reply).await;
            let proxy = Proxy::with(&origin, OFFER).await;
            get(&proxy, "/").await;
            for (name, value) in asked {
                let ask = get(&proxy, &format!("/?{query}")).header(name, value);
                let first = ask.clone().await;
                for _ in 0..2 {
                    let again = ask.clone().await;
                    assert_eq!(told(&again), told(&first), "{query} {name} {tag}");
                    assert_eq!(again.header("cache-status"), Some("larder; hit; ttl=60"));
                }
                let own = first.header("etag").unwrap_or_default();
                let same = get(&proxy, &format!("/?{query}")).header("If-None-Match", own);
                let same = same.header(name, value).await;
                assert_eq!((same.status, same.header("etag")), (304, Some(own)), "{query} {tag}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_ready_is_of_what_is_stored_now() {
    let origin = Origin::serve(|seen| {
        json(rows(4, &format!("version {}", seen.number))).header("Vary", "Accept-Language")
    })
    .await;
    let config = format!("{OFFER}cache = {{ key = {{ query = {{ exclude = [\"utm\"] }} }} }}\n");
    let proxy = Proxy::with(&origin, &config).await;
    let path = "/?fields=name&limit=1";
    let body = |version: u32| format!("[{{\"name\":\"version {version}\"}}]");
    for _ in 0..3 {
        assert_eq!(get(&proxy, path).await.text(), body(1));
    }
    for _ in 0..3 {
        let other = get(&proxy, path).header("Accept-Language", "de").await;
        assert_eq!(other.text(), body(2), "each variant has its own (RFC 9111 §4.1)");
    }
    proxy.advance(61);
    for _ in 0..3 {
        assert_eq!(get(&proxy, path).await.text(), body(3), "what took its place has another");
    }
    for utm in ["utm=1&", "utm=2&"].repeat(2) {
        let answer = get(&proxy, &format!("/?{utm}{}", &path[2..])).await;
        let link = answer.header("link").unwrap();
        assert!(link.contains(&format!("</?{utm}fields=name&offset=0")), "{utm} of {link}");
        assert_eq!(answer.text(), body(3), "of one stored response");
    }
    proxy.reload(
        &config.replace("shape = { ", "shape = { max_size = \"1KiB\", too_large = \"refuse\", "),
    );
    assert_eq!(get(&proxy, path).await.text(), body(3));
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn a_head_of_a_cut_packs_nothing() {
    let origin = Origin::always(json(rows(200, "some name")).header("ETag", "\"v\"")).await;
    let proxy = Proxy::with(&origin, OFFER).await;
    get(&proxy, "/").await;
    let path = "/?fields=id,name";
    let head = async || send(&proxy, "HEAD", path).header("Accept-Encoding", "gzip").await;
    let fields = ["etag", "content-encoding", "vary", "content-type"];
    let told = |answer: &Answer| fields.map(|name| answer.header(name).map(str::to_owned));
    let before = head().await;
    assert_eq!(before.header("content-length"), None, "nothing was packed that could tell it");
    let got = get(&proxy, path).header("Accept-Encoding", "gzip").await;
    assert_eq!(told(&before), told(&got), "RFC 9110 §9.3.2");
    assert_eq!(got.header("content-encoding"), Some("gzip"));
    let length = got.body.len().to_string();
    assert_eq!(head().await.header("content-length"), Some(&*length), "now it is known");
    let plain = send(&proxy, "HEAD", path).await;
    let length = get(&proxy, path).await.body.len().to_string();
    assert_eq!(plain.header("content-length"), Some(&*length), "as it is nothing has to be made");
}
