//! Each table: what it becomes, and what it refuses.

use std::time::Duration;

use super::*;
use crate::policy::rules::{Authorization, Cookies, RequestCacheControl, SetCookie};
use crate::policy::{
    coding::Coding,
    encoding::{MediaRange, UpstreamEncoding},
};
use crate::{
    config::{Access, Mode},
    ids::{Naming, Tracing},
};

#[test]
fn two_lines_are_enough() {
    let config = compile("listen = '0.0.0.0:8080'\nupstream = 'http://127.0.0.1:3000'").unwrap();
    let url = "http://127.0.0.1:3000";
    let upstream = Upstream::new(url, url.parse().unwrap());
    let route = Route {
        name: "default".to_owned(),
        pattern: routes::Pattern { path: "/**".to_owned(), ..Default::default() },
        upstream: url.to_owned(),
        cache: Cache::default(),
        compression: Compression::default(),
        throttle: Vec::new(),
        validate: throttle::Validate::default(),
        shape: None,
        line: 0,
    };
    let expected = Config {
        listen: vec![Listen::Tcp("0.0.0.0:8080".parse().unwrap())],
        tls: None,
        proxy_protocol: Vec::new(),
        trusted_proxies: Vec::new(),
        upstreams: vec![upstream],
        routes: vec![route],
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        log: Log::default(),
        memory: Memory::default(),
        max_streams: 256,
        redis: None,
        batch: None,
        admin: Admin::default(),
    };
    assert_eq!(config, expected);
}

#[test]
fn the_process_has_limits_and_a_log() {
    let config = with(
        "trusted_proxies = ['10.1.2.3/8', '::1']\n[limits]\nmax_connections = '${MANY}'\n\
         max_head = '64KiB'\nmax_fields = 0x10\n[timeouts]\nheaders = '500ms'\nidle = '1h30m'\n\
         [log]\naccess = './a.log'\n[cache.memory]\nmax_size = '${SIZE}'\nmax_in_flight = 1048576",
    );
    let config = config.unwrap();
    let trusted: Vec<String> = config.trusted_proxies.iter().map(IpNet::to_string).collect();
    assert_eq!(trusted, ["10.0.0.0/8", "::1/128"]);
    let limits =
        Limits { max_connections: 20_000, max_head: 65_536, max_fields: 16, ..Limits::default() };
    assert_eq!(config.limits, limits);
    assert_eq!(config.timeouts.headers, Duration::from_millis(500));
    assert_eq!(config.timeouts.idle, Duration::from_secs(5400));
    assert_eq!(config.timeouts.shutdown, Timeouts::default().shutdown);
    assert_eq!(config.log.access, Access::File(PathBuf::from("./a.log")));
    assert_eq!(config.log.naming, Naming { request: true, trace: Tracing::Keep }, "with the log");
    assert_eq!(config.memory, Memory { max_size: 16 << 20, max_in_flight: 1 << 20 });
    assert_eq!(config.routes[0].cache.max_object_size, 1 << 20, "what fits while it arrives");
    let no_log = "p:4: log.access: \"stdrr\" is not a value that it has: write \"off\", \"stderr\", or \
                  the path of a file with its directory, as in \"./access.log\"";
    problems(&[
        ("[log]\naccess = 'stdrr'", &[no_log]),
        ("[log]\naccess = 'stderr'", &[]),
        (
            "[log]\nfields = ['Accept', 'Cookie', 'accept']\nredact = ['a*b', 'x']\nformat = 'clf'",
            &[
                "p:4: log.fields: \"Cookie\" is a credential, which no log may hold: remove it",
                "p:4: log.fields: \"accept\" is there twice: remove one of the two",
                "p:5: log.redact: \"a*b\" is no name: write one such as access_token; * may end it",
                "p:6: log.format: \"clf\" is not a value that it has: write \"json\" or \"combined\"",
            ],
        ),
        (
            "[log]\nformat = 'combined'\nfields = ['Accept']",
            &["p:5: log.fields: has no place in a line of format = \"combined\": remove it, or \
               write \"json\""],
        ),
        (
            "[timeouts]\nidle = '0s'",
            &["p:4: timeouts.idle: \"0s\" is out of range: write 1ms to 1d"],
        ),
        (
            "[limits]\nmax_connections = 0",
            &["p:4: limits.max_connections: \"0\" is out of range: write 1 to 1000000"],
        ),
        (
            "[cache.memory]\nmax_size = '1KiB'",
            &["p:4: cache.memory.max_size: \"1KiB\" is out of range: write 1MiB to 1TiB"],
        ),
    ]);
}

