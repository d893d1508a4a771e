//! What is passed on, what is not, and what is added (RFC 9110 §7.6; RFC 7239; RFC 9112).

use bytes::Bytes;
use http_body_util::Full;

use crate::support::{Client, H2, Origin, Proxy, Reply, Seen, get, send};

async fn echo() -> (Origin, Proxy) {
    let origin = Origin::always(Reply::ok("x").header("Cache-Control", "no-store")).await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

/// Sends these fields with a GET through a proxy, and returns what the origin saw.
async fn forwarded(config: &str, fields: &[(&str, &str)]) -> Seen {
    let origin = Origin::always(Reply::ok("x").header("Cache-Control", "no-store")).await;
    let proxy = Proxy::with(&origin, config).await;
    let ask = get(&proxy, "/");
    fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value)).await;
    origin.last()
}

const HOP_BY_HOP: &[(&str, &str)] = &[
    ("Connection", "X-Private, keep-alive"),
    ("X-Private", "mine"),
    ("Keep-Alive", "timeout=5"),
    ("Proxy-Connection", "keep-alive"),
    ("Proxy-Authorization", "Basic YTpi"),
    ("TE", "gzip"),
];

#[tokio::test]
async fn hop_by_hop_fields_of_requests_stay_here() {
    let seen = forwarded("", HOP_BY_HOP).await;
    for (name, _) in HOP_BY_HOP.iter().filter(|(name, _)| *name != "Connection") {
        assert_eq!(seen.header(name), None, "{name} is between the client and us");
    }
    let nominated = seen.headers("connection").join(",");
    assert!(!nominated.to_lowercase().contains("x-private"), "{nominated}");
}

#[tokio::test]
async fn hop_by_hop_fields_of_responses_stay_here_stored_or_not() {
    let reply = Reply::fresh(60, "x")
        .header("Connection", "X-Private")
        .header("X-Private", "mine")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Authenticate", "Basic")
        .header("Proxy-Connection", "keep-alive")
        .header("X-Public", "yes");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    for pass in ["miss", "hit"] {
        let answer = get(&proxy, "/").await;
        assert_eq!(answer.header("x-public"), Some("yes"), "{pass}");
        for name in ["x-private", "keep-alive", "proxy-connection"] {
            assert_eq!(answer.header(name), None, "{name} on a {pass}");
        }
    }
}

#[tokio::test]
async fn via_names_us_in_both_directions() {
    let origin = Origin::always(Reply::fresh(60, "x").header("Via", "1.1 inner")).await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").header("Via", "1.0 outer").await;
    assert_eq!(origin.last().headers("via").join(", "), "1.0 outer, 1.1 larder");
    assert_eq!(answer.headers("via").join(", "), "1.1 inner, 1.1 larder");
    assert_eq!(get(&proxy, "/").await.headers("via").join(", "), "1.1 inner, 1.1 larder", "a hit");
}

