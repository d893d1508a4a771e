//! The routes of the proxy: what each of them says, once for the configuration and once for the
//! model.

use super::read::{Fields, lines};

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
    /// X-Tenant and the cookie `lang` are part of the key.
    pub(super) keyed: bool,
    /// X-Preview and the cookie `sid=2` keep a request away from the cache; X-Probe, 404 and
    /// X-Private an answer out of it.
    pub(super) away: bool,
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
    keyed: false,
    away: false,
};

pub(super) const MODES: [Mode; 12] = [
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
    Mode {
        name: "keyed",
        toml: "key = { headers = [\"X-Tenant\"], cookies = [\"lang\"] }, ttl = \"10s\", \
               stale_while_revalidate = \"6s\"",
        ttl: Some(10),
        swr: Some(6),
        keyed: true,
        ..PLAIN
    },
    Mode {
        name: "narrow",
        toml: "key = { headers = [\"X-Tenant\"], cookies = [\"lang\"] }, cookies = \"ignore\", \
               override_ttl = \"15s\"",
        override_ttl: Some(15),
        ignore_cookies: true,
        keyed: true,
        ..PLAIN
    },
    Mode {
        name: "away",
        toml: "bypass_when = [\"header:X-Preview\", \"cookie:sid=2\"], \
               no_store_when = [\"header:X-Probe\", \"status:404\", \"response:X-Private\"], \
               ttl = \"10s\", stale_if_error = \"9s\"",
        ttl: Some(10),
        sie: Some(9),
        away: true,
        ..PLAIN
    },
];

impl Mode {
    /// Keeps a request away from the cache.
    pub(super) fn bypasses(&self, fields: &Fields) -> bool {
        let preview = !lines(fields, "x-preview").is_empty();
        self.away && (preview || self.cookies(fields).contains(&"sid=2"))
    }

    /// Keeps the answer to a request out of the cache.
    pub(super) fn forbids(&self, fields: &Fields, status: Option<u16>, head: &Fields) -> bool {
        let probe = !lines(fields, "x-probe").is_empty();
        let answer = status == Some(404) || !lines(head, "x-private").is_empty();
        self.bypasses(fields) || self.away && (probe || answer)
    }

    /// The cookies of a request, each for itself.
    fn cookies<'a>(&self, fields: &'a Fields) -> Vec<&'a str> {
        lines(fields, "cookie").iter().flat_map(|line| line.split("; ")).collect()
    }

    /// Whether it has cookies that count: neither ignored nor part of the key.
    pub(super) fn has_cookie(&self, fields: &Fields) -> bool {
        let known = |cookie: &&str| self.keyed && cookie.starts_with("lang=");
        !self.ignore_cookies && self.cookies(fields).iter().any(|cookie| !known(cookie))
    }

    /// What of a request is part of the key, on a route where something is.
    pub(super) fn key<'a>(&self, fields: &'a Fields) -> (Vec<&'a str>, Vec<&'a str>) {
        if !self.keyed {
            return (Vec::new(), Vec::new());
        }
        let mut cookies = self.cookies(fields);
        cookies.retain(|cookie| cookie.starts_with("lang="));
        (lines(fields, "x-tenant"), cookies)
    }

    /// What the origin sees of Cookie in a request that retrieves something.
    pub(super) fn forwards(&self, fields: &Fields) -> String {
        match (self.ignore_cookies, self.keyed) {
            (false, _) => lines(fields, "cookie").join("; "),
            (true, true) => self.key(fields).1.join("; "),
            (true, false) => String::new(),
        }
    }
}