#[test]
fn an_upstream_has_settings_of_its_own() {
    let config = with(
        "[upstreams.users]\nurl = 'https://Users.internal:8443/'\nhost = 'upstream'\nca = 'ca.pem'\n\
         max_concurrent = 7\ntimeouts.first_byte = '1m'\n\
         [[routes]]\nmatch.path = '/users/**'\nupstream = 'users'",
    );
    let address = Address::Https { host: "users.internal".to_owned(), port: 8443 };
    let expected = Upstream {
        host: Host::Upstream,
        ca: Some(PathBuf::from("ca.pem")),
        first_byte: Duration::from_secs(60),
        max_concurrent: 7,
        ..Upstream::new("users", address)
    };
    assert_eq!(config.unwrap().upstreams[0], expected);
    problems(&[
        (
            "[upstreams.b]",
            &["p:3: upstreams.b.url: is missing: write where the API is, as in \
               url = \"http://127.0.0.1:3000\""],
        ),
        (
            "[upstreams.b]\nurl = 'b:80'\nhost = 'http://b'\nca = ''",
            &[
                "p:4: upstreams.b.url: \"b:80\" has no scheme: put http://, https:// or unix: before \
                 it",
                "p:5: upstreams.b.host: \"http://b\" is a URL: write \"preserve\", \"upstream\", or a \
                 host name alone",
                "p:6: upstreams.b.ca: \"\" is not a path: write that of a PEM file with certificates",
            ],
        ),
        (
            "[upstreams.b]\nurl = 'unix:/run/b'\nhost = 'upstream'\nca = 'x'",
            &[
                "p:5: upstreams.b.host: cannot be \"upstream\", a unix socket has no name: write the \
                 name that the API expects, or \"preserve\"",
                "p:6: upstreams.b.ca: is for https alone: remove it, or write an https:// URL",
            ],
        ),
        (
            "[upstreams.'a b']\nurl = 'http://b'",
            &["p:3: upstreams.\"a b\": is not a name: write letters, digits, _, - and . alone"],
        ),
    ]);
}

#[test]
fn a_url_used_directly_is_one_upstream_however_often() {
    let config = with(
        "[upstreams.named]\nurl = 'http://a'\n\
         [[routes]]\nmatch.path = '/a'\nupstream = 'http://a:80/'\n\
         [[routes]]\nmatch.path = '/b'\nupstream = 'http://b'\n\
         [[routes]]\nmatch.path = '/c'\nupstream = 'named'\n\
         [[routes]]\nmatch.path = '/d'\n",
    );
    let config = config.unwrap();
    let names: Vec<&str> = config.upstreams.iter().map(|up| up.name.as_str()).collect();
    assert_eq!(names, ["named", "http://a", "http://b"]);
    let routes: Vec<&str> = config.routes.iter().map(|route| route.upstream.as_str()).collect();
    assert_eq!(routes, ["http://a", "http://b", "named", "http://a", "http://a"]);
    let route = "[[routes]]\nmatch.path = '/a'\nupstream = ";
    problems(&[
        (
            &format!("{route}'localhost:80'"),
            &[
                "p:5: routes.upstream: \"localhost:80\" is not a URL: put http://, https:// or unix: \
               before it, or add an [upstreams.<name>] of that name",
            ],
        ),
        (
            &format!("{route}'usrs'\n[upstreams.users]\nurl = 'http://x'"),
            &["p:5: routes.upstream: \"usrs\" is no upstream: did you mean \"users\"?"],
        ),
        (
            &format!("{route}'x'\n[upstreams.users]\nurl = 'http://x'"),
            &["p:5: routes.upstream: \"x\" is neither a URL nor one of users"],
        ),
        (
            &format!("{route}'users'\n[upstreams.users]\nurl = 'x'"),
            &[
                "p:7: upstreams.users.url: \"x\" has no scheme: put http://, https:// or unix: before \
               it",
            ],
        ),
    ]);
    assert_eq!(
        compile("listen = 'unix:/l'\nupstream = 'x'\n[[routes]]\nmatch.path = '/a'").unwrap_err(),
        ["p:2: upstream: \"x\" is not a URL: put http://, https:// or unix: before it, or add an \
          [upstreams.<name>] of that name"],
        "the route has nothing to add"
    );
}

