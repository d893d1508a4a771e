//! Ranges of a stored body (RFC 9110 §14).

use crate::support::{Answer, Origin, Proxy, Reply, date, get, send};

const DIGITS: &str = "0123456789";

/// A proxy that has stored ten digits, with validators.
async fn stored() -> (Origin, Proxy) {
    let reply = Reply::fresh(60, DIGITS).header("ETag", "\"v1\"");
    let reply = reply.header("Last-Modified", date(-3600)).header("Content-Type", "text/plain");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    (origin, proxy)
}

async fn range(proxy: &Proxy, range: &str) -> Answer {
    get(proxy, "/").header("Range", range).await
}

#[tokio::test]
async fn a_stored_body_is_served_in_parts() {
    let (origin, proxy) = stored().await;
    for (asked, part, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=4-", "456789", "bytes 4-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=-99", DIGITS, "bytes 0-9/10"),
    ] {
        let answer = range(&proxy, asked).await;
        assert_eq!((answer.status, answer.text()), (206, part), "{asked}");
        assert_eq!(answer.header("content-range"), Some(content_range), "{asked}");
        assert_eq!(answer.header("content-length"), Some(part.len().to_string().as_str()));
        assert_eq!(answer.header("etag"), Some("\"v1\""), "{asked}");
        assert!(answer.is_hit(), "{asked}: {:?}", answer.cache_status());
        assert_eq!(answer.age(), Some(0), "{asked}");
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_range_past_the_end_is_416() {
    let (origin, proxy) = stored().await;
    for asked in ["bytes=10-", "bytes=99-100", "bytes=-0"] {
        let answer = range(&proxy, asked).await;
        assert_eq!(answer.status, 416, "{asked}");
        assert_eq!(answer.header("content-range"), Some("bytes */10"), "{asked}");
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn what_is_not_one_good_range_gets_the_whole() {
    let (origin, proxy) = stored().await;
    for asked in ["bytes=0-1,4-5", "bytes=3-1", "bytes=a-b", "lines=0-1", "bytes", "bytes=-"] {
        let answer = range(&proxy, asked).await;
        assert_eq!((answer.status, answer.text()), (200, DIGITS), "{asked}");
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn if_range_guards_against_mixing_versions() {
    let (_origin, proxy) = stored().await;
    for (validator, status) in [
        ("\"v1\"", 206),
        ("\"v0\"", 200),
        ("W/\"v1\"", 200),
        (date(-3600).as_str(), 206),
        (date(-3599).as_str(), 200),
    ] {
        let ask = get(&proxy, "/").header("Range", "bytes=0-1").header("If-Range", validator);
        assert_eq!(ask.await.status, status, "{validator} (RFC 9110 §13.1.5)");
    }
}

#[tokio::test]
async fn a_condition_comes_before_the_range() {
    let (_origin, proxy) = stored().await;
    let ask = get(&proxy, "/").header("Range", "bytes=0-1").header("If-None-Match", "\"v1\"");
    assert_eq!(ask.await.status, 304, "RFC 9110 §13.2.2");
}

#[tokio::test]
async fn head_has_no_ranges() {
    let (_origin, proxy) = stored().await;
    let head = send(&proxy, "HEAD", "/").header("Range", "bytes=0-1").await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("10")));
}

#[tokio::test]
async fn a_range_on_a_miss_is_forwarded_and_its_part_not_stored() {
    let origin = Origin::serve(|seen| match seen.header("range") {
        Some(_) => Reply::status(206)
            .header("Content-Range", "bytes 0-1/10")
            .header("Cache-Control", "max-age=60")
            .body("01"),
        None => Reply::fresh(60, DIGITS),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let part = range(&proxy, "bytes=0-1").await;
    assert_eq!((part.status, part.text()), (206, "01"));
    assert_eq!(origin.last().header("range"), Some("bytes=0-1"), "as it is");
    assert!(!part.cache_status().stored, "a part is not the whole");
    let whole = get(&proxy, "/").await;
    assert_eq!((whole.status, whole.text(), whole.is_hit()), (200, DIGITS, false));
    assert!(range(&proxy, "bytes=0-1").await.is_hit(), "now it is stored");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_not_taken_for_the_whole() {
    let odd = Reply::status(206).header("Content-Range", "bytes 0-1/10");
    let odd = odd.header("Cache-Control", "max-age=60").body("01");
    let origin = Origin::always(odd).await;
    let proxy = Proxy::before(&origin).await;
    for n in 1..=2 {
        let status = get(&proxy, "/").await.cache_status();
        assert_eq!((status.stored, status.detail()), (false, "partial"));
        assert_eq!(origin.requests(), n);
    }
}
