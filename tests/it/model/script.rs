//! What may happen in a sequence: what clients ask, how the origin answers, how time goes.

use proptest::{
    collection::vec,
    prelude::{BoxedStrategy, Just, Strategy, any},
    prop_oneof,
    sample::select,
};

use super::modes::MODES;

/// A mode, what happens, and how the origin answers, in turn.
pub(super) type Sequence = (usize, Vec<Act>, Vec<Manner>);

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// Requests at the same time.
    Ask(Vec<Ask>),
    /// Requests of one client in a batch.
    Batch(Vec<Ask>),
    /// Both clocks go on, by milliseconds.
    Step(u64),
    /// The wall clock is set, seconds from noon.
    Wall(i64),
    /// An operator purges.
    Purge(Purge),
    /// The configuration is read again.
    Reload(Reload),
}

/// What is purged: a kind, and what of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purge {
    pub(super) what: (&'static str, &'static str),
    pub(super) soft: bool,
}

/// What has changed in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reload {
    Nothing,
    /// Who may share what.
    Sharing,
}

/// A request, as words that the world fills in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) method: &'static str,
    /// It has a body.
    pub(super) content: bool,
    pub(super) host: &'static str,
    pub(super) path: &'static str,
    pub(super) cache_control: &'static str,
    /// Accept, Accept-Language.
    pub(super) selecting: (&'static str, &'static str),
    /// Authorization, Cookie.
    pub(super) identity: (&'static str, &'static str),
    pub(super) condition: &'static str,
    pub(super) range: &'static str,
    /// X-Tenant, and another field that an operator looks for.
    pub(super) shown: (&'static str, &'static str),
}

/// How the origin answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) status: u16,
    pub(super) cache_control: &'static str,
    /// RFC 9213: lines of fields.
    pub(super) targeted: &'static str,
    /// RFC 9875: lines of fields.
    pub(super) groups: &'static str,
    pub(super) expires: &'static str,
    /// Date, Age.
    pub(super) dated: (&'static str, &'static str),
    pub(super) vary: &'static str,
    /// What Connection names.
    pub(super) hop: &'static str,
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

/// What a sequence has much of: how many times nothing for each time something.
#[derive(Clone, Copy)]
struct Theme {
    wishes: u32,
    identity: u32,
    condition: u32,
    range: u32,
    changes: u32,
    set_cookie: u32,
    targeted: u32,
    groups: u32,
    /// The words of Cache-Control.
    cache_control: (&'static [&'static str], &'static [&'static str]),
    validators: &'static [&'static str],
}

const ANYTHING: Theme = Theme {
    wishes: 6,
    identity: 6,
    condition: 7,
    range: 7,
    changes: 8,
    set_cookie: 6,
    targeted: 9,
    groups: 7,
    cache_control: (USUAL, UNUSUAL),
    validators: &["strong", "none"],
};

/// Who may have whose answer.
const PERSONAL: Theme = Theme {
    identity: 1,
    wishes: 9,
    condition: 9,
    range: 9,
    changes: 12,
    set_cookie: 2,
    targeted: 5,
    cache_control: (USUAL, SHARING),
    ..ANYTHING
};

/// Ranges, parts and the whole.
const PARTS: Theme = Theme {
    range: 1,
    condition: 9,
    identity: 9,
    wishes: 9,
    changes: 20,
    validators: &["strong", "strong", "both"],
    cache_control: (&["max-age=10", "max-age=20, public", "s-maxage=6, max-age=60"], UNUSUAL),
    ..ANYTHING
};

/// What unsafe methods and HEAD do to what is stored.
const CHANGES: Theme = Theme {
    changes: 2,
    groups: 1,
    range: 12,
    condition: 3,
    cache_control: (&["max-age=20, public", "max-age=60", "max-age=10"], USUAL),
    ..ANYTHING
};

const USUAL: &[&str] =
    &["max-age=10", "max-age=4", "s-maxage=6, max-age=60", "max-age=20, public", ""];