#[test]
fn a_route_inherits_from_the_cache_key_by_key() {
    let config = with(
        "[cache]\nttl = '1m'\nstale_if_error = '1h'\nheuristic = '10%'\ncollapse = 'off'\n\
         status_ttl = { 404 = '10s', 301 = '1h' }\ncookies = 'ignore'\nmax_object_size = '1MiB'\n\
         key.query = { exclude = ['utm_*'], sort = true }\ntags = ['all', 'v1']\n\
         [[routes]]\nmatch.path = '/a'\n\
         cache = { ttl = '5s', heuristic = 'off', status_ttl = {}, key.query.exclude = ['x'] }\n\
         [[routes]]\nmatch.path = '/b'\n[routes.cache]\nmode = 'off'\nauthorization = 'isolate'\n\
         set_cookie = 'strip'\nrequest_cache_control = 'honor'\nkeep = '0s'\ntags = 'b'\n",
    );
    let config = config.unwrap();
    let [a, b, default] = &config.routes[..] else { panic!("{:?}", config.routes) };
    let rules = Rules {
        ttl: Some(60),
        stale_if_error: Some(3600),
        heuristic: Some(10),
        status_ttl: vec![(301, 3600), (404, 10)],
        cookies: Cookies::Ignore,
        ..Rules::default()
    };
    let query = Query { exclude: vec!["utm_*".to_owned()], sort: true, ..Query::default() };
    let tags = vec!["all".to_owned(), "v1".to_owned()];
    let (collapse, collapse_wait) = (Collapse::Off, Cache::default().collapse_wait);
    let (mode, max_object_size) = (Mode::On, 1 << 20);
    let whole = Cache { mode, max_object_size, collapse, collapse_wait, rules, query, tags };
    assert_eq!(default.cache, whole);
    let mut expected = whole.clone();
    expected.rules.ttl = Some(5);
    expected.rules.heuristic = None;
    expected.rules.status_ttl.clear();
    expected.query.exclude = vec!["x".to_owned()];
    assert_eq!(a.cache, expected);
    let mut expected = whole;
    expected.mode = Mode::Off;
    expected.rules.authorization = Authorization::Isolate;
    expected.rules.set_cookie = SetCookie::Strip;
    expected.rules.request_cache_control = RequestCacheControl::Honor;
    expected.rules.keep = 0;
    expected.tags = vec!["b".to_owned()];
    assert_eq!(b.cache, expected);
    assert_eq!((a.line, b.line, default.line), (13, 16, 0));
}

