//! The strong entity-tags that Larder makes from a body where the origin gives none.

use crate::support::{Gate, Origin, Proxy, Reply, get, send};

const PREFIX: &str = "\"larder-";

/// A proxy before an origin without ETags, its `/` stored; and the tag made for it.
async fn stored() -> (Origin, Proxy, String) {
    let origin = Origin::always(Reply::fresh(60, "body")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let tag = get(&proxy, "/").await.header("etag").map(str::to_owned);
    (origin, proxy, tag.expect("a stored response has a tag"))
}

#[tokio::test]
async fn a_stored_response_without_etag_gets_one_from_its_body() {
    let (_origin, proxy, tag) = stored().await;
    assert!(tag.starts_with(PREFIX) && tag.ends_with('"'), "{tag}");
    for time in ["first, since it came whole", "second"] {
        let same = get(&proxy, "/same").await;
        let expected = Some(tag.as_str());
        assert_eq!(same.header("etag"), expected, "the same body has the same tag the {time} time");
    }
}

#[tokio::test]
async fn an_arriving_response_goes_without_one_and_is_not_held_back() {
    let gate = Gate::new();
    let reply = Reply::fresh(60, "first").gate(&gate).body("second").chunked();
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let mut arriving = get(&proxy, "/").arriving().await;
    assert_eq!(arriving.so_far().header("etag"), None, "the body is not complete");
    assert_eq!(arriving.body(5).await, b"first", "and did not have to be");
    gate.open();
    arriving.end().await.unwrap();
    assert!(get(&proxy, "/").await.header("etag").is_some());
}

#[tokio::test]
async fn the_origin_s_own_etag_is_left_alone() {
    let origin = Origin::always(Reply::fresh(60, "x").header("ETag", "W/\"weak\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    assert_eq!(get(&proxy, "/").await.headers("etag"), ["W/\"weak\""]);
}

#[tokio::test]
async fn our_tag_answers_a_client_s_condition() {
    let (origin, proxy, tag) = stored().await;
    let answer = get(&proxy, "/").header("If-None-Match", &tag).await;
    assert_eq!((answer.status, answer.header("etag")), (304, Some(tag.as_str())));
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn our_tag_is_never_sent_to_the_origin_for_validation() {
    let (origin, proxy, tag) = stored().await;
    proxy.advance(60);
    let again = get(&proxy, "/").header("If-None-Match", &tag).await;
    assert_eq!((origin.requests(), origin.last().header("if-none-match")), (2, None));
    assert_eq!(again.status, 304, "what came whole is the same by its bytes (RFC 9110 §13.1.2)");
    let hit = get(&proxy, "/").header("If-None-Match", &tag).await;
    assert_eq!((hit.status, hit.is_hit()), (304, true), "the same body has the same tag");
}

#[tokio::test]
async fn our_tag_is_taken_out_of_forwarded_conditions() {
    let (origin, proxy, tag) = stored().await;
    let mixed = format!("{tag}, \"theirs\"");
    send(&proxy, "OPTIONS", "/other").header("If-None-Match", &mixed).await;
    assert_eq!(origin.last().headers("if-none-match"), ["\"theirs\""]);
    send(&proxy, "OPTIONS", "/other").header("If-None-Match", &tag).await;
    assert_eq!(origin.last().header("if-none-match"), None, "nothing of it was the origin's");
    let part = get(&proxy, "/other").header("Range", "bytes=0-1").header("If-Range", &tag);
    part.await;
    let seen = origin.last();
    assert_eq!((seen.header("if-range"), seen.header("range")), (None, None), "the whole is right");
}

#[tokio::test]
async fn our_tag_in_if_match_is_judged_by_us() {
    let (origin, proxy, tag) = stored().await;
    let wrong = send(&proxy, "PUT", "/").header("If-Match", "\"larder-0000\"").body("new").await;
    assert_eq!((wrong.status, origin.requests()), (412, 1), "nobody has that version");
    let right = send(&proxy, "PUT", "/").header("If-Match", &tag).body("new").await;
    assert_eq!((right.status, origin.requests()), (200, 2));
    assert_eq!(origin.last().header("if-match"), None, "it was met here");
}

#[tokio::test]
async fn a_change_is_not_let_through_where_our_tag_may_be_current() {
    let (origin, proxy, tag) = stored().await;
    proxy.advance(61);
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        for name in ["If-None-Match", "If-Match"] {
            let ask = send(&proxy, method, "/").header(name, &tag).body("new");
            let why = "RFC 9110 §13.1.1, §13.1.2: nothing is known to be current";
            assert_eq!(ask.await.status, 412, "{why}: {method} {name}");
        }
    }
    assert!(origin.seen().iter().all(|seen| seen.method == "GET"), "nothing was changed");
}

#[tokio::test]
async fn a_condition_means_nothing_to_options() {
    let (origin, proxy, tag) = stored().await;
    for (name, value) in [("If-None-Match", &*tag), ("If-Match", "\"larder-0000\"")] {
        let answer = send(&proxy, "OPTIONS", "/").header(name, value).await;
        assert_eq!(answer.status, 200, "RFC 9110 §13.2.1: {name}");
        assert_eq!(origin.last().header(&name.to_lowercase()), None, "nothing of it was its own");
    }
}

#[tokio::test]
async fn our_tag_in_if_none_match_of_a_change_is_judged_by_us() {
    let (origin, proxy, tag) = stored().await;
    let packed = format!("{}--gzip\"", tag.trim_end_matches('"'));
    for method in ["PUT", "PATCH", "DELETE", "POST"] {
        for named in [&tag, &packed, &format!("\"theirs\", {tag}")] {
            let ask = || send(&proxy, method, "/").header("If-None-Match", named).body("new");
            let why = "RFC 9110 §13.1.2, §13.2.2";
            assert_eq!(ask().await.status, 412, "{why}: {method} {named}");
            let both = ask().header("If-Match", &tag).await;
            assert_eq!(both.status, 412, "{why}: beside one that is met: {method} {named}");
        }
    }
    assert_eq!(origin.requests(), 1, "nothing was changed");
    let other = send(&proxy, "PUT", "/").header("If-None-Match", "\"larder-0000\"").body("new");
    assert_eq!((other.await.status, origin.requests()), (200, 2), "that is not what is there");
}
