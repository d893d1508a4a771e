//! Requests that must not share an answer, and answers that must not be mixed up.

use crate::support::{Client, H2, Origin, Proxy, Reply, get, send};

#[tokio::test]
async fn no_two_targets_are_one() {
    let origin = Origin::serve(|seen| {
        Reply::fresh(60, format!("{} {}", seen.header("host").unwrap(), seen.target))
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let targets = [
        "/",
        "/?",
        "/?a",
        "/?a=",
        "/?a&",
        "/?&a",
        "/%3fa",
        "/a",
        "/a/",
        "//a",
        "/A",
        "/%61",
        "/a%2f",
        "/a;b",
        "/a;",
        "/a%3bb",
        "/a\\",
        "/a%5c",
        "/a?b?c",
        "/a?b%3fc",
        "/a%20",
        "/a+",
        "/a?b=1&b=2",
        "/a?b=2&b=1",
        "/a?%62=1",
        "/?http://api.test/a",
        "/%2561",
    ];
    for host in ["api.test", "api.test:8080", "evil.test", "api.test.evil"] {
        for target in targets {
            let answer = get(&proxy, target).host(host).await;
            assert_eq!(answer.text(), format!("{host} {target}"));
            assert!(!answer.is_hit(), "{host} {target}");
        }
    }
}

#[tokio::test]
async fn spellings_of_one_host_are_one() {
    let origin = Origin::serve(|seen| Reply::fresh(60, seen.headers("host").concat())).await;
    let config = "[[routes]]\nmatch = { host = \"api.test\", path = \"/private/**\" }\n\
                  upstream = \"{origin}\"\ncache = { mode = \"off\" }\n";
    let proxy = Proxy::with(&origin, config).await;
    get(&proxy, "/").await;
    for host in
        ["API.TEST", "api.test:80", "api.test:080", "api.test:", "api.test.", "Api.Test.:80"]
    {
        let answer = get(&proxy, "/").host(host).await;
        assert_eq!((answer.text(), answer.is_hit()), ("api.test", true), "{host}");
        let routed = get(&proxy, "/private/x").host(host).await;
        assert_eq!(routed.cache_status().fwd(), "bypass", "{host} takes the host's own route");
    }
    let mut client = Client::connect(&proxy).await;
    client.write("GET http://API.test:80/ HTTP/1.1\r\nHost: api.test.\r\n\r\n").await;
    assert!(client.read().await.unwrap().is_hit(), "the absolute form names the same");
}

#[tokio::test]
async fn cookies_that_http_2_splits_choose_by_what_the_origin_sees() {
    let origin = Origin::serve(|seen| {
        Reply::fresh(60, seen.headers("cookie").join(" | ")).header("Vary", "Cookie")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let attack = get(&proxy, "/").header("Cookie", "a=1, b=2").await;
    assert_eq!(attack.text(), "a=1, b=2");
    let h2 = H2::connect(&proxy).await;
    let victim = h2.get("/", &[("cookie", "a=1"), ("cookie", "b=2")]).await.unwrap();
    assert_eq!(victim.text(), "a=1; b=2", "not what the attacker was told");
    assert!(get(&proxy, "/").header("Cookie", "a=1; b=2").await.is_hit(), "it is the same");
}

#[tokio::test]
async fn credentials_are_isolated_whole() {
    let origin =
        Origin::serve(|seen| Reply::fresh(60, seen.headers("authorization").join(" | "))).await;
    let config = "[cache]\nauthorization = \"isolate\"\n";
    let proxy = Proxy::with(&origin, config).await;
    let two = get(&proxy, "/").header("Authorization", "a").header("Authorization", "b").await;
    let one = get(&proxy, "/").header("Authorization", "a").await;
    assert!(!one.text().contains('b'), "{} is not {}", one.text(), two.text());
    assert_eq!(get(&proxy, "/").await.text(), "", "nobody is not somebody");
}

#[tokio::test]
async fn a_variant_is_chosen_by_all_its_fields() {
    let origin = Origin::serve(|seen| {
        let all = ["x-a", "x-b"].map(|name| seen.headers(name).join("+")).join("|");
        Reply::fresh(60, all).header("Vary", "X-A, X-B")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    for (a, b) in [("1", "2"), ("12", ""), ("", "12"), ("2", "1"), ("1|2", ""), ("x-b", "1")] {
        let answer = get(&proxy, "/").header("X-A", a).header("X-B", b).await;
        assert_eq!(answer.text(), format!("{a}|{b}"));
        assert!(!answer.is_hit());
    }
}

#[tokio::test]
async fn many_ranges_are_no_bomb() {
    let origin = Origin::always(Reply::fresh(60, "0123456789")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let overlapping = format!("bytes={}", vec!["0-"; 5000].join(","));
    let one_by_one: Vec<String> = (0..17).map(|at| format!("{at}-{at}")).collect();
    let too_many = format!("bytes={}", one_by_one.join(","));
    let most = format!("bytes={}", one_by_one[..16].join(","));
    for range in [
        &*overlapping,
        &*too_many,
        "bytes=-0,0-0",
        "bytes=9-0",
        "bytes=0-18446744073709551616",
        "bytes=18446744073709551615-",
        "bytes=-18446744073709551615",
        "bytes = 0-1",
        "bytes=+1-2",
        "bytes=",
        "lines=0-1",
    ] {
        let answer = get(&proxy, "/").header("Range", range).await;
        let range = &range[..range.len().min(40)];
        assert!(answer.body.len() <= 10, "{range}");
        assert!([200, 206, 416].contains(&answer.status), "{range}: {}", answer.status);
    }
    for (range, parts) in [("bytes=0-0,1-1", 2), (&*most, 10)] {
        let answer = get(&proxy, "/").header("Range", range).await;
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.body.len() < 128 * (parts + 1), "{range}: {}", answer.body.len());
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_method_is_what_it_says() {
    let origin = Origin::serve(|seen| Reply::fresh(60, seen.method)).await;
    let proxy = Proxy::before(&origin).await;
    for method in ["get", "Get", "GETX", "HEADX", "purge", "PROPFIND"] {
        assert_eq!(send(&proxy, method, "/").await.text(), method);
        assert_eq!(get(&proxy, "/").await.text(), "GET", "{method} stores nothing for GET");
    }
}