const UNCACHEABLE: &[(&str, &[&str])] = &[
    (
        "[cache]\nttl = '500ms'",
        &["p:4: cache.ttl: \"500ms\" has a part of a second: HTTP counts whole ones, so write \
               \"1s\" or more"],
    ),
    (
        "[cache]\nmax_ttl = '2y'",
        &["p:4: cache.max_ttl: \"2y\" has an unknown unit: write ms, s, m, \
                                       h or d, as in \"30s\""],
    ),
    (
        "[cache]\nkeep = 'off'",
        &["p:4: cache.keep: \"off\" is not a duration: write numbers with \
                                     units, as in \"30s\""],
    ),
    (
        "[cache]\nstatus_ttl = { 404 = 'x' }",
        &["p:4: cache.status_ttl.404: \"x\" is not a duration: \
                                                   write numbers with units, as in \"30s\""],
    ),
    (
        "[cache]\nmax_object_size = '200MiB'",
        &["p:4: cache.max_object_size: is more than half of cache.memory.max_size: lower it or \
               raise that"],
    ),
    (
        "[[routes]]\nmatch.path = '/a'\ncache.max_object_size = '100MiB'",
        &[
            "p:5: routes.cache.max_object_size: is more than cache.memory.max_in_flight: lower it or \
               raise that",
        ],
    ),
    (
        "[cache]\ncollapse = 'cluster'",
        &[
            "p:4: cache.collapse: needs a [cache.redis] that nodes share: add one, or write \"node\"",
        ],
    ),
    (
        "[cache]\ncollapse = 'nodes'\ncookies = 'no'\nauthorization = 'RFC'",
        &[
            "p:4: cache.collapse: \"nodes\" is not a value that it has: write \"node\" or \"off\" or \
                 \"cluster\"",
            "p:5: cache.cookies: \"no\" is not a value that it has: write \"rfc\" or \"ignore\"",
            "p:6: cache.authorization: \"RFC\" is not a value that it has: write \"rfc\" or \
                 \"isolate\" or \"bypass\"",
        ],
    ),
    (
        "[cache]\ntags = ['a b', '']",
        &[
            "p:4: cache.tags: \"a b\" is no tag: write 1 to 128 visible ASCII characters, no comma \
                 among them",
            "p:4: cache.tags: \"\" is no tag: write 1 to 128 visible ASCII characters, no comma \
                 among them",
        ],
    ),
    (
        "[cache.key]\nquery = { exclude = ['a*b', 'a=b', ''] }",
        &[
            "p:4: cache.key.query.exclude: \"a*b\" has a * before its end: only one at the end \
                 stands for any rest",
            "p:4: cache.key.query.exclude: \"a=b\" is not the name of a parameter: write it as \
                 requests do, percent-encoded and without = or &",
            "p:4: cache.key.query.exclude: \"\" is not the name of a parameter: write it as \
                 requests do, percent-encoded and without = or &",
        ],
    ),
    (
        "[cache.key]\nheaders = ['X-A', 'x-a', 'a b', 'Cookie', 'authorization', 'Host', 'Range', 'Via']",
        &[
            "p:4: cache.key.headers: \"x-a\" is there twice: remove one of the two",
            "p:4: cache.key.headers: \"a b\" has no name of a field: write one such as X-Tenant",
            "p:4: cache.key.headers: \"Cookie\" has many values: write the names of its cookies in \
                 cache.key.cookies",
            "p:4: cache.key.headers: \"authorization\" has a word of its own: write \
                 cache.authorization = \"isolate\"",
            "p:4: cache.key.headers: \"Host\" is part of every key: remove it",
            "p:4: cache.key.headers: \"Range\" is not forwarded where the answer is stored: remove it",
            "p:4: cache.key.headers: \"Via\" is not forwarded as the client sends it: remove it",
        ],
    ),
    (
        "[cache.key]\ncookies = ['lang', 'lang', 'a=b', '']\nheaders = 'X-A'\nquery.include = ['a=b']",
        &[
            "p:4: cache.key.cookies: \"lang\" is there twice: remove one of the two",
            "p:4: cache.key.cookies: \"a=b\" has no name of a cookie: write one such as lang",
            "p:4: cache.key.cookies: \"\" has no name of a cookie: write one such as lang",
            "p:6: cache.key.query.include: \"a=b\" is not the name of a parameter: write it as \
                 requests do, percent-encoded and without = or &",
        ],
    ),
    (
        "[cache.key]\ncookies = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']",
        &["p:4: cache.key.cookies: has 9 entries: write at most 8"],
    ),
    (
        "[cache]\nbypass_when = ['status:500', 'header:X A', 'header:Cookie', 'header:Host=a', 'x']",
        &[
            "p:4: cache.bypass_when: \"status:500\" is known only once the API has been asked: write \
                 it in no_store_when",
            "p:4: cache.bypass_when: \"header:X A\" has no name of a field: write one such as X-Tenant",
            "p:4: cache.bypass_when: \"header:Cookie\" is looked at by cookies: write cookie:NAME",
            "p:4: cache.bypass_when: \"header:Host=a\" is for routes to match: write match.host",
            "p:4: cache.bypass_when: \"x\" is no condition: write header:NAME, cookie:NAME or \
                 query:NAME of the request, response:NAME or status:CODE of the answer, and =VALUE \
                 after a NAME for that value alone",
        ],
    ),
    (
        "[cache]\nno_store_when = ['status:199', 'status:6xx', 'query:a=b c', 'cookie:a=b;c', \
         'response:X= a', 'query:a', 'query:a']",
        &[
            "p:4: cache.no_store_when: \"status:199\" is not a status: write one from 200 to 599, or \
                 2xx to 5xx",
            "p:4: cache.no_store_when: \"status:6xx\" is not a status: write one from 200 to 599, or \
                 2xx to 5xx",
            "p:4: cache.no_store_when: \"query:a=b c\" is no parameter of a query: write it as \
                 requests do, percent-encoded and without &",
            "p:4: cache.no_store_when: \"cookie:a=b;c\" has a value that no cookie has: write it \
                 without ; and without spaces around it",
            "p:4: cache.no_store_when: \"response:X= a\" has a value that no field has: write it \
                 without spaces around it and without control characters",
            "p:4: cache.no_store_when: \"query:a\" is there twice: remove one of the two",
        ],
    ),
];

