//! The cases: what is asked, what the origin says, what Larder is to say of it.

use crate::support::{Reply, Seen};

/// What a client asks for: method, path, fields, and a body where that is not empty.
pub(crate) type Asked =
    (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

/// Requests, seconds apart, of which the last one counts.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) why: &'static str,
    pub(crate) config: &'static str,
    pub(crate) origin: fn(Seen) -> Reply,
    pub(crate) before: &'static [(Asked, u64)],
    pub(crate) asked: Asked,
    /// Cache-Status, as it is written.
    pub(crate) told: &'static str,
    /// Of the log's line: `cache`, `reason`, `miss`, and `field`; empty where there is none.
    pub(crate) logged: [&'static str; 4],
}

const GET: Asked = ("GET", "/", &[], "");
const GERMAN: Asked = ("GET", "/", &[("Accept-Language", "de")], "");
const ENGLISH: Asked = ("GET", "/", &[("Accept-Language", "en")], "");
pub(crate) const HALF: Asked = ("GET", "/", &[("Range", "bytes=0-4")], "");
const REST: Asked = ("GET", "/", &[("Range", "bytes=5-9")], "");
const ALICE: Asked = ("GET", "/", &[("Authorization", "Bearer alice")], "");
const BOB: Asked = ("GET", "/", &[("Authorization", "Bearer bob")], "");
const COOKIE: Asked = ("GET", "/", &[("Cookie", "a=1")], "");

const PLAIN: Case = Case {
    why: "",
    config: "",
    origin: |_| Reply::fresh(60, "0123456789"),
    before: &[],
    asked: GET,
    told: "",
    logged: ["", "", "", ""],
};

/// A body under these fields.
fn with(fields: &[(&str, &str)]) -> Reply {
    fields.iter().fold(Reply::ok("0123456789"), |reply, (name, value)| reply.header(name, *value))
}

pub(crate) fn ranged(seen: &Seen) -> Reply {
    let part = |range: &str, body: &'static str| {
        Reply::status(206).header("Content-Range", format!("bytes {range}/10")).body(body)
    };
    let reply = match seen.header("range") {
        Some("bytes=0-4") => part("0-4", "01234"),
        Some("bytes=5-9" | "bytes=5-") => part("5-9", "56789"),
        _ => Reply::ok("0123456789"),
    };
    reply.header("Cache-Control", "max-age=60").header("ETag", "\"v1\"")
}

