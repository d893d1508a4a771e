//! Variants: one URI, several responses (RFC 9111 §4.1).

use crate::support::{Answer, Origin, Proxy, Reply, get};

/// An origin that speaks the language asked for, and says so in Vary.
async fn polyglot() -> (Origin, Proxy) {
    let origin = Origin::serve(|seen| {
        let language = seen.headers("accept-language").join(", ");
        Reply::fresh(60, format!("in {language}")).header("Vary", "Accept-Language")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

async fn language(proxy: &Proxy, language: &str) -> Answer {
    get(proxy, "/").header("Accept-Language", language).await
}

#[tokio::test]
async fn each_variant_is_stored_for_itself() {
    let (origin, proxy) = polyglot().await;
    assert_eq!(language(&proxy, "de").await.cache_status().fwd(), "uri-miss");
    assert_eq!(language(&proxy, "en").await.cache_status().fwd(), "vary-miss");
    for tongue in ["de", "en"] {
        let hit = language(&proxy, tongue).await;
        assert_eq!((hit.text(), hit.is_hit()), (format!("in {tongue}").as_str(), true));
        assert_eq!(hit.header("vary"), Some("Accept-Language"), "caches behind us must know");
    }
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn a_missing_field_is_a_variant_of_its_own() {
    let (origin, proxy) = polyglot().await;
    language(&proxy, "de").await;
    assert_eq!(get(&proxy, "/").await.text(), "in ");
    assert_eq!(language(&proxy, "de").await.text(), "in de");
    assert!(get(&proxy, "/").await.is_hit());
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn repeated_selecting_fields_count_as_one_list() {
    let (origin, proxy) = polyglot().await;
    language(&proxy, "de, en").await;
    let two = get(&proxy, "/").header("Accept-Language", "de").header("Accept-Language", "en");
    assert_eq!(two.await.text(), "in de, en", "they combine (RFC 9110 §5.3)");
    language(&proxy, "en, de").await;
    assert_eq!(origin.requests(), 2, "but their order is the client's preference");
}

#[tokio::test]
async fn selecting_fields_that_mean_the_same_choose_one_variant() {
    let (origin, proxy) = polyglot().await;
    let first = language(&proxy, "en, de;q=0.5").await;
    for same in ["EN,De;q=0.5", " en ,\tde;q=0.5", "de;q=0.500, en;q=1", "en;q=1.0,de ; q=0.5"] {
        let answer = language(&proxy, same).await;
        assert!(answer.is_hit(), "RFC 9111 §4.1: {same}");
        assert_eq!(answer.text(), first.text());
    }
    for other in ["de, en;q=0.5", "en, de", "de, en", "en", "en, de;q=0.4"] {
        assert!(!language(&proxy, other).await.is_hit(), "RFC 9111 §4.1: {other}");
    }
    assert_eq!(origin.requests(), 6);
}

#[tokio::test]
async fn vary_star_matches_nothing() {
    for vary in ["*", "Accept, *"] {
        let origin = Origin::always(Reply::fresh(60, "x").header("Vary", vary)).await;
        let proxy = Proxy::before(&origin).await;
        for n in 1..=2 {
            let status = get(&proxy, "/").await.cache_status();
            assert_eq!((status.stored, status.detail()), (false, "vary-star"), "{vary}");
            assert_eq!(origin.requests(), n, "{vary}");
        }
    }
}

#[tokio::test]
async fn all_fields_of_all_vary_lines_select() {
    let reply = Reply::fresh(60, "x").header("Vary", "Accept").header("Vary", "X-A, X-B");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let ask =
        |accept, a, b| get(&proxy, "/").header("Accept", accept).header("X-A", a).header("X-B", b);
    ask("a", "1", "2").await;
    assert!(ask("a", "1", "2").await.is_hit());
    for (accept, a, b) in [("b", "1", "2"), ("a", "0", "2"), ("a", "1", "0"), ("a", "2", "1")] {
        let status = ask(accept, a, b).await.cache_status();
        assert_eq!(status.fwd(), "vary-miss", "{accept} {a} {b}");
    }
}

#[tokio::test]
async fn the_newest_response_s_vary_decides() {
    let origin = Origin::serve(|seen| {
        let reply = Reply::fresh(60, format!("take {}", seen.number));
        if seen.number == 1 { reply.header("Vary", "X-A") } else { reply.header("Vary", "X-B") }
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").header("X-A", "1").header("X-B", "1").await;
    get(&proxy, "/").header("X-A", "2").header("X-B", "2").await;
    let hit = get(&proxy, "/").header("X-A", "3").header("X-B", "2").await;
    assert_eq!((hit.text(), hit.is_hit()), ("take 2", true), "X-A selects no more");
}

#[tokio::test]
async fn each_variant_is_validated_with_its_own_validator() {
    let origin = Origin::serve(|seen| {
        let tag = format!("\"{}\"", seen.header("accept-language").unwrap_or_default());
        let knows = seen.header("if-none-match").is_some_and(|tags| tags.contains(&tag));
        let status = if knows { 304 } else { 200 };
        let reply = Reply::status(status).header("ETag", tag.clone());
        let reply = reply.header("Vary", "Accept-Language").header("Cache-Control", "max-age=10");
        if status == 200 { reply.body(tag) } else { reply }
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    language(&proxy, "de").await;
    language(&proxy, "en").await;
    proxy.advance(10);
    for tongue in ["de", "en"] {
        let validated = language(&proxy, tongue).await;
        assert_eq!(validated.cache_status().fwd_status, Some(304), "{tongue}");
        assert_eq!(validated.text(), format!("\"{tongue}\""));
    }
}

#[tokio::test]
async fn no_more_than_32_variants_are_kept() {
    let (origin, proxy) = polyglot().await;
    for n in 0..33 {
        language(&proxy, &format!("x-{n}")).await;
    }
    assert!(language(&proxy, "x-32").await.is_hit(), "the newest is there");
    language(&proxy, "x-0").await;
    assert_eq!(origin.requests(), 34, "the oldest has left");
}

/// An origin that has German (`"de"`) for those who like it, and English (`"en"`) for all others;
/// it knows what is current, and says in `X-Take` which request it answers.
async fn two_languages() -> (Origin, Proxy) {
    let origin = Origin::serve(|seen| {
        let german = seen.header("accept-language").is_some_and(|it| it.starts_with("de"));
        let tag = if german { "\"de\"" } else { "\"en\"" };
        let known = seen.header("if-none-match").is_some_and(|tags| tags.contains(tag));
        let reply = Reply::status(if known { 304 } else { 200 }).header("ETag", tag);
        let reply = reply.header("Vary", "Accept-Language").header("Cache-Control", "max-age=10");
        let reply = reply.header("X-Take", seen.number.to_string());
        if known { reply } else { reply.body(tag) }
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

#[tokio::test]
async fn a_new_variant_is_asked_for_with_all_stored_tags() {
    let (origin, proxy) = two_languages().await;
    language(&proxy, "de").await;
    language(&proxy, "en").await;
    let same = language(&proxy, "de-AT").await;
    assert_eq!(origin.last().headers("if-none-match"), ["\"de\", \"en\""], "RFC 9111 §4.3.1");
    assert_eq!((same.status, same.text()), (200, "\"de\""), "the 304 names the German one");
    let status = same.cache_status();
    assert_eq!((status.fwd(), status.fwd_status, status.stored), ("vary-miss", Some(304), true));
    assert!(language(&proxy, "de-AT").await.is_hit(), "and it is stored for this one, too");
    let other = language(&proxy, "fr").await;
    assert_eq!(other.text(), "\"en\"", "the 304 names the English one");
    assert_eq!(origin.requests(), 4);
}

#[tokio::test]
async fn a_304_freshens_every_variant_with_its_strong_tag() {
    let (origin, proxy) = two_languages().await;
    for tongue in ["de", "en", "de-AT", "de-CH"] {
        language(&proxy, tongue).await;
    }
    proxy.advance(10);
    language(&proxy, "de-AT").await;
    assert_eq!(origin.requests(), 5);
    for tongue in ["de", "de-CH"] {
        let hit = language(&proxy, tongue).await;
        assert_eq!((hit.text(), hit.is_hit()), ("\"de\"", true), "RFC 9111 §4.3.4: {tongue}");
        assert_eq!(hit.header("x-take"), Some("5"), "{tongue}: with the fields of the 304");
    }
    assert!(!language(&proxy, "en").await.is_hit(), "another representation");
}

#[tokio::test]
async fn a_304_that_names_nothing_stored_is_asked_again_without_conditions() {
    for odd in [Reply::status(304), Reply::status(304).header("ETag", "\"zz\"")] {
        let told = format!("{odd:?}");
        let origin = Origin::serve(move |seen| match seen.header("if-none-match") {
            Some(_) if seen.number > 2 => odd.clone(),
            _ => {
                let tag = format!("\"{}\"", seen.number);
                Reply::fresh(60, tag.clone()).header("ETag", tag).header("Vary", "Accept-Language")
            }
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        language(&proxy, "de").await;
        language(&proxy, "en").await;
        let other = language(&proxy, "fr").await;
        assert_eq!((other.status, other.text()), (200, "\"4\""), "RFC 9111 §4.3.4: {told}");
        assert_eq!(origin.last().header("if-none-match"), None, "{told}");
    }
}

#[tokio::test]
async fn a_304_without_a_tag_means_the_only_one_that_was_offered() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some(_) => Reply::status(304).header("Cache-Control", "max-age=60"),
        None => Reply::fresh(60, "x").header("ETag", "\"a\"").header("Vary", "Accept-Language"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    language(&proxy, "de").await;
    let other = language(&proxy, "en").await;
    assert_eq!((other.status, other.text(), origin.requests()), (200, "x", 2));
    assert_eq!(other.cache_status().fwd_status, Some(304), "RFC 9111 §4.3.4");
}

#[tokio::test]
async fn weak_and_own_tags_and_codings_are_not_offered() {
    for (tag, vary) in [
        ("W/\"a\"", "X-A"),
        ("", "X-A"),
        ("\"a\"", "X-A, Accept-Encoding"),
        ("\"a\"", "X-A, Cookie"),
        ("\"a\"", "X-A, Authorization"),
    ] {
        let reply = Reply::fresh(60, "x").header("Vary", vary);
        let reply = if tag.is_empty() { reply } else { reply.header("ETag", tag) };
        let origin = Origin::always(reply).await;
        let proxy = Proxy::with(&origin, "compression.upstream_encoding = \"client\"\n").await;
        get(&proxy, "/").header("X-A", "1").await;
        get(&proxy, "/").header("X-A", "2").await;
        assert_eq!(origin.last().header("if-none-match"), None, "{tag} {vary}");
    }
}
