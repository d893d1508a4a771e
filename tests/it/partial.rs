//! Partial content, stored and combined (RFC 9111 §3.3, §3.4; RFC 9110 §15.3.7).

use crate::support::{Answer, Gate, Origin, Proxy, Reply, Seen, date, get, send};

const DIGITS: &str = "0123456789";

/// The span that a request asks for of ten digits; `None` for the whole.
fn asked(seen: &Seen) -> Option<(usize, usize)> {
    let range = seen.header("range")?.strip_prefix("bytes=")?.to_owned();
    let (first, last) = range.split_once('-')?;
    let last = last.parse().unwrap_or(9);
    Some(match first.parse() {
        Ok(first) => (first, last),
        Err(_) => (10 - last, 9),
    })
}

/// The part of `body` that is asked for, as an origin gives it that has it under `tag`.
fn answer(seen: &Seen, tag: &str, body: &str) -> Reply {
    let reply = part_of(seen, tag, body);
    if tag.is_empty() { reply } else { reply.header("ETag", tag) }
}

/// The same without the tag, where If-Range names no other validator.
fn part_of(seen: &Seen, validator: &str, body: &str) -> Reply {
    let current = seen.header("if-range").is_none_or(|it| it == validator);
    let reply = match asked(seen).filter(|_| current) {
        Some((first, last)) => Reply::status(206)
            .header("Content-Range", format!("bytes {first}-{last}/10"))
            .body(body[first..=last].to_owned()),
        None => Reply::ok(body.to_owned()),
    };
    let reply =
        reply.header("Cache-Control", "max-age=60").header("X-Take", seen.number.to_string());
    reply.header("Content-Type", "text/plain")
}