const UNUSUAL: &[&str] = &[
    "no-store",
    "private, max-age=10",
    "private=\"x-private\", max-age=10",
    "private=\"Set-Cookie\", max-age=10",
    "no-cache, max-age=10",
    "no-cache=\"x-private\", max-age=10",
    "no-cache=\"set-cookie\", max-age=10",
    "max-age=3, must-revalidate",
    "max-age=3, proxy-revalidate",
    "max-age=3, stale-while-revalidate=8",
    "max-age=3, stale-if-error=8",
    "max-age=3, stale-if-error=8, must-revalidate",
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
];

const SHARING: &[&str] = &[
    "public, max-age=10",
    "s-maxage=10",
    "must-revalidate, max-age=10",
    "must-revalidate=0, max-age=10",
    "max-age=10, public=\"x\"",
    "private, max-age=10",
    "Private , max-age=10, public",
    "private=\"x-private\", max-age=10",
    "private=\"x-private, set-cookie\", max-age=10, public",
    "no-store, max-age=10",
    "no-store, public, s-maxage=10",
    "no-cache, public, max-age=10",
    "foo=\"public\", max-age=10",
    "proxy-revalidate, max-age=10",
    "public",
    "",
];

const TARGETED: &[&str] = &[
    "Larder-Cache-Control: max-age=12",
    "CDN-Cache-Control: max-age=9",
    "Larder-Cache-Control: max-age=2, stale-while-revalidate=6\nCDN-Cache-Control: no-store",
    "Larder-Cache-Control: no-store\nCDN-Cache-Control: max-age=30",
    "CDN-Cache-Control: private",
    "CDN-Cache-Control: private=\"x-private\", max-age=10",
    "CDN-Cache-Control: no-cache, max-age=10",
    "CDN-Cache-Control: max-age=\"10\"",
    "CDN-Cache-Control: max-age=10.5, s-maxage=4",
    "Larder-Cache-Control: max-age=10, &\nCDN-Cache-Control: max-age=3",
    "Larder-Cache-Control: Max-Age=30",
    "Larder-Cache-Control: max-age=30, no-store;",
    "CDN-Cache-Control: max-age=10;a=b",
    "CDN-Cache-Control: max-age=10;a=\"no-store, private\"",
    "Larder-Cache-Control: max-age=10, public",
    "CDN-Cache-Control: max-age=30, max-age=4",
    "CDN-Cache-Control: no-store=?0, max-age=9",
    "CDN-Cache-Control: max-age=10\nCDN-Cache-Control: no-store",
    "CDN-Cache-Control: must-revalidate, max-age=2",
    "CDN-Cache-Control: must-revalidate=1, max-age=9",
    "CDN-Cache-Control: max-age=-1",
    "CDN-Cache-Control: x=(1 \"a, no-store\" b), max-age=6",
    "CDN-Cache-Control: max-age=6,",
    "CDN-Cache-Control: public=?0, max-age=10",
];

const GROUPS: &[&str] = &[
    "Cache-Groups: \"g\"",
    "Cache-Groups: \"g\", \"h\"",
    "Cache-Groups: \"h\"\nCache-Groups: \"i\";x=1",
    "Cache-Groups: \"G\"",
    "Cache-Groups: \"g\", oops(",
    "Cache-Group-Invalidation: \"g\"",
    "Cache-Group-Invalidation: \"h\", \"x\"",
    "Cache-Group-Invalidation: \"i\";y",
    "Cache-Group-Invalidation: g",
    "Cache-Groups: \"g\"\nCache-Group-Invalidation: \"h\"",
    "Cache-Groups: \"h\"\nCache-Group-Invalidation: \"g\"",
    "Cache-Tag: t, g\nCache-Groups: \"h\"",
    "Surrogate-Key: t\tg u",
];

/// One of `common` three times out of four, of `rare` else.
fn mostly<T: Clone + std::fmt::Debug + 'static>(
    common: &'static [T],
    rare: &'static [T],
) -> impl Strategy<Value = T> {
    prop_oneof![3 => select(common), 1 => select(rare)]
}

