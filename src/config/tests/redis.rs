//! `[cache.redis]`.

use std::time::Duration;

use super::*;
use crate::config::{
    Secret,
    redis::{Place, Url},
};

fn redis(text: &str) -> Redis {
    with(&format!("[cache.redis]\n{text}")).unwrap().redis.expect("a url is written")
}

#[test]
fn a_url_is_enough() {
    assert_eq!(with("").unwrap().redis, None, "no url, no Redis");
    let url = Url {
        place: Place::Tcp { host: "r.internal".to_owned(), port: 6379 },
        user: None,
        password: None,
        database: 0,
    };
    assert_eq!(redis("url = 'redis://R.internal'"), Redis::new(url));
}

#[test]
fn a_url_says_where_and_as_whom() {
    let tcp = |host: &str, port| Place::Tcp { host: host.to_owned(), port };
    let unix = |path: &str| Place::Unix(PathBuf::from(path));
    let tls = Place::Tls { host: "r".to_owned(), port: 6379 };
    for (text, place, user, password, database) in [
        ("redis://r:6380/3", tcp("r", 6380), None, None, 3),
        ("redis://[::1]/", tcp("::1", 6379), None, None, 0),
        ("redis://:p@r", tcp("r", 6379), None, Some("p"), 0),
        ("rediss://u:p%40%2f%25:@r", tls, Some("u"), Some("p@/%:"), 0),
        ("unix:/run/r.sock", unix("/run/r.sock"), None, None, 0),
        ("redis+unix:///r?db=2&user=u&pass=%c3%a9", unix("/r"), Some("u"), Some("é"), 2),
    ] {
        let (user, password) = (user.map(str::to_owned), password.map(Secret::new));
        let expected = Url { place, user, password, database };
        assert_eq!(text.parse::<Url>(), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_and_what_is_secret_is_not() {
    let config = redis("url = 'redis://u:hush-hush@r'\nsecret = '0123456789-hush-hush'");
    let shown = format!("{config:?} {}", config.url);
    assert!(!shown.contains("hush"), "{shown}");
    let path = "write redis://host:6379, rediss://host:6379 (TLS) or unix:/path";
    let no_place = format!("p:4: cache.redis.url: is no place of a Redis: {path}");
    for (text, expected) in [
        ("url = 'http://r'", &*no_place),
        (
            "url = 'redis://r/x'",
            "p:4: cache.redis.url: has no database of that name: write a number \
             up to 65535 after the host",
        ),
        (
            "url = 'redis://u@r'",
            "p:4: cache.redis.url: has a name before @ and no password: write \
             user:password@, or :password@ for the default user",
        ),
        (
            "url = 'redis://:%4x@r'",
            "p:4: cache.redis.url: has a % in user or password that encodes \
             nothing: write it as %25",
        ),
        (
            "url = 'unix:/r?x=1'",
            "p:4: cache.redis.url: has a parameter that is not known: db, user \
             and pass are",
        ),
        (
            "url = 'redis://r'\nca = 'a.pem'",
            "p:5: cache.redis.ca: is for TLS alone: remove it, or write a rediss:// URL",
        ),
        (
            "url = 'redis://r'\nsecret = 'short'",
            "p:5: cache.redis.secret: is too short: write at least 16 characters",
        ),
        (
            "url = 'redis://r'\nprefix = 'a{b}'",
            "p:5: cache.redis.prefix: \"a{b}\" is no prefix: write up to 64 letters, digits, _ - . \
             or :",
        ),
        (
            "timeout = '1s'",
            "p:4: cache.redis.timeout: is of no use without a url: add one, as in \
             url = \"redis://localhost:6379\"",
        ),
    ] {
        let text = format!("[cache.redis]\n{text}");
        problems(&[(&text, &[expected])]);
    }
}

#[test]
fn it_is_the_whole_process_that_has_one() {
    let text = "[[routes]]\nmatch = { path = '/a' }\ncache = { redis = { url = 'redis://r' } }";
    let found = with(text).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("redis"), "{found:?}");
}

#[test]
fn its_numbers_are_within_reason() {
    let config = redis(
        "url = 'redis://r'\ntimeout = '20ms'\nmax_object_size = '2MiB'\nmax_blind = '5s'\nprefix = 'x'",
    );
    assert_eq!((config.timeout, config.max_object_size), (Duration::from_millis(20), 2 << 20));
    assert_eq!((config.max_blind, &*config.prefix), (Duration::from_secs(5), "x"));
    assert!(with("[cache.redis]\nurl = 'redis://r'\nmax_object_size = '17MiB'").is_err());
}