#[test]
fn the_cache_says_what_it_cannot_do() {
    problems(UNCACHEABLE);
    for name in ["4xx", "100", "600", "0404", "-404"] {
        let expected = format!(
            "p:4: cache.status_ttl.{name}: is not a status: write one from 200 to 599, as in \
             404 = \"10s\""
        );
        assert_eq!(
            with(&format!("[cache]\nstatus_ttl = {{ {name} = '1s' }}")).unwrap_err(),
            [expected]
        );
    }
}

#[test]
fn a_route_is_named_by_what_it_matches() {
    let config = with(
        "[[routes]]\nmatch = { host = 'API.example.org', path = '/users/**', methods = ['GET', 'POST', 'GET'] }\n\
         [[routes]]\nmatch = { host = '*.example.org' }\n\
         [[routes]]\nmatch = { methods = 'PUT' }\n\
         [[routes]]\nname = 'mine'\nmatch = { path = '/x' }\n",
    );
    let config = config.unwrap();
    let names: Vec<&str> = config.routes.iter().map(|route| route.name.as_str()).collect();
    let expected =
        ["api.example.org/users/** GET,POST", "*.example.org/**", "/** PUT", "mine", "default"];
    assert_eq!(names, expected);
    problems(&[
        (
            "[[routes]]",
            &["p:3: routes.match: is missing: write which requests it is for, as in \
                          match = { path = \"/users/**\" }"],
        ),
        (
            "[[routes]]\nmatch = {}",
            &["p:4: routes.match: is empty: write which requests it is for, as \
                                     in match = { path = \"/users/**\" }"],
        ),
        (
            "[[routes]]\nmatch = { methods = [] }",
            &["p:4: routes.match.methods: is empty: name methods, \
                                                   or leave it out, which means all"],
        ),
        (
            "[[routes]]\nname = ''\nmatch = { host = '*', path = '/{id}', methods = ['get'] }",
            &[
                "p:4: routes.name: \"\" is no name: write 1 to 200 bytes without control characters",
                "p:5: routes.match.host: \"*\" means every host: leave host out",
                "p:5: routes.match.path: \"/{id}\" has braces: write * for one segment, as in \
                 \"/users/*/orders\"",
                "p:5: routes.match.methods: \"get\" is not a method: write it in capitals, as in \
                 \"GET\"",
            ],
        ),
    ]);
}

