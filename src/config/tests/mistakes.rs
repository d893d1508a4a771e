//! Mistakes that any table can have.

use super::*;

#[test]
fn an_empty_file_lacks_two_lines() {
    let listen = "p: listen: is missing: write where clients connect, as in \
                  listen = \"127.0.0.1:8080\"";
    let upstream = "p: upstream: is missing: write where the API is, as in \
                    upstream = \"http://127.0.0.1:3000\"";
    assert_eq!(compile("").unwrap_err(), [listen, upstream]);
    assert_eq!(compile("routes = []").unwrap_err(), [listen, upstream]);
    let routes = compile("listen = 'unix:/l'\nroutes = [1]").unwrap_err();
    assert_eq!(routes.len(), 1, "no word of the upstream, it may stand in the route: {routes:?}");
}

#[test]
fn what_is_not_toml_is_one_problem_with_its_line() {
    let bare = |what: &str| {
        format!("p:1: this is not TOML ({what}): put a value with letters or dots in quotes")
    };
    for (text, expected) in [
        ("listen = 127.0.0.1:80\nx", &*bare("invalid float")),
        ("upstream = http://a", &*bare("string values must be quoted")),
        ("a = 30s", &*bare("string values must be quoted")),
        ("a = True", &*bare("invalid boolean")),
        ("\n\n[cache\nttl = '1s'", "p:3: this is not TOML (unclosed table): expected `]`"),
        ("a = 'x\nb", "p:1: this is not TOML (invalid literal string): expected `'`"),
        ("a = 1\n\na = 2", "p:3: this is not TOML (duplicate key): keep one of the two"),
        ("[a]\n[a]", "p:2: this is not TOML (duplicate key): keep one of the two"),
    ] {
        assert_eq!(compile(text).unwrap_err(), [expected], "{text}");
    }
    let deep = format!("listen = {}", "[".repeat(100_000));
    assert_eq!(compile(&deep).unwrap_err().len(), 1, "deep nesting overflows no stack");
}

#[test]
fn every_problem_is_found_at_once_in_the_order_of_lines() {
    let text = "listen = ':80'\n\n[cache]\ntll = '1s'\nmode = 'onn'\n\n[limits]\nmax_head = 1\n\
                [[routes]]\nmatch = { path = 'x' }\n";
    let expected = [
        "p:1: listen: \":80\" has no address: put one before the port, 127.0.0.1 (for this machine \
         alone), 0.0.0.0 or [::] (for all), as in \"127.0.0.1:8080\"",
        "p:4: cache.tll: unknown key: did you mean \"ttl\"?",
        "p:5: cache.mode: \"onn\" is not a value that it has: write \"on\" or \"off\" or \"shadow\"",
        "p:8: limits.max_head: \"1\" is out of range: write 8KiB to 1MiB",
        "p:9: routes.upstream: is missing: write a URL or a name here, or an upstream for all routes \
         at the top of the file",
        "p:10: routes.match.path: \"x\" does not begin with /: write the path from there, as in \
         \"/users/**\"",
    ];
    assert_eq!(compile(text).unwrap_err(), expected);
}

const UNKNOWN: &[(&str, &[&str])] = &[
    ("upstrem = 'x'", &["p:3: upstrem: unknown key: did you mean \"upstream\"?"]),
    (
        "[images]\nsizes = ['small']",
        &["p:3: images: unknown key: the top of the file knows listen, tls, upstream, \
               trusted_proxies, proxy_protocol, limits, timeouts, log, admin, cache, compression, batch, throttle, upstreams, \
               routes"],
    ),
    (
        "[cache]\ntrusted_proxies = []",
        &["p:4: cache.trusted_proxies: unknown key here: write it at the top of the file, above \
               the first [header]"],
    ),
    ("[cache.limits]", &["p:3: cache.limits: unknown key here: write it as [limits]"]),
    ("[log]\nroutes = 1", &["p:4: log.routes: unknown key here: write it as [[routes]]"]),
    ("ttl = '1s'", &["p:3: ttl: unknown key here: write it below [cache]"]),
    (
        "[cache]\nmax_size = '1GB'",
        &["p:4: cache.max_size: unknown key here: write it below [cache.memory]"],
    ),
    (
        "[cache]\nsort = true",
        &["p:4: cache.sort: unknown key here: write it below [cache.key.query]"],
    ),
    (
        "[cache.disk]\nurl = 'redis://x'",
        &[
            "p:3: cache.disk: unknown key: [cache] knows memory, redis, mode, max_object_size, collapse, collapse_wait, \
               ttl, override_ttl, max_ttl, stale_while_revalidate, stale_if_error, status_ttl, \
               heuristic, keep, authorization, cookies, set_cookie, request_cache_control, \
               bypass_when, no_store_when, tags, key",
        ],
    ),
    (
        "[limits]\nmax_field = 1",
        &["p:4: limits.max_field: unknown key: did you mean \"max_fields\"?"],
    ),
    ("[timeouts]\nidel = 1", &["p:4: timeouts.idel: unknown key: did you mean \"idle\"?"]),
    (
        "[log]\nx = 1",
        &["p:4: log.x: unknown key: [log] knows access, format, fields, request_id, trace, redact"],
    ),
    ("[cache.key]\nqery = 1", &["p:4: cache.key.qery: unknown key: did you mean \"query\"?"]),
    (
        "[cache.key.query]\nincludes = []",
        &["p:4: cache.key.query.includes: unknown key: did you mean \"include\"?"],
    ),
    (
        "[cache.memory]\nsize = 1",
        &["p:4: cache.memory.size: unknown key: [cache.memory] knows max_size, max_in_flight"],
    ),
    (
        "[upstreams.b]\nurl = 'http://b'\ntimeout = {}\ntimeouts = { conect = '1s' }",
        &[
            "p:5: upstreams.b.timeout: unknown key: did you mean \"timeouts\"?",
            "p:6: upstreams.b.timeouts.conect: unknown key: did you mean \"connect\"?",
        ],
    ),
    (
        "[[routes]]\npath = '/x'\nmatch = { path = '/x', method = ['GET'] }\nimages = {}",
        &[
            "p:4: routes.path: unknown key here: write it below [routes.match]",
            "p:5: routes.match.method: unknown key: did you mean \"methods\"?",
            "p:6: routes.images: unknown key: [[routes]] knows name, match, upstream, cache, \
             compression, throttle, validate, \
                  shape",
        ],
    ),
    (
        "\"a\\nb\" = 1",
        &["p:3: \"a\\nb\": unknown key: the top of the file knows listen, tls, upstream, \
               trusted_proxies, proxy_protocol, limits, timeouts, log, admin, cache, compression, batch, throttle, upstreams, \
               routes"],
    ),
];

