//! Less than the whole, through sockets: fields, pages and filters cut out of the one stored answer.

mod conditions;
mod fields;
mod jq;
mod pages;
mod ready;
mod refused;
mod unread;
mod untouched;

use crate::support::{Origin, Proxy, Reply};

/// Every route offers everything.
const OFFER: &str = "[[routes]]\nmatch = { path = \"/**\" }\n\
    shape = { fields = \"fields\", page = \"offset_limit\", filter = [\"status\"] }\n";

const USER: &str = r#"{"id":1,"name":"Ada","address":{"city":"London","zip":"x"},"score":1.50}"#;

/// JSON, fresh for a minute.
fn json(text: impl Into<String>) -> Reply {
    Reply::fresh(60, text.into()).header("Content-Type", "application/json")
}

/// An API that always says this, and a proxy before it that offers everything.
async fn before(reply: Reply) -> (Origin, Proxy) {
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, OFFER).await;
    (origin, proxy)
}
