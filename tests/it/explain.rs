//! What a running proxy says it would do, and then does: `GET /v1/explain` and `larder explain`.

use larder::reason::Reason;
use serde_json::Value;

use crate::{
    nodes,
    reasons::{
        ask,
        cases::{self, Asked, Case, ELSEWHERE, MISSED, PARTS, REQUESTS, VARIANTS},
    },
    support::{Answer, Ask, Origin, Place, Proxy, RedisServer, Reply, get, send, within},
};

const TOKEN: &str = "0123456789abcdef";
const ADMIN: &str = "\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"0123456789abcdef\"\n\
                     purge_from = [\"127.0.0.1\"]\n";

fn known(ask: Ask) -> Ask {
    ask.host("127.0.0.1").header("Authorization", &format!("Bearer {TOKEN}"))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn asked(proxy: &Proxy, query: &str) -> Answer {
    known(get(&proxy.admin(), &format!("/v1/explain?{query}"))).await
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.text()).expect("it is JSON")
}

/// What is said of a request.
async fn explain(proxy: &Proxy, (method, path, fields, body): Asked) -> Value {
    let mut query = format!("method={method}&url={}", encoded(&format!("http://api.test{path}")));
    for (name, value) in fields {
        query.push_str(&format!("&header={}", encoded(&format!("{name}: {value}"))));
    }
    if !body.is_empty() {
        query.push_str("&header=Content-Length:1");
    }
    json(&asked(proxy, &query).await)
}

async fn of(proxy: &Proxy, path: &'static str) -> Value {
    explain(proxy, ("GET", path, &[], "")).await
}

/// `cache`, `class`, `reason`.
fn verdict(told: &Value) -> [&str; 3] {
    ["cache", "class", "reason"].map(|part| told["verdict"][part].as_str().expect(part))
}

fn class(token: &str) -> &'static str {
    Reason::all().find(|reason| reason.token() == token).map_or("", Reason::class)
}

/// Of a case's words in the log, the reason that is known before anybody is asked.
fn foreseen(case: &Case) -> &'static str {
    let [_, reason, miss, _] = case.logged;
    match class(reason) {
        _ if !miss.is_empty() => miss,
        "not-stored" | "failed" => "",
        _ if reason == "stale-if-error" => "",
        _ => reason,
    }
}

async fn prepared(case: &Case) -> (Origin, Proxy) {
    let origin = Origin::serve(case.origin).await;
    let proxy = Proxy::with(&origin, &format!("{}{ADMIN}", case.config)).await;
    for (asked, seconds) in case.before {
        ask(&proxy, *asked).await;
        proxy.advance(*seconds);
    }
    (origin, proxy)
}

#[tokio::test]
async fn what_is_foreseen_is_what_happens() {
    let all = [MISSED, VARIANTS, PARTS, REQUESTS, ELSEWHERE].concat();
    // That a tag of ours is not current shows only when the API has been asked.
    let cases = all.iter().filter(|case| case.logged[1] != "precondition-failed");
    let mut count = 0;
    for case in cases {
        let why = format!("{}: {:?}", case.why, case.asked);
        let (origin, proxy) = prepared(case).await;
        let before = origin.requests();
        let told = explain(&proxy, case.asked).await;
        assert_eq!(origin.requests(), before, "nobody is asked by a question: {why}");
        let [cache, said, reason] = verdict(&told);
        assert_eq!((cache, reason), (case.logged[0], foreseen(case)), "{why}: {told:#}");
        let expected = if reason.is_empty() { cache } else { class(reason) };
        assert_eq!(said, expected, "{why}");
        let field = told["verdict"]["field"].as_str().unwrap_or_default();
        assert_eq!(field, case.logged[3], "{why}: the field that differs");
        let answer = ask(&proxy, case.asked).await;
        assert_eq!(answer.header("cache-status"), Some(case.told), "and so it happens: {why}");
        count += 1;
    }
    assert!(count >= 30, "{count} cases");
}