#[test]
fn an_unknown_key_is_told_where_to_go() {
    problems(UNKNOWN);
}

#[test]
fn a_route_cannot_have_what_is_the_process_s_own() {
    let route = "[[routes]]\nmatch = { path = '/x' }\n";
    for (text, key, place) in [
        ("listen = 'x'", "listen", "at the top of the file, above the first [header]"),
        (
            "trusted_proxies = []",
            "trusted_proxies",
            "at the top of the file, above the first [header]",
        ),
        ("limits = {}", "limits", "as [limits]"),
        ("timeouts = {}", "timeouts", "as [timeouts]"),
        ("log = {}", "log", "as [log]"),
        ("upstreams = {}", "upstreams", "as [upstreams.<name>]"),
        ("cache = { memory = {} }", "cache.memory", "as [cache.memory]"),
    ] {
        let expected = format!(
            "p:5: routes.{key}: is for the whole process, not for one route: write it {place}"
        );
        assert_eq!(with(&format!("{route}{text}")).unwrap_err(), [expected]);
    }
}

const MISTYPED: &[(&str, &[&str])] = &[
    (
        "trusted_proxies = 1",
        &["p:3: trusted_proxies: expected an array of addresses and ranges \
                                   such as [\"10.0.0.0/8\"], found an integer"],
    ),
    (
        "trusted_proxies = [\n'10.0.0.0/8',\n1,\n'x']",
        &[
            "p:5: trusted_proxies: expected an array of addresses and ranges such as \
                 [\"10.0.0.0/8\"], found an integer",
            "p:6: trusted_proxies: \"x\" is not an address or a range: write one as in \
                 \"10.1.2.3\" or \"10.0.0.0/8\"",
        ],
    ),
    (
        "[cache]\nttl = 30",
        &["p:4: cache.ttl: \"30\" has no unit: add ms, s, m, h or d, as in \"30s\""],
    ),
    (
        "[cache]\nttl = 1.5",
        &["p:4: cache.ttl: expected a duration such as \"30s\" or \"off\", found a float"],
    ),
    (
        "[cache]\nmode = true",
        &["p:4: cache.mode: expected \"on\" or \"off\" or \"shadow\", found a boolean"],
    ),
    (
        "[cache.key]\nquery = { sort = 'yes' }",
        &["p:4: cache.key.query.sort: expected true or false \
                                                    (without quotes), found a string"],
    ),
    (
        "[limits]\nmax_fields = -1",
        &["p:4: limits.max_fields: \"-1\" is not a whole number: write \
                                         digits alone, as in 100"],
    ),
    (
        "[limits]\nmax_fields = 0xffffffffffffffffffffffffffffffffffffffff",
        &["p:4: limits.max_fields: \"0xffffffffffffffffffffffffffffffffffffffff\" is not a whole \
             number: write digits alone, as in 100"],
    ),
    (
        "cache = 'on'",
        &["p:3: cache: expected a table, that is [a header] with keys below it or \
                           { key = value }, found a string"],
    ),
    (
        "[[cache]]",
        &["p:3: cache: expected a table, that is [a header] with keys below it or \
                        { key = value }, found an array"],
    ),
    ("[routes]", &["p:3: routes: expected an array of tables: write [[routes]] for each of them"]),
    (
        "routes = [1]",
        &["p:3: routes: expected a table, that is [a header] with keys below it or \
                           { key = value }, found an integer"],
    ),
    (
        "[upstreams]\nb = 'http://b'",
        &["p:4: upstreams.b: expected a table, that is [a header] with \
                                          keys below it or { key = value }, found a string"],
    ),
    (
        "[cache]\nstatus_ttl = []",
        &["p:4: cache.status_ttl: expected a table, that is [a header] \
                                       with keys below it or { key = value }, found an array"],
    ),
];