#[tokio::test]
async fn the_origin_learns_who_asked() {
    let seen = forwarded("", &[]).await;
    assert_eq!(seen.headers("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.headers("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.headers("x-forwarded-host"), ["api.test"]);
    let forwarded = seen.headers("forwarded").join(", ").to_lowercase();
    let pairs: Vec<&str> = forwarded.split(';').map(str::trim).collect();
    for pair in ["for=127.0.0.1", "host=api.test", "proto=http"] {
        assert!(pairs.contains(&pair), "{pair} in {forwarded} (RFC 7239)");
    }
}

#[tokio::test]
async fn what_a_client_sends_again_is_forwarded_as_the_first_time() {
    let (origin, proxy) = echo().await;
    let ask = |agent| get(&proxy, "/").header("Accept", "text/plain").header("User-Agent", agent);
    ask("one").await;
    let first = origin.last();
    for _ in 0..3 {
        ask("one").await;
        assert_eq!(origin.last().fields, first.fields, "RFC 9110 §7.6: the same, each field once");
    }
    for agent in ["two", "one"] {
        ask(agent).await;
        assert_eq!(origin.last().headers("user-agent"), [agent], "nobody gets another's fields");
    }
    ask("one").header("Authorization", "Basic YTpi").await;
    assert_eq!(origin.last().headers("authorization"), ["Basic YTpi"], "one field more");
    ask("one").await;
    assert_eq!(origin.last().header("authorization"), None, "RFC 9110 §11.6.2: it is not kept");
}

#[tokio::test]
async fn what_a_stranger_claims_is_removed() {
    let lies = [
        ("Forwarded", "for=6.6.6.6;proto=https"),
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.test"),
        ("X-Forwarded-Port", "666"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Real-IP", "6.6.6.6"),
        ("X-Original-URL", "/evil"),
        ("X-Rewrite-URL", "/evil"),
        ("X-HTTP-Method-Override", "DELETE"),
    ];
    let seen = forwarded("", &lies).await;
    for (name, value) in &seen.fields {
        let lies = ["6.6.6.6", "evil", "666", "https", "DELETE"];
        assert!(!lies.iter().any(|lie| value.contains(lie)), "{name}: {value}");
    }
    assert_eq!(seen.headers("x-forwarded-for"), ["127.0.0.1"]);
}

#[tokio::test]
async fn what_a_trusted_proxy_says_is_believed_and_added_to() {
    let trusted = "trusted_proxies = [\"127.0.0.0/8\"]";
    let said = [
        ("X-Forwarded-For", "6.6.6.6"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "www.test"),
    ];
    let seen = forwarded(trusted, &said).await;
    assert_eq!(seen.headers("x-forwarded-for").join(", "), "6.6.6.6, 127.0.0.1");
    assert_eq!(seen.headers("x-forwarded-proto"), ["https"]);
    let standard = [("Forwarded", "for=7.7.7.7;proto=https"), ("X-Forwarded-For", "6.6.6.6")];
    let seen = forwarded(trusted, &standard).await;
    let chain = seen.headers("forwarded").join(", ");
    assert!(chain.starts_with("for=7.7.7.7;proto=https, for=127.0.0.1"), "{chain}");
    assert_eq!(seen.headers("x-forwarded-proto"), ["https"], "Forwarded wins");
}

#[tokio::test]
async fn the_scheme_that_a_trusted_proxy_names_is_part_of_the_key() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = Proxy::with(&origin, "trusted_proxies = [\"127.0.0.1\"]").await;
    get(&proxy, "/").await;
    let secure = || get(&proxy, "/").header("X-Forwarded-Proto", "https");
    assert!(!secure().await.is_hit(), "https://api.test/ is another URI");
    assert!(secure().await.is_hit());
    let stranger = Proxy::before(&origin).await;
    get(&stranger, "/").await;
    let hit = get(&stranger, "/").header("X-Forwarded-Proto", "https").await;
    assert!(hit.is_hit(), "a stranger's word is not");
}

#[tokio::test]
async fn repeated_fields_and_their_order_are_kept() {
    let reply = Reply::status(200)
        .header("Set-Cookie", "a=1; Path=/")
        .header("Link", "</a>")
        .header("Set-Cookie", "b=2, really");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").header("X-A", "1").header("X-B", "2").header("X-A", "3").await;
    assert_eq!(origin.last().headers("x-a"), ["1", "3"]);
    assert_eq!(answer.headers("set-cookie"), ["a=1; Path=/", "b=2, really"]);
}

#[tokio::test]
async fn cookies_of_an_http_2_request_become_one_field() {
    let (origin, proxy) = echo().await;
    let client = H2::connect(&proxy).await;
    client.get("/", &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")]).await.unwrap();
    assert_eq!(origin.last().headers("cookie"), ["a=1; b=2; c=3"], "RFC 9113 §8.2.3");
    let post = http::Request::post("http://api.test/").body(Full::new(Bytes::from("up"))).unwrap();
    client.send(post).await.unwrap();
    assert_eq!((origin.last().text(), origin.last().header("host")), ("up", Some("api.test")));
}

#[tokio::test]
async fn trailers_pass_to_who_wants_them_where_they_were_announced() {
    let reply = Reply::fresh(60, "x").chunked().header("Trailer", "X-Sum").trailer("X-Sum", "1");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let wanted = get(&proxy, "/").header("TE", "trailers").header("Connection", "TE").await;
    assert_eq!(wanted.trailers, [("x-sum".to_owned(), "1".to_owned())]);
    let unwanted = get(&proxy, "/").await;
    assert_eq!((unwanted.text(), unwanted.trailers.len()), ("x", 0));
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.header("x-sum"), hit.trailers.len()), (None, 0), "never merged, never stored");
}