/// An origin of ten digits under `tag`, and a proxy before it.
async fn ranged(tag: &'static str) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| answer(&seen, tag, DIGITS)).await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

async fn range(proxy: &Proxy, range: &str) -> Answer {
    get(proxy, "/").header("Range", range).await
}

#[tokio::test]
async fn a_part_is_stored_and_answers_ranges_within_it() {
    let (origin, proxy) = ranged("\"v1\"").await;
    let part = range(&proxy, "bytes=2-7").await;
    assert_eq!((part.status, part.text()), (206, "234567"));
    assert_eq!(part.header("content-range"), Some("bytes 2-7/10"));
    assert!(part.cache_status().stored, "RFC 9111 §3.3");
    assert_eq!(origin.last().header("range"), Some("bytes=2-7"), "as the client asked");
    for (asked, text, content_range) in [
        ("bytes=2-7", "234567", "bytes 2-7/10"),
        ("bytes=3-4", "34", "bytes 3-4/10"),
        ("bytes=7-7", "7", "bytes 7-7/10"),
    ] {
        let hit = range(&proxy, asked).await;
        assert_eq!((hit.status, hit.text(), hit.is_hit()), (206, text, true), "{asked}");
        assert_eq!(hit.header("content-range"), Some(content_range), "{asked}");
        assert_eq!(hit.header("content-type"), Some("text/plain"), "{asked}");
    }
    let past = range(&proxy, "bytes=10-").await;
    assert_eq!((past.status, past.header("content-range")), (416, Some("bytes */10")));
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_stored_end_answers_suffixes_and_open_ranges() {
    let (origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=-5").await;
    for (asked, text) in [("bytes=-5", "56789"), ("bytes=-1", "9"), ("bytes=6-", "6789")] {
        let hit = range(&proxy, asked).await;
        assert_eq!((hit.status, hit.text(), hit.is_hit()), (206, text, true), "{asked}");
    }
    let several = range(&proxy, "bytes=5-5,9-9").await;
    assert!(several.is_hit() && several.text().contains("bytes 9-9/10"), "both are there");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn what_a_part_does_not_hold_is_asked_for() {
    let (origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=2-4").await;
    for (n, asked) in ["bytes=0-1", "bytes=4-5", "bytes=8-"].iter().enumerate() {
        let miss = range(&proxy, asked).await;
        assert_eq!((miss.status, miss.cache_status().fwd()), (206, "partial"), "{asked}");
        assert_eq!((origin.requests(), origin.last().header("range")), (n + 2, Some(*asked)));
    }
}

#[tokio::test]
async fn a_part_never_answers_for_the_whole() {
    let (_origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=0-4").await;
    let head = send(&proxy, "HEAD", "/").await;
    assert!(!head.is_hit(), "HEAD is about the whole");
    let cached = get(&proxy, "/").header("Cache-Control", "only-if-cached").await;
    assert_eq!(cached.status, 504, "RFC 9111 §5.2.1.7");
    let part = get(&proxy, "/").header("Cache-Control", "only-if-cached");
    assert_eq!(part.header("Range", "bytes=1-2").await.text(), "12", "that much is there");
}

#[tokio::test]
async fn a_head_gives_a_part_no_entity_tag_of_its_own() {
    let modified = date(-9000);
    let served = modified.clone();
    let origin = Origin::serve(move |seen| {
        let body = if seen.target == "/other" { "abcdefghij" } else { DIGITS };
        let reply = match seen.method.as_str() {
            "HEAD" => Reply::ok(body).header("Cache-Control", "max-age=60"),
            _ => part_of(&seen, &served, body),
        };
        reply.header("Last-Modified", served.clone())
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut tags = Vec::new();
    for target in ["/", "/other"] {
        let part = get(&proxy, target).header("Range", "bytes=0-4").await;
        assert_eq!((part.status, part.header("etag")), (206, None));
        assert!(!send(&proxy, "HEAD", target).await.is_hit());
        let again = get(&proxy, target).header("Range", "bytes=0-3").await;
        assert_eq!((again.status, again.is_hit(), again.header("etag")), (206, true, None));
        let whole = get(&proxy, target).await;
        assert_eq!((whole.status, whole.cache_status().fwd()), (200, "partial"));
        let fresh = Proxy::before(&origin).await;
        get(&fresh, target).await;
        let (joined, at_once) = (get(&proxy, target).await, get(&fresh, target).await);
        assert!(joined.is_hit() && at_once.is_hit());
        assert_eq!(joined.header("etag"), at_once.header("etag"));
        tags.extend(joined.header("etag").map(str::to_owned));
    }
    assert_eq!(tags.len(), 2);
    assert_ne!(tags[0], tags[1], "RFC 9110 §8.8.1: a strong validator is of one representation");
}

#[tokio::test]
async fn the_beginning_is_completed_by_the_rest() {
    let (origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=0-4").await;
    let whole = get(&proxy, "/").await;
    assert_eq!((whole.status, whole.text()), (200, DIGITS));
    assert_eq!(whole.headers("content-length"), ["10"]);
    assert_eq!((whole.header("content-range"), whole.header("x-take")), (None, Some("2")), "§3.4");
    assert_eq!(whole.headers("via").len(), 1);
    let status = whole.cache_status();
    assert_eq!((status.fwd(), status.fwd_status, status.stored), ("partial", Some(206), true));
    let rest = origin.last();
    assert_eq!(rest.headers("range"), ["bytes=5-"]);
    assert_eq!(rest.headers("if-range"), ["\"v1\""]);
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.status, hit.text(), hit.is_hit()), (200, DIGITS, true));
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn the_end_is_completed_by_what_is_before_it() {
    let (origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=-4").await;
    assert_eq!(get(&proxy, "/").await.text(), DIGITS);
    assert_eq!(origin.last().header("range"), Some("bytes=0-5"));
    assert_eq!(get(&proxy, "/").await.text(), DIGITS);
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn from_the_middle_the_whole_is_asked_for() {
    let (origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=2-4").await;
    assert_eq!(get(&proxy, "/").await.text(), DIGITS);
    assert_eq!(origin.last().header("range"), None);
}

#[tokio::test]
async fn parts_of_one_representation_grow_together() {
    let (origin, proxy) = ranged("\"v1\"").await;
    for asked in ["bytes=2-4", "bytes=4-6", "bytes=7-9"] {
        range(&proxy, asked).await;
    }
    let hit = range(&proxy, "bytes=2-9").await;
    assert_eq!((hit.text(), hit.is_hit()), ("23456789", true), "RFC 9111 §3.4");
    assert_eq!(hit.header("x-take"), Some("3"), "with the newest fields");
    range(&proxy, "bytes=0-1").await;
    let whole = get(&proxy, "/").await;
    assert_eq!(
        (whole.status, whole.text(), whole.is_hit()),
        (200, DIGITS, true),
        "nothing missing"
    );
    assert_eq!(origin.requests(), 4);
}

#[tokio::test]
async fn bytes_of_two_representations_never_mix() {
    for (before, after) in [("\"v1\"", "\"v2\""), ("W/\"v1\"", "W/\"v1\""), ("", "")] {
        let origin = Origin::serve(move |seen| match seen.number {
            1 => answer(&seen, before, DIGITS),
            _ => answer(&seen, after, "ABCDEFGHIJ"),
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        range(&proxy, "bytes=0-4").await;
        let next = range(&proxy, "bytes=5-6").await;
        assert_eq!(next.text(), "FG");
        let old = range(&proxy, "bytes=4-5").await;
        assert_eq!((old.text(), old.is_hit()), ("EF", false), "{before} {after}");
        let whole = get(&proxy, "/").await;
        assert_eq!((whole.status, whole.text()), (200, "ABCDEFGHIJ"), "{before} {after}");
    }
}

#[tokio::test]
async fn what_changed_comes_whole() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => answer(&seen, "\"v1\"", DIGITS),
        _ => answer(&seen, "\"v2\"", "ABCDEFGHIJ"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    range(&proxy, "bytes=0-4").await;
    let whole = get(&proxy, "/").await;
    assert_eq!((whole.text(), origin.requests()), ("ABCDEFGHIJ", 2), "If-Range did not hold");
    assert_eq!(whole.cache_status().fwd(), "partial");
    assert!(get(&proxy, "/").await.is_hit());
}

#[tokio::test]
async fn a_rest_that_does_not_fit_is_of_no_use() {
    let rest = |range: &str, tag: &str| {
        let reply = Reply::status(206).header("Content-Range", range).header("ETag", tag);
        reply.header("Cache-Control", "max-age=60").body("vwxyz")
    };
    for odd in [
        rest("bytes 5-9/10", "\"v2\""),
        rest("bytes 4-8/10", "\"v1\""),
        rest("bytes 5-9/11", "\"v1\""),
        rest("bytes 5-8/10", "\"v1\""),
        rest("bytes 5-9/*", "\"v1\""),
        rest("bytes 5-9/10", "\"v1\"").header("Content-Encoding", "gzip"),
        Reply::status(416).header("Content-Range", "bytes */5"),
    ] {
        let told = format!("{odd:?}");
        let origin = Origin::serve(move |seen| match (seen.number, seen.header("if-range")) {
            (1, _) => answer(&seen, "\"v1\"", DIGITS),
            (_, Some(_)) => odd.clone(),
            (_, None) => answer(&seen, "\"v3\"", "ABCDEFGHIJ"),
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        range(&proxy, "bytes=0-4").await;
        let whole = get(&proxy, "/").await;
        assert_eq!((whole.status, whole.text()), (200, "ABCDEFGHIJ"), "{told}");
        assert_eq!((origin.requests(), origin.last().header("range")), (3, None), "{told}");
    }
}

#[tokio::test]
async fn a_rest_that_breaks_off_completes_nothing() {
    let origin = Origin::serve(|seen| match seen.number {
        2 => answer(&seen, "\"v1\"", DIGITS).torn_after(2),
        _ => answer(&seen, "\"v1\"", DIGITS),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    range(&proxy, "bytes=0-4").await;
    assert!(get(&proxy, "/").result().await.is_err(), "a torn body never looks whole");
    let whole = get(&proxy, "/").await;
    assert_eq!((whole.text(), whole.is_hit()), (DIGITS, false));
}

#[tokio::test]
async fn what_may_not_be_stored_is_not_stored_in_parts() {
    let part = || Reply::status(206).header("Content-Range", "bytes 0-1/10").body("01");
    let fresh = |reply: Reply| reply.header("Cache-Control", "max-age=60");
    for (reply, why) in [
        (part().header("Cache-Control", "no-store"), "no-store"),
        (part().header("Cache-Control", "private, max-age=60"), "private"),
        (fresh(part()).header("Set-Cookie", "a=1"), "a cookie"),
        (fresh(part()).header("Vary", "*"), "Vary: *"),
        (part().header("ETag", "\"v1\"").chunked(), "no freshness"),
        (fresh(Reply::status(206).header("Content-Range", "bytes 0-2/10").body("01")), "length"),
        (fresh(Reply::status(206).header("Content-Range", "bytes 0-1/*").body("01")), "total"),
        (fresh(Reply::status(206).body("01")), "no Content-Range"),
        (
            fresh(Reply::status(206).header("Content-Range", "bytes 0-1/99999999").body("01")),
            "the whole is too large",
        ),
    ] {
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        for n in 1..=2 {
            let part = range(&proxy, "bytes=0-1").await;
            assert_eq!((part.status, part.text(), origin.requests()), (206, "01", n), "{why}");
            assert!(!part.cache_status().stored, "{why}");
        }
    }
}

#[tokio::test]
async fn a_stale_part_is_not_served_but_still_completed() {
    let (origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=0-4").await;
    proxy.advance(60);
    assert!(!range(&proxy, "bytes=0-1").await.is_hit(), "it is stale");
    proxy.advance(60);
    assert_eq!(get(&proxy, "/").await.text(), DIGITS);
    assert_eq!(origin.last().header("if-range"), Some("\"v1\""));
}

#[tokio::test]
async fn conditions_are_judged_on_parts() {
    let (origin, proxy) = ranged("\"v1\"").await;
    range(&proxy, "bytes=0-4").await;
    let ask = || get(&proxy, "/").header("Range", "bytes=0-1");
    assert_eq!(ask().header("If-None-Match", "\"v1\"").await.status, 304, "RFC 9110 §13.2.2");
    assert_eq!(ask().header("If-Range", "\"v1\"").await.text(), "01", "RFC 9110 §13.1.5");
    assert_eq!(origin.requests(), 1);
    let other = ask().header("If-Range", "\"v0\"").await;
    assert_eq!((other.status, other.is_hit()), (200, false), "not the client's version");
}

#[tokio::test]
async fn variants_have_parts_of_their_own() {
    let origin = Origin::serve(|seen| {
        let tongue = seen.header("accept-language").unwrap_or_default().to_owned();
        let body = if tongue == "de" { DIGITS } else { "ABCDEFGHIJ" };
        answer(&seen, &format!("\"{tongue}\""), body).header("Vary", "Accept-Language")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let ask = |tongue| get(&proxy, "/").header("Accept-Language", tongue);
    for (tongue, text) in [("de", "01"), ("en", "AB")] {
        ask(tongue).header("Range", "bytes=0-3").await;
        let hit = ask(tongue).header("Range", "bytes=0-1").await;
        assert_eq!((hit.text(), hit.is_hit()), (text, true), "{tongue}");
    }
    assert_eq!(ask("de").await.text(), DIGITS);
    assert_eq!(origin.last().header("range"), Some("bytes=4-"));
}

#[tokio::test]
async fn a_change_drops_parts_stored_and_under_way() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 3) => answer(&seen, "\"v1\"", DIGITS).held(&held),
        ("GET", _) => answer(&seen, "\"v1\"", DIGITS),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    range(&proxy, "bytes=0-4").await;
    send(&proxy, "PUT", "/").body("new").await;
    let under_way = get(&proxy, "/").header("Range", "bytes=0-4").sent().await;
    origin.until_heads(3).await;
    send(&proxy, "PUT", "/").body("newer").await;
    gate.open();
    let mut under_way = under_way;
    assert_eq!(under_way.read().await.unwrap().text(), "01234");
    assert!(!range(&proxy, "bytes=0-4").await.is_hit(), "it came from before the change");
}

#[tokio::test]
async fn a_date_is_a_strong_validator_once_it_is_old() {
    let origin =
        Origin::serve(|seen| answer(&seen, "", DIGITS).header("Last-Modified", date(-60))).await;
    let proxy = Proxy::before(&origin).await;
    range(&proxy, "bytes=0-4").await;
    range(&proxy, "bytes=5-6").await;
    let hit = range(&proxy, "bytes=0-6").await;
    assert_eq!((hit.text(), hit.is_hit()), ("0123456", true), "RFC 9110 §8.8.2.2");
}

#[tokio::test]
async fn the_rest_alone_is_nobody_s_answer() {
    for (name, value) in [("Authorization", "Basic YTpi"), ("X-Take", "1")] {
        let origin = Origin::serve(|seen| match seen.number {
            1 => answer(&seen, "\"v1\"", DIGITS),
            _ => answer(&seen, "\"v1\"", DIGITS).header("Cache-Control", "no-store"),
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        range(&proxy, "bytes=0-4").await;
        let whole = get(&proxy, "/").header(name, value).await;
        assert_eq!((whole.status, whole.text()), (200, DIGITS), "it could not be stored: {name}");
        assert!(!whole.cache_status().stored, "{name}");
        assert_eq!(origin.last().header("range"), None, "{name}: it was asked for whole");
    }
}

#[tokio::test]
async fn a_rest_that_finds_no_room_is_asked_for_whole() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/long" => {
            Reply::fresh(60, vec![b'x'; 1000]).gate(&held).body(vec![b'x'; (1 << 20) - 1000])
        }
        _ => answer(&seen, "\"v1\"", DIGITS),
    })
    .await;
    let config = "[cache]\nmax_object_size = \"1MiB\"\n[cache.memory]\nmax_in_flight = \"1MiB\"";
    let proxy = Proxy::with(&origin, config).await;
    range(&proxy, "bytes=0-4").await;
    let mut long = get(&proxy, "/long").arriving().await;
    long.body(1).await;
    let whole = get(&proxy, "/").await;
    assert_eq!((whole.status, whole.text()), (200, DIGITS));
    assert_eq!(whole.cache_status().detail(), "no-room");
    gate.open();
    long.end().await.unwrap();
}