#[test]
fn a_value_of_the_wrong_type_is_told_the_right_one() {
    problems(MISTYPED);
}

#[test]
fn the_environment_is_taken_in_and_never_shown() {
    let config = compile("listen = '127.0.0.1:${PORT}'\nupstream = '${API}'").unwrap();
    assert_eq!(config.listen[0].to_string(), "127.0.0.1:8081");
    assert_eq!(config.upstreams[0].address.to_string(), "http://api.internal:3000");
    problems(&[
        (
            "[cache]\nttl = '${TTL}'\nkeep = '${}'",
            &[
                "p:4: cache.ttl: takes the environment variable TTL, which is not set: set it, or \
                 write a value",
                "p:5: cache.keep: names the variable \"\": only letters, digits and _ can be there",
            ],
        ),
        (
            "[[routes]]\nmatch.path = '/a'\nupstream = '${SECRET_URL}'",
            &[
                "p:5: routes.upstream: \"${SECRET_URL}\" has no valid port: write a number from 1 to \
               65535 after the colon",
            ],
        ),
        (
            "[[routes]]\nmatch.path = '/a'\nupstream = 'http://me:pa55@host'",
            &["p:5: routes.upstream: \"http://…@host\" has a user name or password: remove them; \
               credentials are not kept in URLs, the client's request brings its own"],
        ),
    ]);
    let everywhere = "listen = '${SECRET}'\nupstream = '${SECRET}'\ntrusted_proxies = '${SECRET}'\n\
         [limits]\nmax_head = '${SECRET}'\nmax_fields = '${SECRET}'\n[timeouts]\nidle = '${SECRET}'\n\
         [log]\naccess = '${SECRET}'\n[upstreams.a]\nurl = '${SECRET}'\nhost = '${SECRET}/'\n\
         [cache]\nmode = '${SECRET}'\nttl = '${SECRET}'\nheuristic = '${SECRET}'\n\
         key.query.exclude = '${SECRET}='\n[[routes]]\nname = \"${SECRET}\\n\"\n\
         match = { host = '${SECRET}/', path = '${SECRET}', methods = ['${SECRET}'] }\n";
    let problems = compile(everywhere).unwrap_err();
    assert_eq!(problems.len(), 17, "{problems:#?}");
    for problem in problems {
        assert!(!problem.contains("s3cr3t"), "{problem}");
    }
}

#[test]
fn a_file_is_loaded_or_said_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proxy.toml");
    let shown = |path: &Path| {
        let problems = load(path).unwrap_err();
        problems[0].to_string().replace(&*folder.path().to_string_lossy(), "")
    };
    assert_eq!(
        shown(&path),
        "/proxy.toml: cannot be read (No such file or directory (os error 2)): name another with \
         --config, or write one: listen = \"127.0.0.1:8080\" and upstream = \"http://127.0.0.1:3000\" \
         are enough"
    );
    std::fs::write(&path, b"# one\n# tw\xff\n").unwrap();
    assert_eq!(shown(&path), "/proxy.toml:2: is not UTF-8: write the file in that encoding");
    assert_eq!(
        shown(Path::new("/dev/zero")),
        "/dev/zero: is larger than 1 MiB, so hardly a configuration: name another file"
    );
    std::fs::write(&path, "listen = 'unix:/l'\nupstream = 'unix:/u'\n").unwrap();
    assert_eq!(load(&path).unwrap().listen, [Listen::Unix(PathBuf::from("/l"))]);
}

#[test]
fn the_command_line_replaces_the_top_of_the_file() {
    let file = "listen = 'x'\nupstream = 'x'\n[upstreams.b]\nurl = 'http://b'\n\
                [[routes]]\nmatch.path = '/a'\n";
    let given = |text: &str, listen: &str, upstream: &str| {
        let overrides = Overrides { listen: Some(listen.into()), upstream: Some(upstream.into()) };
        let problems = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
        parse_with("p", text, &env, &overrides).map_err(problems)
    };
    for (text, upstream, routes) in [
        (file, "b", &["b", "b"][..]),
        (file, "http://c", &["http://c", "http://c"]),
        ("", "http://c", &["http://c"]),
    ] {
        let config: Result<Config, Vec<String>> = given(text, "127.0.0.1:0", upstream);
        let config = config.unwrap();
        assert_eq!(config.listen, ["127.0.0.1:0".parse().unwrap()]);
        let found: Vec<&str> = config.routes.iter().map(|route| &*route.upstream).collect();
        assert_eq!(found, routes);
    }
    let expected = [
        "p: --listen: \"localhost:80\" has a name: write an address in its place (localhost is \
         127.0.0.1)",
        "p: --upstream: \"c\" is neither a URL nor one of b",
    ];
    assert_eq!(given(file, "localhost:80", "c").unwrap_err(), expected);
}