#[tokio::test]
async fn what_is_not_stored_is_told_by_what_was_last_decided() {
    for case in &cases::responses() {
        let (_origin, proxy) = prepared(case).await;
        ask(&proxy, case.asked).await;
        let told = explain(&proxy, case.asked).await;
        assert_eq!(verdict(&told), ["uri-miss", "not-stored", case.logged[1]], "{told:#}");
        assert_eq!(told["last"]["reason"], case.logged[1], "{told:#}");
        assert_eq!(told["last"]["stored"], false, "{told:#}");
    }
}

#[tokio::test]
async fn what_turns_out_to_be_too_long_is_told_too() {
    let large = Reply::fresh(60, "first").body("x".repeat(1024)).chunked();
    let origin = Origin::always(large).await;
    let config = format!("[cache]\nmax_object_size = \"1KiB\"{ADMIN}");
    let proxy = Proxy::with(&origin, &config).await;
    assert!(get(&proxy, "/").await.cache_status().stored, "as far as its head can tell");
    let told = of(&proxy, "/").await;
    assert_eq!(verdict(&told), ["uri-miss", "not-stored", "too-large"], "{told:#}");
}

#[tokio::test]
async fn what_a_refresh_behind_a_stale_answer_came_to_is_told() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::ok("x").header("Cache-Control", "max-age=10, stale-while-revalidate=60"),
        _ => Reply::ok("x").header("Cache-Control", "no-store"),
    })
    .await;
    let proxy = Proxy::with(&origin, ADMIN).await;
    get(&proxy, "/").await;
    proxy.advance(15);
    assert_eq!(get(&proxy, "/").await.cache_status().detail(), "stale-while-revalidate");
    let told = within("the refresh", async {
        loop {
            let told = of(&proxy, "/").await;
            if told["last"]["reason"] == "no-store" {
                return told;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(verdict(&told.await), ["uri-miss", "not-stored", "no-store"], "nobody saw it");
}

#[tokio::test]
async fn a_purge_is_told_by_what_and_when() {
    let tagged = || Reply::fresh(600, "x").header("Surrogate-Key", "users all-users");
    for (order, what, reason) in [
        (r#"{"url": "https://api.test/u/1"}"#, "url api.test/u/1", "purged"),
        (r#"{"prefix": "api.test/u"}"#, "prefix api.test/u", "purged"),
        (r#"{"tags": ["other", "users"]}"#, "tags other users", "purged"),
        (r#"{"tags": ["users"], "host": "api.test"}"#, "tags users of api.test", "purged"),
        (r#"{"all": true}"#, "everything", "purged"),
    ] {
        let origin = Origin::always(tagged()).await;
        let proxy = Proxy::with(&origin, ADMIN).await;
        get(&proxy, "/u/1").await;
        proxy.advance(5);
        assert_eq!(known(send(&proxy.admin(), "POST", "/v1/purge")).body(order).await.status, 200);
        let told = of(&proxy, "/u/1").await;
        assert_eq!(verdict(&told), ["uri-miss", "miss", reason], "{order}: {told:#}");
        assert_eq!((&told["purge"]["what"], &told["purge"]["soft"]), (&what.into(), &false.into()));
        assert_eq!(told["purge"]["at"], "Sat, 21 Nov 2026 12:00:05 GMT", "{told:#}");
        assert_eq!(told["purge"]["by"], "an operator");
        assert_eq!(get(&proxy, "/u/1").await.cache_status().detail(), reason, "and so it happens");
        assert_eq!(verdict(&of(&proxy, "/u/1").await)[0], "hit", "it has come back");
    }
}

#[tokio::test]
async fn a_soft_purge_is_told_while_what_it_named_is_stale() {
    let origin = Origin::always(Reply::fresh(600, "x").header("ETag", "\"v\"")).await;
    let proxy = Proxy::with(&origin, ADMIN).await;
    get(&proxy, "/u").await;
    let order = r#"{"all": true, "soft": true}"#;
    known(send(&proxy.admin(), "POST", "/v1/purge")).body(order).await;
    let told = of(&proxy, "/u").await;
    assert_eq!(verdict(&told)[0], "stale", "{told:#}");
    assert_eq!((&told["purge"]["soft"], &told["stored"]["fresh_for"]), (&true.into(), &0.into()));
}

#[tokio::test]
async fn what_a_reload_ended_is_told_by_it() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, ADMIN).await;
    get(&proxy, "/u").await;
    proxy.reload(&format!("{ADMIN}[cache]\nset_cookie = \"strip\"\n"));
    proxy.reload(ADMIN);
    let told = of(&proxy, "/u").await;
    assert_eq!(verdict(&told), ["uri-miss", "miss", "purged"], "{told:#}");
    assert_eq!(
        told["purge"]["by"], "a reload",
        "no operator has to look for their purge: {told:#}"
    );
    assert_eq!(told["purge"]["what"], "the routes whose rules it changed");
}

#[tokio::test]
async fn an_invalidation_is_told_by_its_method() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, "x").header("Cache-Groups", "\"g\""),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::with(&origin, ADMIN).await;
    for (method, by) in
        [("DELETE", "DELETE"), ("PATCH", "PATCH"), ("LOCK", "another unsafe method")]
    {
        get(&proxy, "/a").await;
        get(&proxy, "/b").await;
        send(&proxy, method, "/a").await;
        let told = of(&proxy, "/a").await;
        assert_eq!(verdict(&told), ["uri-miss", "miss", "invalidated"], "RFC 9111 §4.4: {told:#}");
        assert_eq!(told["left"]["by"], by, "{told:#}");
        let told = of(&proxy, "/b").await;
        assert_eq!(verdict(&told)[2], "invalidated", "RFC 9875: {told:#}");
        assert_eq!(told["purge"]["what"], format!("the groups of {method} /a"), "{told:#}");
    }
    get(&proxy, "/a").await;
    assert_eq!(send(&proxy, "PURGE", "/a").await.status, 200);
    assert_eq!(verdict(&of(&proxy, "/a").await)[2], "purged", "an operator's word, by a method");
}

#[tokio::test]
async fn what_left_for_lack_of_room_is_told() {
    let origin = Origin::always(Reply::fresh(600, "x".repeat(100 << 10))).await;
    let config = format!("[cache.memory]\nmax_size = \"1MiB\"\nmax_in_flight = \"1MiB\"{ADMIN}");
    let proxy = Proxy::with(&origin, &config).await;
    let paths: Vec<String> = (0..40).map(|n| format!("/{n}")).collect();
    for path in &paths {
        get(&proxy, path).await;
    }
    let mut evicted = 0;
    for path in &paths {
        let url = encoded(&format!("http://api.test{path}"));
        let told = json(&asked(&proxy, &format!("url={url}")).await);
        if verdict(&told) == ["uri-miss", "miss", "evicted"] {
            assert_eq!(told["left"]["by"], "lack of room", "{told:#}");
            evicted += 1;
        }
    }
    assert!(evicted >= 20, "of 40, memory holds about ten: {evicted} were evicted");
}

#[tokio::test]
async fn a_hit_is_told_by_tier_age_and_what_is_left() {
    let redis = RedisServer::start().await;
    let origin = Origin::always(Reply::fresh(600, "four").undated()).await;
    let (one, other) = nodes::two(&origin, &redis).await;
    let tier = async |proxy: &Proxy, tier: &str| {
        within(format!("it to be in {tier}"), async {
            loop {
                let told = of(proxy, "/").await;
                if told["stored"]["tier"] == tier {
                    return told;
                }
                get(&one, "/").await;
            }
        })
        .await
    };
    let told = tier(&one, "l1").await;
    assert_eq!(verdict(&told), ["hit", "hit", ""], "{told:#}");
    assert_eq!((&told["stored"]["bytes"], &told["stored"]["status"]), (&4.into(), &200.into()));
    assert!(told["stored"]["fresh_for"].as_i64().is_some_and(|it| (500..=600).contains(&it)));
    let told = tier(&other, "l2").await;
    assert_eq!(verdict(&told), ["hit", "found", "l2"], "another node has it: {told:#}");
    assert_eq!(tier(&other, "l2").await["stored"]["tier"], "l2", "a question brings nothing here");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn the_route_and_the_key_are_told() {
    let origin = Origin::always(Reply::fresh(60, "x").header("Vary", "Accept-Language")).await;
    let config = format!(
        "[[routes]]\nname = \"users\"\nmatch = {{ path = \"/users/**\" }}\n\
         cache = {{ key = {{ query = {{ exclude = [\"utm_*\"] }} }} }}{ADMIN}"
    );
    let proxy = Proxy::with(&origin, &config).await;
    get(&proxy, "/users/1?utm_a=1&b=2").header("Accept-Language", "de").await;
    let told = explain(&proxy, ("GET", "/users/1?b=2", &[("Accept-Language", "de")], "")).await;
    assert_eq!(verdict(&told)[0], "hit", "{told:#}");
    assert_eq!((&told["route"]["name"], &told["route"]["line"]), (&"users".into(), &3.into()));
    assert_eq!(told["route"]["upstream"], origin.url());
    assert_eq!(told["variant"]["by"], serde_json::json!(["accept-language"]));
    let told = explain(&proxy, ("GET", "/users/1?utm_x=1&b=2", &[], "")).await;
    assert_eq!((&told["key"]["query"], &told["key"]["path"]), (&"b=2".into(), &"/users/1".into()));
    assert_eq!(told["key"]["target"], "/users/1?utm_x=1&b=2", "as it was asked for");
    let told = of(&proxy, "/other").await;
    assert_eq!((&told["route"]["name"], &told["route"]["line"]), (&"default".into(), &0.into()));
}

#[tokio::test]
async fn https_is_another_key_than_http() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let config = format!("trusted_proxies = [\"127.0.0.1\"]\n{ADMIN}");
    let proxy = Proxy::with(&origin, &config).await;
    get(&proxy, "/").header("X-Forwarded-Proto", "https").await;
    let told = async |url: &str| json(&asked(&proxy, &format!("url={}", encoded(url))).await);
    assert_eq!(verdict(&told("https://api.test/").await)[0], "hit");
    assert_eq!(verdict(&told("http://api.test/").await)[0], "uri-miss");
}

#[tokio::test]
async fn only_who_knows_the_token_may_ask_and_mistakes_are_named() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = Proxy::with(&origin, ADMIN).await;
    let path = "/v1/explain?url=http%3A%2F%2Fapi.test%2F";
    assert_eq!(get(&proxy.admin(), path).host("127.0.0.1").await.status, 401);
    assert_eq!(known(send(&proxy.admin(), "POST", path)).await.status, 405);
    for (query, word) in [("", "url="), ("url=%2F", "no valid host"), ("route=none", "no route")] {
        let answer = asked(&proxy, query).await;
        assert!((400..=404).contains(&answer.status) && answer.text().contains(word), "{query}");
    }
}

#[tokio::test]
async fn the_command_line_says_it_for_people() {
    let origin = Origin::always(Reply::ok("x").header("Cache-Control", "private")).await;
    let proxy = Proxy::with(&origin, ADMIN).await;
    get(&proxy, "/a").await;
    let Place::Tcp(address) = proxy.admin() else { panic!("it listens at a port") };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.toml");
    let text = format!(
        "listen = \"127.0.0.1:1\"\nupstream = \"http://a\"\n[admin]\nlisten = \"{address}\"\n\
         token = \"{TOKEN}\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let larder = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_larder"));
        command.arg("explain").args(arguments).arg("--config").arg(&file);
        within("larder explain", command.kill_on_drop(true).output()).await.unwrap()
    };
    let output = larder(&["GET", "http://api.test/a", "-H", "Accept: a/b"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{output:?}");
    for line in [
        "GET http://api.test/a\n",
        "  verdict  uri-miss, not-stored: private\n",
        "           because the API said `private`\n",
        "           next: the API forbids it: change it there, if others may have it\n",
        "  route    default (the top of the file), to http://",
        "  last     Sat, 21 Nov 2026 12:00:00 GMT: 200, uri-miss: private\n",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
    let output = larder(&["--route", "default"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("  route    default (the top of the file), to "), "{said}");
    let output = larder(&["GET", "http://api.test/a", "--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(verdict(&told), ["uri-miss", "not-stored", "private"]);
    assert_eq!(larder(&["GET", "/a"]).await.status.code(), Some(1), "no host");
    assert_eq!(larder(&["GET"]).await.status.code(), Some(2), "no URL");
    assert_eq!(larder(&[]).await.status.code(), Some(2));
}