/// Nothing so many times for each time one of `words`.
fn rarely(
    nothing: u32,
    words: &'static [&'static str],
) -> impl Strategy<Value = &'static str> + use<> {
    prop_oneof![nothing => Just(""), 1 => select(words)]
}

#[allow(clippy::too_many_lines, reason = "a menu: nothing but words")]
fn ask(theme: Theme) -> impl Strategy<Value = Ask> + use<> {
    let method = prop_oneof![
        theme.changes => Just("GET"),
        1 => select(&["HEAD", "HEAD", "PUT", "POST", "POST", "DELETE", "FROB"][..]),
    ];
    let content = prop_oneof![24 => Just(false), 1 => Just(true)];
    let host = prop_oneof![9 => Just("a.test"), 1 => Just("b.test")];
    let path = mostly(&["x"], &["x?1", "y"]);
    let cache_control = rarely(
        theme.wishes,
        &[
            "no-cache",
            "max-age=0",
            "max-age=5",
            "min-fresh=5",
            "max-stale",
            "max-stale=8",
            "no-store",
            "no-store",
            "only-if-cached",
            "only-if-cached, max-stale=5",
            "stale-if-error=9",
            "foo=\"a, no-store\", Max-Age=\"3\"",
            "pragma",
        ],
    );
    let selecting =
        (mostly(&["json"], &["", "html"]), mostly(&["en"], &["", "de", "en , de", "en, de"]));
    let identity = (
        rarely(theme.identity, &["Bearer 1", "Bearer 2"]),
        rarely(
            theme.identity,
            &["sid=1", "sid=2", "lang=de", "lang=en", "sid=1; lang=de", "lang=de; sid=2"],
        ),
    );
    let condition = rarely(
        theme.condition,
        &[
            "none-match-last",
            "none-match-weak",
            "none-match-other",
            "none-match-star",
            "modified-last",
            "modified-old",
            "match-last",
            "match-last",
            "none-match-other, modified-last",
        ],
    );
    let range = rarely(
        theme.range,
        &[
            "bytes=0-3",
            "bytes=4-7",
            "bytes=5-",
            "bytes=-4",
            "bytes=0-",
            "bytes=900-",
            "bytes=0-1,4-5",
            "bytes=6-7, 0-1",
            "bytes=0-1,900-",
            "bytes=0-5,4-6",
            "bytes=800-,900-",
            "items=0-1",
            "if bytes=0-3",
            "if bytes=4-",
            "ifnot bytes=0-3",
            "if-date bytes=0-3",
        ],
    );
    let shown = (
        rarely(theme.identity, &["t1", "t1", "t2", "T1", "t1,t2"]),
        rarely(theme.wishes, &["X-Preview", "X-Probe"]),
    );
    let first = (method, content, host, path, cache_control);
    (first, selecting, identity, condition, (range, shown)).prop_map(
        |(first, selecting, identity, condition, (range, shown))| {
            let (method, content, host, path, cache_control) = first;
            Ask {
                method,
                content,
                host,
                path,
                cache_control,
                selecting,
                identity,
                condition,
                range,
                shown,
            }
        },
    )
}