pub(crate) const MISSED: &[Case] = &[
    Case {
        why: "nothing was ever there",
        told: "larder; fwd=uri-miss; stored; ttl=60; detail=cold",
        logged: ["uri-miss", "cold", "", ""],
        ..PLAIN
    },
    Case {
        why: "a hit needs no reason",
        before: &[(GET, 20)],
        told: "larder; hit; ttl=40",
        logged: ["hit", "", "", ""],
        ..PLAIN
    },
    Case {
        why: "without a validator it is past all use with its freshness",
        before: &[(GET, 61)],
        told: "larder; fwd=uri-miss; stored; ttl=60; detail=expired",
        logged: ["uri-miss", "expired", "", ""],
        ..PLAIN
    },
    Case {
        why: "with one it is stale, which fwd says",
        origin: |_| Reply::fresh(60, "x").header("ETag", "\"v1\""),
        before: &[(GET, 61)],
        told: "larder; fwd=stale; stored; ttl=60",
        logged: ["stale", "", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9111 §4.4",
        before: &[(GET, 0), (("POST", "/", &[], "x"), 0)],
        told: "larder; fwd=uri-miss; stored; ttl=60; detail=invalidated",
        logged: ["uri-miss", "invalidated", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9875: by a group that it shares with what a POST changed",
        origin: |_| with(&[("Cache-Control", "max-age=60"), ("Cache-Groups", "\"g\"")]),
        before: &[(GET, 0), (("GET", "/other", &[], ""), 0), (("POST", "/other", &[], "x"), 0)],
        told: "larder; fwd=uri-miss; stored; ttl=60; detail=invalidated",
        logged: ["uri-miss", "invalidated", "", ""],
        ..PLAIN
    },
    Case {
        why: "what comes back after an invalidation is no longer invalidated",
        before: &[(GET, 0), (("POST", "/", &[], "x"), 0), (GET, 61)],
        told: "larder; fwd=uri-miss; stored; ttl=60; detail=expired",
        logged: ["uri-miss", "expired", "", ""],
        ..PLAIN
    },
];

fn by_language(_: Seen) -> Reply {
    with(&[("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")])
}

fn by_two(_: Seen) -> Reply {
    with(&[("Cache-Control", "max-age=60"), ("Vary", "Accept-Language, Accept")])
}

pub(crate) const VARIANTS: &[Case] = &[
    Case {
        why: "RFC 9111 §4.1",
        origin: by_language,
        before: &[(GERMAN, 0)],
        asked: ENGLISH,
        told: "larder; fwd=vary-miss; stored; ttl=60; detail=variant:accept-language",
        logged: ["vary-miss", "variant", "", "accept-language"],
        ..PLAIN
    },
    Case {
        why: "the one that differs in the fewest fields is the nearest",
        origin: by_two,
        before: &[
            (("GET", "/", &[("Accept", "a/a"), ("Accept-Language", "en")], ""), 0),
            (("GET", "/", &[("Accept", "b/b"), ("Accept-Language", "de")], ""), 0),
        ],
        asked: ("GET", "/", &[("Accept", "a/a"), ("Accept-Language", "fr")], ""),
        told: "larder; fwd=vary-miss; stored; ttl=60; detail=variant:accept-language",
        logged: ["vary-miss", "variant", "", "accept-language"],
        ..PLAIN
    },
    Case {
        why: "the first by name of the fields that differ",
        origin: by_two,
        before: &[(("GET", "/", &[("Accept", "a/a"), ("Accept-Language", "en")], ""), 0)],
        told: "larder; fwd=vary-miss; stored; ttl=60; detail=variant:accept",
        logged: ["vary-miss", "variant", "", "accept"],
        ..PLAIN
    },
    Case {
        why: "the very variant was there",
        origin: by_language,
        before: &[(GERMAN, 61)],
        asked: GERMAN,
        told: "larder; fwd=vary-miss; stored; ttl=60; detail=expired",
        logged: ["vary-miss", "expired", "", ""],
        ..PLAIN
    },
    Case {
        why: "a validation does not forget what selected the variant",
        origin: |seen| match seen.header("if-none-match") {
            Some(_) => Reply::status(304).header("ETag", "\"v1\""),
            None => with(&[
                ("Cache-Control", "max-age=60"),
                ("Vary", "Accept-Language"),
                ("ETag", "\"v1\""),
            ]),
        },
        before: &[(GERMAN, 61), (GERMAN, 0)],
        asked: ENGLISH,
        told: "larder; fwd=vary-miss; fwd-status=304; stored; ttl=60; \
                   detail=variant:accept-language",
        logged: ["vary-miss", "variant", "", "accept-language"],
        ..PLAIN
    },
    Case {
        why: "each credential has variants of its own, which are not listed",
        config: "[cache]\nauthorization = \"isolate\"",
        before: &[(ALICE, 0)],
        asked: BOB,
        told: "larder; fwd=vary-miss; stored; ttl=60; detail=variant:authorization",
        logged: ["vary-miss", "variant", "", "authorization"],
        ..PLAIN
    },
    Case {
        why: "not found and not stored: the log has both",
        origin: |seen| match seen.number {
            1 => with(&[("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")]),
            _ => with(&[("Cache-Control", "no-store")]),
        },
        before: &[(GERMAN, 0)],
        asked: ENGLISH,
        told: "larder; fwd=vary-miss; detail=no-store",
        logged: ["vary-miss", "no-store", "variant", "accept-language"],
        ..PLAIN
    },
];

pub(crate) const PARTS: &[Case] = &[
    Case {
        why: "RFC 9111 §3.3",
        origin: |seen| ranged(&seen),
        asked: HALF,
        told: "larder; fwd=uri-miss; stored; ttl=60; detail=cold",
        logged: ["uri-miss", "cold", "", ""],
        ..PLAIN
    },
    Case {
        why: "another part is there",
        origin: |seen| ranged(&seen),
        before: &[(HALF, 0)],
        asked: REST,
        told: "larder; fwd=partial; stored; ttl=60; detail=part-only",
        logged: ["partial", "part-only", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9111 §3.4",
        origin: |seen| ranged(&seen),
        before: &[(HALF, 0)],
        told: "larder; fwd=partial; fwd-status=206; stored; ttl=60; detail=part-only",
        logged: ["partial", "part-only", "", ""],
        ..PLAIN
    },
    Case {
        why: "a part is not stored for what the whole would not be",
        origin: |seen| ranged(&seen).header("Cache-Control", "private"),
        asked: HALF,
        told: "larder; fwd=uri-miss; detail=private",
        logged: ["uri-miss", "private", "cold", ""],
        ..PLAIN
    },
    Case {
        why: "a 206 that does not say which part it is",
        origin: |_| Reply::status(206).header("Cache-Control", "max-age=60").body("01234"),
        asked: HALF,
        told: "larder; fwd=uri-miss; detail=partial",
        logged: ["uri-miss", "partial", "cold", ""],
        ..PLAIN
    },
];

/// A response that is not stored, for the reason that `told` ends with.
fn case(told: &'static str, origin: fn(Seen) -> Reply) -> Case {
    let reason = told.rsplit_once('=').map_or("", |(_, reason)| reason);
    Case { why: reason, origin, told, logged: ["uri-miss", reason, "cold", ""], ..PLAIN }
}

pub(crate) fn responses() -> Vec<Case> {
    vec![
        case("larder; fwd=uri-miss; detail=no-store", |_| with(&[("Cache-Control", "no-store")])),
        case("larder; fwd=uri-miss; detail=private", |_| {
            with(&[("Cache-Control", "private, max-age=60")])
        }),
        case("larder; fwd=uri-miss; detail=set-cookie", |_| {
            with(&[("Cache-Control", "max-age=60"), ("Set-Cookie", "a=1")])
        }),
        case("larder; fwd=uri-miss; detail=vary-star", |_| {
            with(&[("Cache-Control", "max-age=60"), ("Vary", "*")])
        }),
        case("larder; fwd=uri-miss; detail=connection", |_| {
            with(&[("Cache-Control", "max-age=60"), ("Connection", "Cache-Control")])
        }),
        case("larder; fwd=uri-miss; detail=no-freshness", |_| with(&[])),
        Case {
            config: "[cache]\nmax_object_size = \"1KiB\"",
            ..case("larder; fwd=uri-miss; detail=too-large", |_| Reply::fresh(60, "x".repeat(1025)))
        },
        Case {
            asked: ALICE,
            ..case("larder; fwd=uri-miss; detail=authorization", |_| Reply::fresh(60, "x"))
        },
        Case {
            config: "[cache]\nttl = \"30s\"",
            asked: COOKIE,
            ..case("larder; fwd=uri-miss; detail=cookie", |_| Reply::ok("x"))
        },
        Case {
            asked: ("GET", "/", &[("TE", "trailers"), ("Connection", "TE")], ""),
            ..case("larder; fwd=uri-miss; detail=trailers", |_| {
                Reply::fresh(60, "x").header("Trailer", "X-Sum").chunked()
            })
        },
        Case {
            asked: ("HEAD", "/", &[], ""),
            ..case("larder; fwd=uri-miss; detail=method", |_| Reply::fresh(60, "x"))
        },
    ]
}

pub(crate) const REQUESTS: &[Case] = &[
    Case {
        why: "RFC 9111 §5.2.1.5",
        asked: ("GET", "/", &[("Cache-Control", "no-store")], ""),
        told: "larder; fwd=request; detail=request-no-store",
        logged: ["request", "request-no-store", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9111 §4.3.2: the origin alone judges it",
        asked: ("GET", "/", &[("If-Match", "\"a\"")], ""),
        told: "larder; fwd=request; detail=precondition",
        logged: ["request", "precondition", "", ""],
        ..PLAIN
    },
    Case {
        why: "an upload is the method's own reason",
        asked: ("PUT", "/", &[], "x"),
        told: "larder; fwd=method",
        logged: ["method", "", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9110 §9.3.3: located at its target, but without freshness",
        origin: |_| with(&[("Content-Location", "/")]),
        asked: ("POST", "/", &[], "x"),
        told: "larder; fwd=method; detail=no-freshness",
        logged: ["method", "no-freshness", "", ""],
        ..PLAIN
    },
    Case {
        why: "what is stored is ours to share, but not with this client",
        config: "[cache]\nttl = \"30s\"",
        origin: |seen| match seen.number {
            1 => Reply::ok("x"),
            _ => Reply::fresh(60, "x"),
        },
        before: &[(GET, 0)],
        asked: COOKIE,
        told: "larder; fwd=request; detail=cookie",
        logged: ["request", "cookie", "", ""],
    },
];

pub(crate) const ELSEWHERE: &[Case] = &[
    Case {
        why: "the operator's word",
        config: "[cache]\nmode = \"off\"",
        told: "larder; fwd=bypass; detail=cache-off",
        logged: ["bypass", "cache-off", "", ""],
        ..PLAIN
    },
    Case {
        why: "the operator's word for credentials",
        config: "[cache]\nauthorization = \"bypass\"",
        asked: ALICE,
        told: "larder; fwd=bypass; detail=authorization-bypass",
        logged: ["bypass", "authorization-bypass", "", ""],
        ..PLAIN
    },
    Case {
        why: "a GET with content",
        asked: ("GET", "/", &[], "x"),
        told: "larder; fwd=bypass; detail=content",
        logged: ["bypass", "content", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9111 §4.1: the origin may take it for a field that selects",
        asked: ("GET", "/", &[("X_Tenant", "a")], ""),
        told: "larder; fwd=bypass; detail=underscore",
        logged: ["bypass", "underscore", "", ""],
        ..PLAIN
    },
    Case {
        why: "another protocol",
        asked: ("GET", "/", &[("Upgrade", "websocket"), ("Connection", "upgrade")], ""),
        told: "larder; fwd=bypass; detail=upgrade",
        logged: ["bypass", "upgrade", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9111 §5.2.1.7",
        asked: ("GET", "/", &[("Cache-Control", "only-if-cached")], ""),
        told: "larder; detail=only-if-cached",
        logged: ["refused", "only-if-cached", "", ""],
        ..PLAIN
    },
    Case {
        why: "not let in",
        asked: ("GET", "/a/../b", &[], ""),
        told: "larder; detail=dot-segment",
        logged: ["refused", "dot-segment", "", ""],
        ..PLAIN
    },
    Case {
        why: "no method that is served",
        asked: ("TRACE", "/", &[], ""),
        told: "larder; detail=method-not-allowed",
        logged: ["refused", "method-not-allowed", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 9110 §13.2.2, by a tag of ours",
        asked: ("GET", "/", &[("If-Match", "\"larder-0f\"")], ""),
        told: "larder; detail=precondition-failed",
        logged: ["refused", "precondition-failed", "", ""],
        ..PLAIN
    },
    Case {
        why: "the upstream is no HTTP server",
        origin: |_| Reply::raw("SSH-2.0-x\r\n"),
        told: "larder; fwd=uri-miss; detail=bad-response",
        logged: ["uri-miss", "bad-response", "cold", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 5861 §4",
        origin: |seen| match seen.number {
            1 => with(&[("Cache-Control", "max-age=10, stale-if-error=60")]),
            _ => Reply::status(503),
        },
        before: &[(GET, 15)],
        told: "larder; fwd=stale; fwd-status=503; ttl=-5; detail=stale-if-error",
        logged: ["stale", "stale-if-error", "", ""],
        ..PLAIN
    },
    Case {
        why: "RFC 5861 §3",
        origin: |_| with(&[("Cache-Control", "max-age=10, stale-while-revalidate=60")]),
        before: &[(GET, 15)],
        told: "larder; hit; ttl=-5; detail=stale-while-revalidate",
        logged: ["hit", "stale-while-revalidate", "", ""],
        ..PLAIN
    },
];
