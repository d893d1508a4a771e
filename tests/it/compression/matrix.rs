//! Every coding of what is stored, arriving, and relayed, by every kind of request, under every
//! kind of entity-tag (RFC 9110 §8.4, §8.8.3, §13, §14).

use super::{json, unpacked, users, varies};
use crate::support::{Answer, Ask, Gate, Origin, Proxy, Reply, Seen, get, send};

const FORMS: [&str; 4] = ["gzip", "br", "zstd", "identity"];

const TAGS: [Option<&str>; 3] = [Some("\"v1\""), Some("W/\"v1\""), None];

/// Answers with `whole`, as RFC 9110 says for a condition and for the range 2-11.
fn origin_of(whole: Reply, tag: Option<&'static str>) -> impl Fn(Seen) -> Reply + Send + Sync {
    move |seen| {
        let tagged = |reply: Reply| match tag {
            Some(tag) => reply.header("ETag", tag),
            None => reply,
        };
        let known =
            seen.header("if-none-match").is_some_and(|it| tag.is_some_and(|tag| it.contains(tag)));
        match seen.header("range") {
            _ if seen.method == "PUT" => Reply::status(204),
            _ if known => tagged(Reply::status(304)),
            Some("bytes=2-11") => {
                let total = format!("bytes 2-11/{}", users().len());
                let part = Reply::status(206).header("Content-Range", total);
                tagged(
                    part.header("Content-Type", "application/json").body(users()[2..12].to_owned()),
                )
            }
            _ => tagged(whole.clone()),
        }
    }
}

fn form(ask: Ask, form: &str) -> Ask {
    match form {
        "identity" => ask,
        coding => ask.header("Accept-Encoding", coding),
    }
}

/// The tag of a form, as clients see it.
fn tag_in(form: &str, tag: &str) -> String {
    match (form, tag.strip_suffix('"')) {
        ("identity", _) => tag.to_owned(),
        (_, Some(open)) if !tag.starts_with("W/") => format!("{open}--{form}\""),
        _ => tag.to_owned(),
    }
}

/// How a packed body came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// Once, for all who ask.
    Once,
    /// While it came, with bytes of its own.
    AsItCame,
}

/// A tag without the run of its encoder, if it has one.
fn without_run(tag: &str) -> String {
    let run = tag.rfind('.').filter(|dot| {
        let digits = &tag[dot + 1..tag.len() - 1];
        digits.len() == 16 && digits.bytes().all(|it| it.is_ascii_hexdigit())
    });
    run.map_or_else(|| tag.to_owned(), |dot| format!("{}\"", &tag[..dot]))
}

/// What must hold of every 200 in this form, and gives its tag.
fn check(answer: &Answer, form: &str, (tag, made): (Option<&str>, Made)) -> Option<String> {
    let why = format!("{form}, {tag:?}: {:?}", answer.fields);
    let coding = (form != "identity").then_some(form);
    assert_eq!(answer.status, 200, "{why}");
    assert_eq!(answer.header("content-encoding"), coding, "RFC 9110 §12.5.3: {why}");
    assert!(varies(answer), "RFC 9110 §12.5.5: {why}");
    let own = answer.header("etag").map(str::to_owned);
    match (tag, &own) {
        (Some(tag), Some(own)) => {
            let strong = coding.is_some() && !tag.starts_with("W/");
            let has_run = strong && made == Made::AsItCame;
            assert_eq!(without_run(own), tag_in(form, tag), "RFC 9110 §8.8.3.3: {why}");
            assert_eq!(*own != without_run(own), has_run, "RFC 9110 §8.8.1: {why}");
        }
        (Some(_), None) => panic!("its tag is gone: {why}"),
        (None, Some(own)) => {
            let end = if form == "identity" { "\"".to_owned() } else { format!("--{form}\"") };
            assert!(own.starts_with("\"larder-") && own.ends_with(&end), "{why}");
        }
        (None, None) => assert_eq!(made, Made::AsItCame, "what is stored has a tag: {why}"),
    }
    own
}

/// HEAD, a condition and a range, after a GET whose answer bore `own`.
async fn reads(proxy: &Proxy, coding: &str, tag: Option<&str>, own: Option<&str>) {
    let head = form(send(proxy, "HEAD", "/"), coding).await;
    check(&head, coding, (tag, if own.is_some() { Made::Once } else { Made::AsItCame }));
    assert!(head.body.is_empty(), "RFC 9110 §9.3.2: HEAD has no body");
    let part = form(get(proxy, "/").header("Range", "bytes=2-11"), coding).await;
    assert_eq!((part.status, part.text()), (206, &users()[2..12]), "{coding}, {tag:?}");
    assert_eq!(part.header("content-encoding"), None, "RFC 9110 §14: of the plain bytes");
    if let Some(tag) = tag {
        assert_eq!(part.header("etag"), Some(tag), "RFC 9110 §8.8.3.3: and named so");
    }
    match own {
        Some(own) => condition(proxy, coding, own).await,
        None => {
            let other = form(get(proxy, "/").header("If-None-Match", "\"x\""), coding).await;
            assert_eq!(unpacked(&other).await, users(), "§13.1.2: {coding}");
        }
    }
}

async fn condition(proxy: &Proxy, coding: &str, own: &str) {
    let same = form(get(proxy, "/").header("If-None-Match", own), coding).await;
    assert_eq!((same.status, same.header("etag")), (304, Some(own)), "§13.1.2: {coding}");
    // An origin's own 304 says no more than its tag; one that is not the origin's tells more.
    if own.contains("--") {
        assert!(varies(&same), "RFC 9110 §15.4.5: {coding}, {own}");
        let torn = get(proxy, "/").header("Range", "bytes=2-11").header("If-Range", own);
        let whole = form(torn, coding).await;
        assert_eq!(whole.status, 200, "RFC 9110 §13.1.5: no range of packed bytes");
        assert_eq!(unpacked(&whole).await, users());
    }
}