#[test]
fn two_routes_cannot_take_the_same_requests_or_names() {
    let tie = |line: usize, other: usize| {
        format!(
            "p:{line}: routes.match: takes the same requests as the route of line {other}: change the \
             host, path or methods of one of them, or remove one (GET means HEAD, too)"
        )
    };
    let route = |rest: &str| format!("[[routes]]\nmatch = {{ path = '/a', {rest} }}\n");
    for (first, second, tied) in [
        ("", "", true),
        ("host = 'a'", "host = 'A'", true),
        ("host = 'a'", "host = '*.a'", false),
        ("host = 'a'", "", false),
        ("methods = ['GET', 'PUT']", "methods = ['POST', 'PUT']", true),
        ("methods = ['GET']", "methods = ['HEAD']", true),
        ("methods = ['HEAD']", "methods = ['GET']", true),
        ("methods = ['GET']", "methods = ['POST']", false),
        ("methods = ['GET']", "", false),
    ] {
        let found = with(&format!("{}{}", route(first), route(second))).err().unwrap_or_default();
        let expected = if tied { vec![tie(5, 3)] } else { vec![] };
        assert_eq!(found, expected, "{first} {second}");
    }
    let name =
        |name: &str, path: &str| format!("[[routes]]\nname = '{name}'\nmatch.path = '{path}'\n");
    let same = "p:6: routes.name: is the name of the route of line 3, too: change one";
    let default =
        "p:3: routes.name: is the name of what the top-level upstream gets: choose another";
    problems(&[
        (&(name("x", "/a") + &name("x", "/b")), &[same]),
        (&name("default", "/a"), &[default]),
        ("[[routes]]\nmatch.path = '/**'", &[]),
    ]);
}

#[test]
fn listeners_are_one_or_many_and_none_twice() {
    let listen = |text: &str| compile(&format!("listen = {text}\nupstream = 'http://a'"));
    let many = listen("['127.0.0.1:0', '127.0.0.1:0', '[::]:80', 'unix:/run/l']").unwrap();
    let shown: Vec<String> = many.listen.iter().map(Listen::to_string).collect();
    assert_eq!(shown, ["127.0.0.1:0", "127.0.0.1:0", "[::]:80", "unix:/run/l"]);
    for (text, expected) in [
        (
            "[]",
            "p:1: listen: is empty: write where clients connect, as in listen = \"127.0.0.1:8080\"",
        ),
        (
            "['127.0.0.1:80',\n'127.0.0.1:80']",
            "p:2: listen: \"127.0.0.1:80\" is listened at already: remove one of the two",
        ),
        (
            "8080",
            "p:1: listen: expected an address such as \"127.0.0.1:8080\", or an array of them, found \
             an integer",
        ),
        (
            "[8080]",
            "p:1: listen: expected an address such as \"127.0.0.1:8080\", or an array of them, found \
             an integer",
        ),
    ] {
        assert_eq!(listen(text).unwrap_err(), [expected], "{text}");
    }
}

#[test]
fn compression_is_inherited_key_by_key() {
    let config = with(
        "[compression]\nencodings = ['br']\nmin_length = '2KiB'\nmax_streams = 7\n\
         [[routes]]\nmatch = { path = '/a' }\n\
         compression = { types = ['text/event-stream'], upstream_encoding = 'client' }\n\
         [[routes]]\nmatch = { path = '/b' }\ncompression = { encodings = [] }",
    )
    .unwrap();
    assert_eq!(config.max_streams, 7);
    let [a, b, rest] = &config.routes[..] else { panic!("{:?}", config.routes) };
    assert_eq!(rest.compression.packing.encodings, [Coding::Brotli]);
    assert_eq!(rest.compression.upstream, None, "it goes by the upstream's address");
    assert_eq!(a.compression.packing.encodings, [Coding::Brotli], "inherited");
    assert_eq!(a.compression.packing.min_length, 2048, "inherited");
    assert_eq!(a.compression.packing.types, [MediaRange::Exact("text/event-stream".to_owned())]);
    assert_eq!(a.compression.upstream, Some(UpstreamEncoding::Client));
    assert_eq!(b.compression.packing.encodings, [], "off");
}

