//! The routes of the proxy: what each of them says, once for the configuration and once for the
//! model.

/// What a route of the proxy says, and the model knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    pub(super) name: &'static str,
    pub(super) toml: &'static str,
    pub(super) honor: bool,
    pub(super) ttl: Option<i64>,
    pub(super) override_ttl: Option<i64>,
    pub(super) max_ttl: Option<i64>,
    pub(super) status_ttl: &'static [(u16, i64)],
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
    status_ttl: &[],
    heuristic: None,
    swr: None,
    sie: None,
    isolate: false,
    bypass: false,
    ignore_cookies: false,
    refuse: true,
    strip: false,
};

pub(super) const MODES: [Mode; 9] = [
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
    Mode {
        name: "ours",
        toml: "ttl = \"8s\", status_ttl = { 404 = \"5s\", 500 = \"4s\" }, set_cookie = \"strip\", \
               stale_while_revalidate = \"6s\"",
        ttl: Some(8),
        status_ttl: &[(404, 5), (500, 4)],
        swr: Some(6),
        refuse: false,
        strip: true,
        ..PLAIN
    },
    Mode {
        name: "own",
        toml: "authorization = \"isolate\", cookies = \"ignore\", set_cookie = \"rfc\", \
               request_cache_control = \"honor\", ttl = \"9s\"",
        honor: true,
        ttl: Some(9),
        isolate: true,
        ignore_cookies: true,
        refuse: false,
        ..PLAIN
    },
    Mode {
        name: "apart",
        toml: "collapse = \"off\", override_ttl = \"7s\", stale_if_error = \"9s\"",
        override_ttl: Some(7),
        sie: Some(9),
        ..PLAIN
    },
];
