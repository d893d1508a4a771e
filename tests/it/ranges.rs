//! Ranges of a stored body (RFC 9110 §14).

use crate::support::{Answer, Gate, Origin, Proxy, Reply, date, get, send};

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
    for asked in
        ["bytes=0-1,1-2", "bytes=0-1,x", "bytes=3-1", "bytes=a-b", "lines=0-1", "bytes", "bytes=-"]
    {
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
async fn several_ranges_are_answered_by_their_parts() {
    let (origin, proxy) = stored().await;
    let answer = range(&proxy, "bytes=6-7, 0-0,-1").await;
    assert_eq!((answer.status, answer.is_hit()), (206, true));
    let content_type = answer.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range, text| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain\r\n\
             Content-Range: bytes {range}/10\r\n\r\n{text}"
        )
    };
    let parts = [part("6-7", "67"), part("0-0", "0"), part("9-9", "9")].concat();
    assert_eq!(answer.text(), format!("{parts}\r\n--{boundary}--\r\n"), "RFC 9110 §14.6");
    assert_eq!(answer.header("content-range"), None, "RFC 9110 §15.3.7.2: in the parts alone");
    let length = answer.body.len().to_string();
    assert_eq!(answer.headers("content-length"), [length.as_str()]);
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    let again = range(&proxy, "bytes=6-7, 0-0,-1").await;
    assert_ne!(again.header("content-type"), Some(content_type), "nobody can know the boundary");
    assert_eq!(boundary.len(), 32);
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn too_many_or_overlapping_ranges_get_the_whole() {
    let (_origin, proxy) = stored().await;
    let many = |n: usize| format!("bytes={}", vec!["0-0"; n].join(","));
    for asked in [many(17), many(2), "bytes=0-5,5-6".into(), "bytes=0-,-1".into()] {
        let answer = range(&proxy, &asked).await;
        assert_eq!((answer.status, answer.text()), (200, DIGITS), "RFC 9110 §14.2: {asked}");
    }
    let one = range(&proxy, "bytes=2-3,99-").await;
    assert_eq!((one.status, one.text()), (206, "23"), "one of them is satisfiable");
    assert_eq!(range(&proxy, "bytes=10-,99-").await.status, 416, "none is (RFC 9110 §15.5.17)");
}

#[tokio::test]
async fn several_ranges_of_a_large_body_arrive_whole() {
    let body: String = (0..200_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let origin = Origin::always(Reply::fresh(60, body.clone())).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let answer = range(&proxy, "bytes=0-99999,100001-199999").await;
    assert_eq!(answer.status, 206);
    assert!(answer.text().contains(&body[..100_000]), "the first");
    assert!(answer.text().contains(&body[100_001..]), "the second");
    let none = Origin::always(Reply::status(404).body(DIGITS).header("Cache-Control", "max-age=9"));
    let none = none.await;
    let proxy = Proxy::before(&none).await;
    get(&proxy, "/").await;
    let answer = range(&proxy, "bytes=0-1,3-4").await;
    assert_eq!((answer.status, answer.text()), (404, DIGITS), "RFC 9110 §14.2: only of a 200");
}

#[tokio::test]
async fn a_range_of_what_is_still_arriving_gets_the_whole() {
    let gate = Gate::new();
    let reply = Reply::fresh(60, "01234").gate(&gate).body("56789");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let mut whole = get(&proxy, "/").arriving().await;
    whole.body(5).await;
    // It goes its own way: to wait for the end would be worse.
    let part = get(&proxy, "/").header("Range", "bytes=0-1").sent().await;
    origin.until_heads(2).await;
    gate.open();
    let mut part = part;
    assert_eq!(part.read().await.unwrap().text(), DIGITS, "as the origin says it");
    assert_eq!(whole.end().await.unwrap().text(), DIGITS);
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