#[allow(clippy::too_many_lines, reason = "a menu: nothing but words")]
fn manner(theme: Theme) -> impl Strategy<Value = Manner> + use<> {
    let status = mostly(&[200], &[200, 200, 200, 404, 301, 500, 503, 203, 299, 202]);
    let cache_control = mostly(theme.cache_control.0, theme.cache_control.1);
    let expires = rarely(7, &["+10", "-10", "0", "+10 rfc850", "+10 asctime", "now"]);
    let date = mostly(&["now"], &["now", "now", "", "-5", "+100", "yesterday", "-100000"]);
    let age = rarely(7, &["0", "3", "abc", "5, 7", "-1", "3\n9", "99999999999"]);
    let vary = mostly(
        &["", "Accept"],
        &["accept-language", "Accept, Accept-Language", "*", "Authorization", "Cookie", ""],
    );
    let hop =
        rarely(6, &["Vary", "vary, Cache-Control", "expires, Set-Cookie", "CDN-Cache-Control"]);
    let set_cookie = prop_oneof![theme.set_cookie => Just(false), 1 => Just(true)];
    let validator = mostly(theme.validators, &["weak", "modified", "both"]);
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
        &["", "sibling", "content target"],
        &["absolute", "other host", "other port", "relative", "content sibling"],
    );
    let targeted = rarely(theme.targeted, TARGETED);
    let groups = rarely(theme.groups, GROUPS);
    let first = (status, cache_control, expires, (date, age), (vary, hop));
    let second = (set_cookie, validator, any::<bool>(), targeted, groups);
    (first, second, fate, location, any::<bool>()).prop_map(
        |(first, second, fate, location, chunked)| {
            let (status, cache_control, expires, dated, (vary, hop)) = first;
            let (set_cookie, validator, new, targeted, groups) = second;
            Manner {
                status,
                cache_control,
                targeted,
                groups,
                expires,
                dated,
                vary,
                hop,
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

/// A HEAD that goes forward though something is stored.
fn headed(ask: Ask) -> Ask {
    Ask { method: "HEAD", condition: "match-last", cache_control: "", ..ask }
}

fn purge() -> impl Strategy<Value = Purge> {
    let what = select(
        &[
            ("url", "x"),
            ("url", "x"),
            ("url", "x?1"),
            ("url", "y"),
            ("prefix", ""),
            ("prefix", "x"),
            ("tag", "g"),
            ("tag", "t"),
            ("tag here", "g"),
            ("tag here", "h"),
            ("all", ""),
        ][..],
    );
    (what, any::<bool>()).prop_map(|(what, soft)| Purge { what, soft })
}

/// As items of one batch: by one client, each of another path, and nothing that an item may not be.
fn batched(asks: Vec<Ask>) -> Vec<Ask> {
    let (identity, host, shown) = (asks[0].identity, asks[0].host, asks[0].shown);
    let item = |ask: Ask| Ask {
        method: if ask.method == "HEAD" { "HEAD" } else { "GET" },
        content: false,
        host,
        cache_control: if ask.cache_control == "pragma" { "" } else { ask.cache_control },
        identity,
        condition: if ask.condition == "match-last" { "" } else { ask.condition },
        range: "",
        shown,
        ..ask
    };
    let mut items: Vec<Ask> = Vec::new();
    for ask in asks.into_iter().map(item) {
        if items.iter().all(|it| it.path != ask.path) {
            items.push(ask);
        }
    }
    items
}

fn act(theme: Theme) -> impl Strategy<Value = Act> + use<> {
    let steps = &[300, 900, 1000, 2000, 3000, 5000, 9000, 30_000, 4_000_000][..];
    prop_oneof![
        12 => ask(theme).prop_map(|ask| Act::Ask(vec![ask])),
        1 => ask(theme).prop_map(|ask| Act::Ask(vec![headed(ask)])),
        1 => vec(ask(theme), 2..4).prop_map(Act::Ask),
        2 => vec(ask(theme), 2..5).prop_map(|asks| Act::Batch(batched(asks))),
        5 => select(steps).prop_map(Act::Step),
        1 => select(&[-100_000, -7, 0, 7, 100_000][..]).prop_map(Act::Wall),
        2 => purge().prop_map(Act::Purge),
        1 => select(&[Reload::Nothing, Reload::Nothing, Reload::Sharing][..]).prop_map(Act::Reload),
    ]
}

fn of(theme: Theme) -> BoxedStrategy<Sequence> {
    (0..MODES.len(), vec(act(theme), 1..20), vec(manner(theme), 1..8)).boxed()
}

/// Any sequence.
pub(super) fn sequence() -> BoxedStrategy<Sequence> {
    prop_oneof![3 => of(ANYTHING), 3 => of(PERSONAL), 1 => of(PARTS), 2 => of(CHANGES)].boxed()
}
