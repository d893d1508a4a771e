//! Fetches that nobody may follow, here by `collapse = "off"`: what others make invalid meanwhile,
//! and clients that leave.

use crate::support::{Gate, Origin, Proxy, Reply, get, send, within};

const OFF: &str = "[cache]\ncollapse = \"off\"";

/// An origin whose first GET waits for one gate, and whatever is no GET for the other.
async fn slow(first: &Gate, others: &Gate) -> Origin {
    let (first, others) = (first.clone(), others.clone());
    Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => Reply::fresh(600, "old state").held(&first),
        ("GET", _) => Reply::fresh(600, "new state"),
        _ => Reply::status(204).held(&others),
    })
    .await
}

#[tokio::test]
async fn what_is_invalidated_while_it_is_fetched_is_not_stored() {
    let (gate, open) = (Gate::new(), Gate::new());
    open.open();
    let origin = slow(&gate, &open).await;
    let proxy = Proxy::with(&origin, OFF).await;
    let mut before = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    assert_eq!(send(&proxy, "PUT", "/").body("new").await.status, 204);
    gate.open();
    assert_eq!(before.read().await.unwrap().text(), "old state");
    let next = get(&proxy, "/").await;
    assert_eq!(next.text(), "new state", "RFC 9111 §4.4: a client reads its own writes");
    assert!(get(&proxy, "/").await.is_hit(), "what began later is stored");
}

#[tokio::test]
async fn what_is_in_doubt_while_it_is_fetched_is_not_served_unseen() {
    let (gate, silent) = (Gate::new(), Gate::new());
    let origin = slow(&gate, &silent).await;
    let proxy = Proxy::with(&origin, OFF).await;
    let mut before = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let unsure = send(&proxy, "POST", "/").sent().await;
    silent.until_arrived(1).await;
    unsure.reset();
    origin.until_closed(1).await;
    gate.open();
    assert_eq!(before.read().await.unwrap().text(), "old state");
    assert!(!get(&proxy, "/").await.is_hit(), "RFC 9111 §4.4: nobody knows what it changed");
}

/// A fetch whose client has left while the origin was at work on it.
async fn left(gate: &Gate) -> (Origin, Proxy) {
    let origin = slow(gate, &Gate::new()).await;
    let proxy = Proxy::with(&origin, OFF).await;
    let client = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    client.reset();
    (origin, proxy)
}

#[tokio::test]
async fn what_its_client_left_is_stored_if_it_comes_soon() {
    let gate = Gate::new();
    let (origin, proxy) = left(&gate).await;
    proxy.settle().await;
    gate.open();
    let stored = async {
        loop {
            let asked = get(&proxy, "/").header("Cache-Control", "only-if-cached");
            let answer = asked.await;
            if answer.status == 200 {
                return answer;
            }
        }
    };
    let hit = within("the answer to be stored", stored).await;
    assert_eq!(hit.text(), "old state", "the origin's work is not lost");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn what_its_client_left_is_given_up_after_a_while() {
    let gate = Gate::new();
    let (origin, proxy) = left(&gate).await;
    proxy.let_it_wait(1).await;
    origin.until_closed(1).await;
}
