//! What may happen in a sequence: what clients ask, how the origin answers, how time goes.

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any},
    prop_oneof,
    sample::select,
};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Requests at the same time.
    Ask(Vec<Ask>),
    /// Both clocks go on, by milliseconds.
    Step(u64),
    /// The wall clock is set, seconds from noon.
    Wall(i64),
}

/// A request, as words that the world fills in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) path: &'static str,
    pub(super) cache_control: &'static str,
    /// Accept, Accept-Language.
    pub(super) selecting: (&'static str, &'static str),
    /// Authorization, Cookie.
    pub(super) identity: (&'static str, &'static str),
    pub(super) condition: &'static str,
    pub(super) range: &'static str,
}

/// How the origin answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) status: u16,
    pub(super) cache_control: &'static str,
    pub(super) expires: &'static str,
    /// Date, Age.
    pub(super) dated: (&'static str, &'static str),
    pub(super) vary: &'static str,
    pub(super) set_cookie: bool,
    pub(super) validator: &'static str,
    /// Another representation than last time.
    pub(super) new: bool,
    pub(super) fate: Fate,
    pub(super) location: &'static str,
    pub(super) chunked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Whole,
    /// Half of the body.
    Torn,
    /// The connection ends without an answer.
    Dropped,
    /// The answer takes so many milliseconds.
    Late(u64),
    /// 304, whatever was asked, with this validator.
    Wrong(&'static str),
}

/// What a route of the proxy says, and the model knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) toml: &'static str,
    pub(super) honor: bool,
    pub(super) ttl: Option<i64>,
    pub(super) override_ttl: Option<i64>,
    pub(super) max_ttl: Option<i64>,
    pub(super) heuristic: Option<i64>,
    pub(super) swr: Option<i64>,
    pub(super) sie: Option<i64>,
    pub(super) isolate: bool,
    pub(super) bypass: bool,
    pub(super) ignore_cookies: bool,
    /// A response with Set-Cookie is refused unless the origin says that it is shared.
    pub(super) refuse: bool,
    pub(super) strip: bool,
}

const PLAIN: Mode = Mode {
    name: "plain",
    toml: "",
    honor: false,
    ttl: None,
    override_ttl: None,
    max_ttl: None,
    heuristic: None,
    swr: None,
    sie: None,
    isolate: false,
    bypass: false,
    ignore_cookies: false,
    refuse: true,
    strip: false,
};

pub(super) const MODES: [Mode; 6] = [
    PLAIN,
    Mode {
        name: "honor",
        toml: "request_cache_control = \"honor\", stale_while_revalidate = \"10s\", \
               stale_if_error = \"20s\"",
        honor: true,
        swr: Some(10),
        sie: Some(20),
        ..PLAIN
    },
    Mode {
        name: "liberal",
        toml: "heuristic = \"10%\", set_cookie = \"rfc\"",
        heuristic: Some(10),
        refuse: false,
        ..PLAIN
    },
    Mode {
        name: "isolate",
        toml: "authorization = \"isolate\", ttl = \"10s\"",
        ttl: Some(10),
        isolate: true,
        ..PLAIN
    },
    Mode {
        name: "strip",
        toml: "cookies = \"ignore\", set_cookie = \"strip\", override_ttl = \"15s\"",
        override_ttl: Some(15),
        ignore_cookies: true,
        refuse: false,
        strip: true,
        ..PLAIN
    },
    Mode {
        name: "bypass",
        toml: "authorization = \"bypass\", max_ttl = \"12s\"",
        max_ttl: Some(12),
        bypass: true,
        ..PLAIN
    },
];

/// One of `common` three times out of four, of `rare` else.
fn mostly<T: Clone + std::fmt::Debug + 'static>(
    common: &'static [T],
    rare: &'static [T],
) -> impl Strategy<Value = T> {
    prop_oneof![3 => select(common), 1 => select(rare)]
}

/// Nothing most of the time, or one of `words`.
fn rarely(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![7 => Just(""), 1 => select(words)]
}