#[tokio::test]
async fn interim_responses_of_the_origin_are_consumed() {
    let origin = Origin::always(Reply::ok("x").early(103, "Link", "</a>; rel=preload")).await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.status, answer.text()), (200, "x"));
    assert!(answer.early.is_empty(), "hyper cannot pass them on: {:?}", answer.early);
}

#[tokio::test]
async fn a_client_that_expects_100_gets_it_when_its_body_is_wanted() {
    let (origin, proxy) = echo().await;
    let mut client = Client::connect(&proxy).await;
    client.ask("POST", "/", &[("Content-Length", "4"), ("Expect", "100-continue")]).await;
    assert_eq!(client.read_early().await, 100);
    client.write("body").await;
    assert_eq!(client.read().await.unwrap().status, 200);
    assert_eq!(origin.last().text(), "body");
}

#[tokio::test]
async fn what_the_head_alone_condemns_is_refused_before_a_100() {
    let (origin, proxy) = echo().await;
    let mut client = Client::connect(&proxy).await;
    client.ask("POST", "/a/../b", &[("Content-Length", "4"), ("Expect", "100-continue")]).await;
    let refused = client.read().await.unwrap();
    assert_eq!((refused.status, refused.early), (400, vec![]));
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn trace_and_connect_are_refused() {
    let (origin, proxy) = echo().await;
    let mut client = Client::connect(&proxy).await;
    client.write("CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\n\r\n").await;
    let statuses = [client.read().await.unwrap().status, send(&proxy, "TRACE", "/").await.status];
    for status in statuses {
        assert!([405, 501].contains(&status), "{status}");
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn a_websocket_is_tunnelled() {
    let origin = Origin::always(Reply::tunnel("websocket")).await;
    let proxy = Proxy::before(&origin).await;
    let mut client = Client::connect(&proxy).await;
    let fields =
        [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    client.ask("GET", "/chat", &fields).await;
    let switched = client.read().await.unwrap();
    assert_eq!((switched.status, switched.header("upgrade")), (101, Some("websocket")));
    for message in ["ping", "pong"] {
        client.write(message).await;
        assert_eq!(client.read_bytes(4).await, message.as_bytes(), "both ways");
    }
    assert_eq!(origin.last().header("sec-websocket-version"), Some("13"));
    client.reset();
    origin.until_closed(1).await;
}

#[tokio::test]
async fn a_websocket_that_the_origin_declines_is_an_ordinary_answer() {
    let origin = Origin::always(Reply::status(403).body("no")).await;
    let proxy = Proxy::before(&origin).await;
    let ask = get(&proxy, "/").header("Connection", "upgrade").header("Upgrade", "websocket");
    let answer = ask.await;
    assert_eq!((answer.status, answer.text()), (403, "no"));
}

#[tokio::test]
async fn no_other_upgrade_is_passed_on() {
    let upgrades = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c")];
    let seen = forwarded("", &upgrades).await;
    assert_eq!((seen.header("upgrade"), seen.header("http2-settings")), (None, None));
}

#[tokio::test]
async fn max_forwards_is_counted_down_and_ends_here() {
    let origin = Origin::always(Reply::status(204)).await;
    let proxy = Proxy::before(&origin).await;
    let answer = send(&proxy, "OPTIONS", "/").header("Max-Forwards", "0").await;
    assert_eq!((answer.status, origin.requests()), (204, 0), "RFC 9110 §7.6.2");
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET")));
    send(&proxy, "OPTIONS", "/").header("Max-Forwards", "3").await;
    assert_eq!(origin.last().header("max-forwards"), Some("2"));
}
