//! Batches, through sockets: many requests in one, each of them as if it came alone.

mod bounds;
mod credentials;
mod items;
mod unread;

use serde_json::Value;

use crate::support::{Answer, Ask, Origin, Proxy, Reply, send};

/// Batches are taken, and nothing else is said.
const TAKEN: &str = "[batch]\npath = \"/_batch\"\n";

/// A batch.
fn post(proxy: &Proxy, items: &Value) -> Ask {
    let ask = send(proxy, "POST", "/_batch").header("Content-Type", "application/json");
    ask.body(items.to_string())
}

/// Its answers.
fn told(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(answer.text()).expect("an array of answers")
}

fn statuses(answers: &[Value]) -> Vec<u64> {
    answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect()
}

/// JSON that says which path it is, fresh for a minute.
async fn named() -> Origin {
    Origin::serve(|seen| {
        let text = format!("{{\"path\":\"{}\"}}", seen.target);
        Reply::fresh(60, text).header("Content-Type", "application/json")
    })
    .await
}