fn ask() -> impl Strategy<Value = Ask> {
    let method = prop_oneof![
        8 => Just("GET"),
        1 => select(&["HEAD", "HEAD", "PUT", "POST", "DELETE", "FROB"][..]),
    ];
    let host = prop_oneof![9 => Just("a.test"), 1 => Just("b.test")];
    let path = mostly(&["x"], &["x?1", "y"]);
    let cache_control = rarely(&[
        "no-cache",
        "max-age=0",
        "max-age=5",
        "min-fresh=5",
        "max-stale",
        "max-stale=8",
        "no-store",
        "only-if-cached",
        "only-if-cached, max-stale=5",
        "stale-if-error=9",
        "foo=\"a, no-store\", Max-Age=\"3\"",
        "pragma",
    ]);
    let selecting =
        (mostly(&["json"], &["", "html"]), mostly(&["en"], &["", "de", "en , de", "en, de"]));
    let identity = (rarely(&["Bearer 1", "Bearer 2"]), rarely(&["sid=1", "sid=2"]));
    let condition = rarely(&[
        "none-match-last",
        "none-match-weak",
        "none-match-other",
        "none-match-star",
        "modified-last",
        "modified-old",
        "match-last",
        "none-match-other, modified-last",
    ]);
    let range = rarely(&[
        "bytes=0-3",
        "bytes=5-",
        "bytes=-4",
        "bytes=900-",
        "bytes=0-1,4-5",
        "items=0-1",
        "if bytes=0-3",
        "ifnot bytes=0-3",
    ]);
    (method, host, path, cache_control, selecting, identity, condition, range).prop_map(
        |(method, host, path, cache_control, selecting, identity, condition, range)| Ask {
            method,
            host,
            path,
            cache_control,
            selecting,
            identity,
            condition,
            range,
        },
    )
}

#[allow(clippy::too_many_lines, reason = "a menu: nothing but words")]
fn manner() -> impl Strategy<Value = Manner> {
    let status = mostly(&[200], &[200, 200, 200, 404, 301, 500, 503, 203, 299, 202]);
    let cache_control = mostly(
        &["max-age=10", "max-age=4", "s-maxage=6, max-age=60", "max-age=20, public", ""],
        &[
            "no-store",
            "private, max-age=10",
            "private=\"x-private\", max-age=10",
            "no-cache, max-age=10",
            "no-cache=\"x-private\", max-age=10",
            "max-age=3, must-revalidate",
            "max-age=3, proxy-revalidate",
            "max-age=3, stale-while-revalidate=8",
            "max-age=3, stale-if-error=8",
            "max-age=5, max-age=15",
            "MAX-AGE=\"7\"",
            "max-age=abc",
            "max-age=-1",
            "max-age=99999999999999",
            "public",
            "no-store, must-understand, max-age=10",
            "must-understand, max-age=10",
            "foo=\"max-age=60, public\", max-age=2",
            "max-age=10\nno-store",
            "max-age=8\ns-maxage=2",
            "s-maxage=0, max-age=10",
        ],
    );
    let expires = rarely(&["+10", "-10", "0", "+10 rfc850", "+10 asctime", "now"]);
    let date = mostly(&["now"], &["now", "now", "", "-5", "+100", "yesterday", "-100000"]);
    let age = rarely(&["0", "3", "abc", "5, 7", "-1", "3\n9", "99999999999"]);
    let vary = mostly(
        &["", "Accept"],
        &["accept-language", "Accept, Accept-Language", "*", "Authorization", "Cookie", ""],
    );
    let validator = mostly(&["strong", "none"], &["weak", "modified", "both"]);
    let fate = mostly(
        &[Fate::Whole],
        &[
            Fate::Whole,
            Fate::Whole,
            Fate::Whole,
            Fate::Whole,
            Fate::Whole,
            Fate::Torn,
            Fate::Dropped,
            Fate::Late(1500),
            Fate::Late(5000),
            Fate::Late(40_000),
            Fate::Wrong("none"),
            Fate::Wrong("current"),
            Fate::Wrong("strong"),
            Fate::Wrong("weak"),
        ],
    );
    let location = mostly(
        &["", "sibling"],
        &["absolute", "other host", "other port", "relative", "content sibling"],
    );
    let first = (status, cache_control, expires, (date, age), vary);
    let second = (prop_oneof![5 => Just(false), 1 => Just(true)], validator, any::<bool>());
    (first, second, fate, location, any::<bool>()).prop_map(
        |(first, second, fate, location, chunked)| {
            let (status, cache_control, expires, dated, vary) = first;
            let (set_cookie, validator, new) = second;
            Manner {
                status,
                cache_control,
                expires,
                dated,
                vary,
                set_cookie,
                validator,
                new,
                fate,
                location,
                chunked,
            }
        },
    )
}

fn act() -> impl Strategy<Value = Act> {
    let steps = &[300, 900, 1000, 2000, 3000, 5000, 9000, 30_000, 4_000_000][..];
    prop_oneof![
        12 => ask().prop_map(|ask| Act::Ask(vec![ask])),
        1 => vec(ask(), 2..4).prop_map(Act::Ask),
        5 => select(steps).prop_map(Act::Step),
        1 => select(&[-100_000, -7, 0, 7, 100_000][..]).prop_map(Act::Wall),
    ]
}

/// A mode, what happens, and how the origin answers, in turn.
pub(super) fn sequence() -> impl Strategy<Value = (usize, Vec<Act>, Vec<Manner>)> {
    (0..MODES.len(), vec(act(), 1..20), vec(manner(), 1..8))
}
