//! The example says what the code does: every key, and its default.

use std::collections::{BTreeMap, BTreeSet};

use toml::de::{DeTable, DeValue};

use super::{
    Cache, Config, Limits, Log, Memory, Timeouts,
    example::{EXAMPLE, MARK, Sentences, uncommented},
    json_schema, keys, parse,
};

fn compile(text: &str) -> Config {
    let problems = |problems: Vec<_>| problems.iter().map(|p| format!("{p}\n")).collect::<String>();
    let env = |_: &str| Some("0123456789abcdef".to_owned());
    parse("proxy.toml", text, &env).map_err(problems).unwrap()
}

/// What the example says of each key: the value as text, and the line.
fn documented(text: &str) -> BTreeMap<String, (String, String)> {
    let known: BTreeSet<String> = keys().into_iter().map(|key| key.path).collect();
    let table = DeTable::parse(text).unwrap();
    let mut found = BTreeMap::new();
    let mut left = vec![(String::new(), table.get_ref())];
    while let Some((path, table)) = left.pop() {
        for (name, value) in table {
            let name_path = if path.is_empty() { String::new() } else { format!("{path}.") };
            let name_path = match &*path {
                "upstreams" => "upstreams.<name>".to_owned(),
                _ => format!("{name_path}{}", name.get_ref()),
            };
            match value.get_ref() {
                _ if known.contains(&name_path) => {
                    let before = &text[..name.span().start];
                    let line = text.lines().nth(before.matches('\n').count()).unwrap();
                    found.insert(name_path, (shown(value.get_ref()), line.to_owned()));
                }
                DeValue::Table(inner) => left.push((name_path, inner)),
                DeValue::Array(tables) => left.extend(
                    tables
                        .iter()
                        .map(|table| (name_path.clone(), table.get_ref().as_table().unwrap())),
                ),
                _ => panic!("{name_path} is documented, and no key"),
            }
        }
    }
    found
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Array(array) if array.iter().all(|it| it.get_ref().is_str()) => {
            let texts = array.iter().filter_map(|it| it.get_ref().as_str());
            let texts: Vec<String> = texts.map(|text| format!("{text:?}")).collect();
            format!("[{}]", texts.join(", "))
        }
        DeValue::Table(table) if table.is_empty() => "{}".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_key_is_documented_with_its_default() {
    let text = uncommented();
    let documented = documented(&text);
    for key in keys() {
        let of_a_route = ["routes.cache.", "routes.compression.", "routes.throttle."];
        if of_a_route.iter().any(|it| key.path.starts_with(it)) {
            continue;
        }
        let Some((value, line)) = documented.get(&key.path) else {
            panic!("{} is not in proxy.toml: it takes {}", key.path, key.takes);
        };
        assert!(line.contains("  # "), "{} has no sentence: {line}", key.path);
        let active = EXAMPLE.lines().any(|other| other == line);
        match key.default {
            Some(default) if !line.contains(MARK) => {
                assert_eq!(*value, default, "the default of {}", key.path);
            }
            Some(_) => assert_eq!(key.path, "routes.match.path", "the default is worth more"),
            None => assert!(line.contains(MARK) || active, "{} has no default: {line}", key.path),
        }
    }
}

#[test]
fn a_route_takes_the_keys_of_the_whole_cache() {
    let below = |prefix: &str| {
        let keys = keys().into_iter();
        let paths = keys.filter_map(|key| key.path.strip_prefix(prefix).map(str::to_owned));
        paths
            .filter(|path| !["memory.", "redis."].iter().any(|it| path.starts_with(it)))
            .collect::<Vec<_>>()
    };
    assert_eq!(below("routes.cache."), below("cache."));
    assert!(below("cache.").contains(&"key.query.sort".to_owned()));
    let process = |path: &String| path != "max_streams";
    let compression: Vec<_> = below("compression.").into_iter().filter(process).collect();
    assert_eq!(below("routes.compression."), compression);
}

#[test]
fn the_example_is_a_working_start() {
    let config = compile(EXAMPLE);
    assert_eq!(
        EXAMPLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count(),
        2
    );
    assert_eq!(config.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.upstreams.len(), 1);
    assert_eq!(config.routes[0].upstream, "http://127.0.0.1:3000");
}

#[test]
fn every_documented_value_is_valid_and_every_documented_default_is_one() {
    let config = compile(&uncommented());
    assert_eq!(config.limits, Limits::default());
    assert_eq!(config.timeouts, Timeouts::default());
    assert_eq!(config.memory, Memory::default());
    assert_eq!(config.log, Log::default());
    let [route, default] = &config.routes[..] else { panic!("{:?}", config.routes) };
    let mut cache = default.cache.clone();
    let subject = std::mem::take(&mut cache.rules.key.headers);
    assert_eq!(subject, ["x-client-subject"], "each client of tls.client_subject has its own");
    assert_eq!(cache, Cache::default());
    assert_eq!(route.cache.rules.ttl, Some(30));
    let [users, plain] = &config.upstreams[..] else { panic!("{:?}", config.upstreams) };
    assert_eq!(users.name, route.upstream);
    let same =
        |up: &super::Upstream| (up.connect, up.first_byte, up.between_bytes, up.max_concurrent);
    assert_eq!(same(users), same(plain));
    assert_eq!(users.host, plain.host);
}

/// Compares a file of docs/ with what the code says; `LARDER_BLESS=1` writes it.
fn compare(file: &str, expected: &str) {
    let path = format!("{}/docs/{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("LARDER_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/{file} is not what the code says: LARDER_BLESS=1 writes it");
}

#[test]
fn the_schema_is_that_of_the_code() {
    compare("proxy.schema.json", &format!("{:#}\n", json_schema()));
}

/// The reference in docs/: all keys of each table, with what they take.
fn reference() -> String {
    const HEAD: &str = "\
# Configuration reference

Every key of `proxy.toml`, made from the code and compared with it by a test. The
[`proxy.toml`](../proxy.toml) of the repository has the same in an order to read, and
[`proxy.schema.json`](proxy.schema.json) for editors: `larder schema` prints it.

Durations are `500ms`, `30s`, `10m`, `1h30m`, `2d`; sizes `8KiB`, `64MiB`, `1GB`, or bytes; rates
`100/s`, `60/min`, `1000/h`. `${NAME}` in a string takes an environment variable, `$${` stands for
`${`. What is wrong with a file, `larder check` tells, line by line. A route takes the keys of
`[cache]`, `[compression]` and `[throttle]` as its own `cache`, `compression` and `throttle`, but
for those of the whole process (`cache.memory`, `cache.redis`, `compression.max_streams`).
";
    let sentences = Sentences::read();
    let of_a_route = ["routes.cache.", "routes.compression.", "routes.throttle."];
    let cell = |text: &str| text.replace('|', "\\|");
    let mut tables: BTreeMap<String, String> = BTreeMap::new();
    for key in keys() {
        if of_a_route.iter().any(|it| key.path.starts_with(it)) {
            continue;
        }
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", &key.path));
        let default = key.default.map(|it| format!("`{}`", cell(&it))).unwrap_or_default();
        let sentence = cell(sentences.of(&key.path).unwrap_or_default());
        let row = format!("| `{name}` | {} | {default} | {sentence} |\n", cell(&key.takes));
        tables.entry(table.to_owned()).or_default().push_str(&row);
    }
    let mut text = HEAD.to_owned();
    for (table, rows) in tables {
        let title = match &*table {
            "" => "At the top".to_owned(),
            "routes" | "tls.certificates" => format!("`[[{table}]]`, one for each"),
            "throttle" => "`[throttle]`, or several `[[throttle]]`".to_owned(),
            _ => format!("`[{table}]`"),
        };
        let head = "| key | takes | default | |\n|---|---|---|---|\n";
        text.push_str(&format!("\n## {title}\n\n{head}{rows}"));
    }
    text
}

#[test]
fn the_reference_is_that_of_the_code() {
    compare("configuration.md", &reference());
}
