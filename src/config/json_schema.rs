//! `proxy.toml` as a JSON Schema, so that editors complete and check it while it is written.
//!
//! Made of the keys that the code declares when it is asked which it takes. What only the whole
//! file can tell (a name that nothing has, two routes for the same requests) is left to
//! `larder check`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    example::Sentences,
    reader::{Group, Key, Many, Values},
    schema::declared,
};

/// Names of the operator's choice, in a path.
const NAME: &str = "<name>";

/// The schema of the whole file (JSON Schema, draft 2020-12).
#[must_use]
pub fn json_schema() -> Value {
    let (keys, groups) = declared();
    let mut root = Node::default();
    for key in keys {
        root.add(key);
    }
    let from = From { groups, sentences: Sentences::read() };
    let mut schema = root.schema("", &from);
    if let Value::Object(schema) = &mut schema {
        schema.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
        schema.insert("title".into(), "proxy.toml, the configuration of Larder".into());
    }
    schema
}

/// What is known of keys besides the keys.
struct From {
    groups: Vec<Group>,
    sentences: Sentences,
}

/// A key, or a table of them.
#[derive(Default)]
struct Node {
    key: Option<Key>,
    below: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, key: Key) {
        let node = key
            .path
            .split('.')
            .fold(self, |node, name| node.below.entry(name.to_owned()).or_default());
        node.key = Some(key);
    }

    fn schema(&self, path: &str, from: &From) -> Value {
        if let Some(key) = &self.key {
            return value(key, &from.sentences);
        }
        let many = from.groups.iter().find(|group| group.path == path).map(|group| group.many);
        match (many, self.below.get(NAME)) {
            (Some(Many::Named), Some(each)) => json!({
                "type": "object",
                "additionalProperties": each.table(&format!("{path}.{NAME}"), from),
            }),
            (Some(Many::Listed), _) => {
                json!({ "type": "array", "items": self.table(path, from) })
            }
            (Some(Many::OneOrListed), _) => {
                let table = self.table(path, from);
                json!({ "anyOf": [table.clone(), { "type": "array", "items": table }] })
            }
            _ => self.table(path, from),
        }
    }

    fn table(&self, path: &str, from: &From) -> Value {
        let below = |(name, node): (&String, &Node)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            (name.clone(), node.schema(&path, from))
        };
        let properties: Map<String, Value> = self.below.iter().map(below).collect();
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

/// What a key takes. Any string may take its value from the environment.
fn value(key: &Key, sentences: &Sentences) -> Value {
    let mut schema = match &key.values {
        Values::Own => json!({}),
        Values::Text => json!({ "type": "string" }),
        Values::Texts => json!({
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        }),
        Values::Words(words) => json!({
            "anyOf": [{ "enum": words }, { "type": "string", "pattern": "\\$\\{" }],
        }),
        Values::Number => json!({ "type": ["string", "integer"] }),
        Values::Flag => json!({ "type": "boolean" }),
    };
    if let Value::Object(schema) = &mut schema {
        let mut text = sentences.of(&key.path).map(capital).unwrap_or_default();
        text.push_str(&format!("Takes {}.", key.takes));
        text.extend(key.default.as_ref().map(|it| format!(" Default: {it}.")));
        schema.insert("description".into(), text.into());
    }
    schema
}

/// A sentence on a line of its own.
fn capital(sentence: &str) -> String {
    let end = if sentence.ends_with(['.', '…']) { "" } else { "." };
    let mut letters = sentence.chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}{end}\n", letters.as_str())
}