#[test]
fn compression_is_checked() {
    problems(&[(
        "[compression]\nencodings = ['deflate', 'gzip', 'gzip']\ntypes = ['json']\n\
         [[routes]]\nmatch = { path = '/a' }\ncompression = { max_streams = 1 }",
        &[
            "p:4: compression.encodings: \"deflate\" is no coding that is made: write \"zstd\", \
             \"br\" or \"gzip\"",
            "p:4: compression.encodings: \"gzip\" is there twice: remove one of the two",
            "p:5: compression.types: \"json\" is no media type: write one such as \
             \"application/json\", \"text/*\", or \"*+json\"",
            "p:8: routes.compression.max_streams: is for the whole process, not for one route: \
             write it below [compression]",
        ],
    )]);
}

#[test]
fn the_admin_listener_keeps_its_secrets() {
    let config = with(
        "[admin]\nlisten = '127.0.0.1:9901'\ntoken = '0123456789abcdef'\nhosts = ['Larder.internal']\n\
         purge_from = ['10.1.2.3/8']\n",
    );
    let admin = config.unwrap().admin;
    assert_eq!(admin.token.as_ref().map(Secret::reveal), Some("0123456789abcdef"));
    assert!(!format!("{admin:?}").contains("0123456789"), "{admin:?}");
    assert_eq!(admin.hosts, ["larder.internal"]);
    assert_eq!(admin.purge_from[0].to_string(), "10.0.0.0/8");
    let weak = |line: usize, key: &str| {
        format!(
            "p:{line}: admin.{key}: is no secret: write 16 to 256 visible ASCII characters, as \
             `openssl rand -hex 32` makes them"
        )
    };
    problems(&[
        ("[admin]\nlisten = '127.0.0.1:1'\ntoken = 'hunter2'", &[&weak(5, "token")]),
        (
            "[admin]\nlisten = '127.0.0.1:1'\nwebhook_secret = 'with spaces in it 123'",
            &[&weak(5, "webhook_secret")],
        ),
        (
            "[admin]\ntoken = '0123456789abcdef'",
            &["p:4: admin.token: does nothing without admin.listen: write an address there"],
        ),
        (
            "[admin]\nlisten = '127.0.0.1:80'",
            &[
                "p:4: admin.listen: \"127.0.0.1:80\" is where clients connect: choose another, which \
               they cannot reach",
            ],
        ),
        (
            "[admin]\npurge_from = ['all']",
            &["p:4: admin.purge_from: \"all\" is not an address or a range: write one as in \
               \"10.1.2.3\" or \"10.0.0.0/8\""],
        ),
    ]);
}

#[test]
fn ids_go_with_the_log_unless_the_file_says_otherwise() {
    let naming = |text: &str| with(text).unwrap().log.naming;
    let (keep, begin) = (Tracing::Keep, Tracing::Begin);
    for (text, request, trace) in [
        ("", false, Tracing::Off),
        ("[log]\naccess = 'stderr'", true, keep),
        ("[log]\naccess = 'stderr'\nrequest_id = 'off'\ntrace = 'off'", false, Tracing::Off),
        ("[log]\nrequest_id = 'on'\ntrace = 'on'", true, begin),
        ("[log]\naccess = 'stderr'\ntrace = 'on'", true, begin),
    ] {
        assert_eq!(naming(text), Naming { request, trace }, "{text}");
    }
}
