//! Cuts compared in value with what Debian's `jq` makes of the same text.

use std::process::Stdio;

use bytes::Bytes;
use larder::shape::{Offer, Paging, Pointer, TooLarge};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::within;

/// Shapes of JSON, one of each kind.
fn corpus() -> Vec<String> {
    let row = |id: u32| {
        format!(
            r#"{{"id":{id},"a":{{"b":{id}.5,"c":[{id},null,{{"b":true}}]}},"status":"{}","x":"é\u00e9\n"}}"#,
            if id.is_multiple_of(3) { "open" } else { "done" }
        )
    };
    let many: Vec<String> = (0..600).map(row).collect();
    let deep = (0..100).fold("{\"a\":1,\"b\":2}".to_owned(), |inner, _| {
        format!("{{\"a\":{inner},\"b\":[{inner_short}]}}", inner_short = 1)
    });
    let wide: Vec<String> = (0..500).map(|n| format!("\"k{n}\":{n}")).collect();
    vec![
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\"text\"".to_owned(),
        "-1.5e3".to_owned(),
        row(1),
        format!("[{}]", many.join(",")),
        format!(" [\n {} ,\t{} ] \r\n", row(3), row(4)),
        deep,
        format!("{{{},\"a\":{{}}}}", wide.join(",")),
        r#"[[{"a":1,"b":2}],[],[[{"a":{"b":[{"b":1,"c":2}]}}]]]"#.to_owned(),
        r#"{"日本":{"a":"\ud83d\ude00"},"größe":1,"a":"\u0000\"\\"}"#.to_owned(),
        r#"[{"status":"open"},{"status":null},7,"open",{"status":["open"]},{"status":"open","id":1}]"#
            .to_owned(),
    ]
}

/// A mask as jq says it: each level is a function of its own.
const MASKS: [(&str, &str); 5] = [
    (
        "a",
        r#"def m: if type=="array" then map(m) elif type=="object" then with_entries(select(.key=="a")) else . end; m"#,
    ),
    (
        "a(b),id",
        r#"def n: if type=="array" then map(n) elif type=="object" then with_entries(select(.key=="b")) else . end;
           def m: if type=="array" then map(m) elif type=="object" then with_entries(select(.key=="a" or .key=="id")) | with_entries(if .key=="a" then .value |= n else . end) else . end; m"#,
    ),
    (
        "a(a(b))",
        r#"def o: if type=="array" then map(o) elif type=="object" then with_entries(select(.key=="b")) else . end;
           def n: if type=="array" then map(n) elif type=="object" then with_entries(select(.key=="a") | .value |= o) else . end;
           def m: if type=="array" then map(m) elif type=="object" then with_entries(select(.key=="a") | .value |= n) else . end; m"#,
    ),
    (
        "größe,日本,k17",
        r#"def m: if type=="array" then map(m) elif type=="object" then with_entries(select(.key=="größe" or .key=="日本" or .key=="k17")) else . end; m"#,
    ),
    ("none", r#"def m: if type=="array" then map(m) elif type=="object" then {} else . end; m"#),
];

async fn jq(program: &str, text: &str) -> Value {
    let mut command = Command::new("jq");
    command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let spawned = command.spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("jq: {error}; run scripts/test.sh"));
    let (mut stdin, input) = (child.stdin.take().unwrap(), text.to_owned());
    let feed = tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
    let output = within("jq", child.wait_with_output()).await.unwrap();
    let _ = feed.await;
    assert!(output.status.success(), "jq {program}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// With every number as jq has it: by its value, however it is spelled.
fn valued(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(all) => all.into_iter().map(valued).collect(),
        Value::Object(map) => map.into_iter().map(|(name, it)| (name, valued(it))).collect(),
        other => other,
    }
}

fn offer() -> Offer {
    Offer {
        fields: Some("fields".to_owned()),
        paging: Paging::OffsetLimit,
        at: Pointer::default(),
        filter: vec!["status".to_owned()],
        page_size: 20,
        max_page_size: 100,
        max_size: 64 << 20,
        too_large: TooLarge::Pass,
    }
}

async fn compare(query: &str, program: &str, text: &str) {
    let cut = offer().take(query).unwrap().cut.unwrap();
    let shaped = cut.of(&Bytes::from(text.to_owned())).unwrap();
    let ours: Value = serde_json::from_slice(&shaped.body).unwrap();
    let begins: String = text.chars().take(60).collect();
    assert!(valued(ours) == valued(jq(program, text).await), "{query} of {begins}");
}

#[tokio::test]
async fn masks_mean_what_jq_makes_of_them() {
    for text in corpus() {
        for (mask, program) in MASKS {
            compare(&format!("fields={mask}"), program, &text).await;
        }
    }
}

#[tokio::test]
async fn pages_and_filters_mean_what_jq_makes_of_them() {
    for text in corpus().iter().filter(|text| text.trim_start().starts_with('[')) {
        compare("offset=1&limit=2", ".[1:3]", text).await;
        let open = r#"map(select(type=="object" and .status=="open"))"#;
        compare("status=open", open, text).await;
        compare("status=open&offset=1", &format!("{open}|.[1:21]"), text).await;
        let program = format!(r#"{open}|.[0:20]|map(with_entries(select(.key=="id")))"#);
        compare("status=open&limit=20&fields=id", &program, text).await;
    }
}