/// The requests besides GET that follow one, whose answer bore `own`.
async fn follow_up(
    (proxy, origin): (&Proxy, &Origin),
    coding: &str,
    tag: Option<&str>,
    own: Option<&str>,
) {
    reads(proxy, coding, tag, own).await;
    let (named, expected) = match (own, tag) {
        (Some(own), Some(tag)) => (own.to_owned(), Some(tag.to_owned())),
        // Ours, that the origin does not know, and that is current.
        (Some(own), None) => (own.to_owned(), None),
        (None, _) => (tag_in(coding, "\"x\""), Some("\"x\"".to_owned())),
    };
    let put = send(proxy, "PUT", "/").header("If-Match", &named).body("{}").await;
    let seen = origin.last();
    assert_eq!((put.status, &*seen.method), (204, "PUT"), "{coding}, {named}");
    assert_eq!(seen.header("if-match"), expected.as_deref(), "RFC 9110 §13.1.1: {coding}, {named}");
}

#[tokio::test]
async fn what_is_stored_in_every_form() {
    for tag in TAGS {
        let origin = Origin::serve(origin_of(json(600), tag)).await;
        let proxy = Proxy::before(&origin).await;
        for coding in FORMS {
            get(&proxy, "/").await;
            let mut own = None;
            for _ in 0..2 {
                let hit = form(get(&proxy, "/"), coding).await;
                assert!(hit.is_hit());
                assert_eq!(unpacked(&hit).await, users(), "{coding}, {tag:?}");
                let length = hit.header("content-length").unwrap().parse();
                assert_eq!(length, Ok(hit.body.len()), "RFC 9110 §8.6: {coding}, {tag:?}");
                own = check(&hit, coding, (tag, Made::Once));
            }
            let head = form(send(&proxy, "HEAD", "/"), coding).await;
            let hit = form(get(&proxy, "/"), coding).await;
            assert_eq!(head.header("content-length"), hit.header("content-length"), "§9.3.2");
            follow_up((&proxy, &origin), coding, tag, own.as_deref()).await;
        }
    }
}

/// HEAD, conditions and a range of what is half there.
async fn while_it_arrives(
    proxy: &Proxy,
    (coding, tag): (&str, Option<&str>),
    own: &[Option<String>],
) {
    for own in own.iter().flatten() {
        let same = form(get(proxy, "/").header("If-None-Match", own), coding).await;
        assert_eq!((same.status, same.header("etag")), (304, Some(&**own)), "{coding}");
        assert!(varies(&same), "RFC 9110 §15.4.5: {coding}, {own}");
    }
    let head = form(send(proxy, "HEAD", "/"), coding).await;
    check(&head, coding, (tag, if tag.is_some() { Made::Once } else { Made::AsItCame }));
    let part = form(get(proxy, "/").header("Range", "bytes=2-11"), coding).await;
    assert_eq!((part.status, part.text()), (206, &users()[2..12]), "{coding}, {tag:?}");
    assert_eq!(part.header("content-encoding"), None, "RFC 9110 §14: of the plain bytes");
}

#[tokio::test]
async fn what_is_arriving_in_every_form() {
    for tag in TAGS {
        for coding in FORMS {
            let (gate, text) = (Gate::new(), users());
            let (begin, end) = text.split_at(5000);
            let slow =
                Reply::fresh(600, begin.to_owned()).chunked().gate(&gate).body(end.to_owned());
            let slow = slow.header("Content-Type", "application/json");
            let origin = Origin::serve(origin_of(slow, tag)).await;
            let proxy = Proxy::before(&origin).await;
            let mut first = form(get(&proxy, "/"), coding).arriving().await;
            first.body(1).await;
            let second = form(get(&proxy, "/"), coding).arriving().await;
            assert_eq!(origin.requests(), 1, "they share one fetch in any form");
            let made = (tag, Made::AsItCame);
            let tags = [&first, &second].map(|it| check(it.so_far(), coding, made));
            while_it_arrives(&proxy, (coding, tag), &tags).await;
            gate.open();
            let mut bodies = Vec::new();
            for arriving in [first, second] {
                let whole = arriving.end().await.unwrap();
                assert_eq!(unpacked(&whole).await, text, "{coding}, {tag:?}");
                assert_eq!(whole.header("content-length"), None, "nobody knew it");
                bodies.push(whole.body);
            }
            let is_strong = tag.is_some_and(|tag| tag.starts_with('"'));
            let one_tag = is_strong && tags[0] == tags[1];
            assert!(!one_tag || bodies[0] == bodies[1], "RFC 9110 §8.8.1: other bytes, other tag");
            let own = form(get(&proxy, "/"), coding).await.header("etag").map(str::to_owned);
            follow_up((&proxy, &origin), coding, tag, own.as_deref()).await;
        }
    }
}

#[tokio::test]
async fn what_is_relayed_in_every_form() {
    for tag in TAGS {
        let reply = Reply::ok(users()).header("Content-Type", "application/json");
        let origin = Origin::serve(origin_of(reply.header("Cache-Control", "no-store"), tag)).await;
        let proxy = Proxy::before(&origin).await;
        for coding in FORMS {
            let answer = form(get(&proxy, "/"), coding).await;
            assert_eq!(unpacked(&answer).await, users(), "{coding}, {tag:?}");
            let own = check(&answer, coding, (tag, Made::AsItCame));
            follow_up((&proxy, &origin), coding, tag, own.as_deref()).await;
        }
    }
}
