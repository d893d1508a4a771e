//! Targeted Cache-Control (RFC 9213): `Larder-Cache-Control`, then `CDN-Cache-Control`.

use crate::support::{Origin, Proxy, Reply, date, get, send};

const OURS: &str = "Larder-Cache-Control";
const CDN: &str = "CDN-Cache-Control";

/// Asks twice; `ttl` of the second, where it is a hit.
async fn ttl(fields: &[(&str, &str)]) -> Option<i64> {
    let reply = fields.iter().fold(Reply::ok("x"), |it, (name, value)| it.header(name, *value));
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let again = get(&proxy, "/").await;
    again.is_hit().then(|| again.cache_status().ttl).flatten()
}

#[tokio::test]
async fn the_first_valid_targeted_field_is_the_policy() {
    let expires = date(90);
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<i64>, &'a str);
    let rows: [Row<'_>; 12] = [
        (&[(CDN, "max-age=60"), ("Cache-Control", "max-age=5")], Some(60), "§2.2"),
        (&[(CDN, "max-age=60"), ("Cache-Control", "no-store")], Some(60), "§2.2"),
        (&[(CDN, "max-age=60"), ("Expires", &expires)], Some(60), "§2.2: nor Expires"),
        (&[(CDN, "no-store"), ("Cache-Control", "max-age=5")], None, "§2.2"),
        (&[(CDN, "private"), ("Cache-Control", "max-age=5")], None, "§2.2"),
        (&[(CDN, "max-age=60"), (OURS, "max-age=30")], Some(30), "§2.2: the list's order"),
        (&[(CDN, "max-age=60"), (OURS, "no-store")], None, "§2.2: the list's order"),
        (&[(CDN, "max-age=60"), (OURS, "")], Some(60), "§2.1: an empty one is ignored"),
        (&[(CDN, "max-age=60, &"), ("Cache-Control", "max-age=5")], Some(5), "§2.1: ignored whole"),
        (&[(CDN, "max-age=60;a=b")], Some(60), "§2.1: parameters are ignored"),
        (&[(CDN, "max-age=\"60\""), ("Cache-Control", "max-age=5")], None, "§2.1: no Integer"),
        (&[("Surrogate-Control", "max-age=60"), ("Cache-Control", "max-age=5")], Some(5), "§2.2"),
    ];
    for (fields, expected, section) in rows {
        assert_eq!(ttl(fields).await, expected, "RFC 9213 {section}: {fields:?}");
    }
}

#[tokio::test]
async fn ours_is_used_up_here_and_the_others_are_passed_on() {
    let reply = Reply::ok("x")
        .header(OURS, "max-age=60")
        .header(CDN, "max-age=30")
        .header("Cache-Control", "max-age=5")
        .header("ETag", "\"a\"");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    for (what, answer) in [
        ("a miss", get(&proxy, "/").await),
        ("a hit", get(&proxy, "/").await),
        ("a 304", get(&proxy, "/").header("If-None-Match", "\"a\"").await),
        ("a HEAD", send(&proxy, "HEAD", "/").await),
        ("a relayed answer", send(&proxy, "POST", "/").await),
    ] {
        assert_eq!(answer.header(OURS), None, "{what}: it is for us alone");
        assert_eq!(answer.header(CDN), Some("max-age=30"), "{what}: RFC 9213 §3");
        assert_eq!(answer.header("cache-control"), Some("max-age=5"), "{what}: for the rest");
    }
}

#[tokio::test]
async fn a_targeted_lifetime_is_the_origins_word_for_what_sets_a_cookie() {
    for (field, hit) in [(CDN, true), (OURS, true), ("Cache-Control", false)] {
        let reply = Reply::ok("x").header(field, "max-age=60").header("Set-Cookie", "a=1");
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        assert_eq!(get(&proxy, "/").await.is_hit(), hit, "{field}");
    }
}

#[tokio::test]
async fn authorization_needs_the_same_words_as_ever() {
    for (value, hit) in [("max-age=60", false), ("max-age=60, public", true), ("s-maxage=60", true)]
    {
        let reply = Reply::ok("x").header(CDN, value).header("Cache-Control", "public");
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").header("Authorization", "Bearer x").await;
        let again = get(&proxy, "/").header("Authorization", "Bearer y").await;
        assert_eq!(again.is_hit(), hit, "RFC 9111 §3.5, RFC 9213 §2.2: {value}");
    }
}

#[tokio::test]
async fn a_304_freshens_by_the_targeted_field_too() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::ok("x").header("ETag", "\"a\"").header(OURS, "max-age=60"),
        2 => Reply::status(304).header("ETag", "\"a\""),
        _ => Reply::status(304).header("ETag", "\"a\"").header(OURS, "max-age=20"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (ttl, why) in [(60, "the stored one stays"), (20, "the new one takes its place")] {
        proxy.advance(60);
        let validated = get(&proxy, "/").await;
        assert_eq!(validated.cache_status().fwd_status, Some(304), "RFC 9111 §4.3.4");
        assert_eq!(validated.header(OURS), None);
        let hit = get(&proxy, "/").await.cache_status();
        assert_eq!((hit.hit, hit.ttl), (true, Some(ttl)), "RFC 9111 §3.2: {why}");
    }
}

#[tokio::test]
async fn age_counts_on_beyond_what_other_caches_may_use() {
    let reply = Reply::ok("x").header(CDN, "max-age=3600").header("Cache-Control", "max-age=60");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(1800);
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.is_hit(), hit.age()), (true, Some(1800)), "RFC 9213 §2.3: the truth");
}
