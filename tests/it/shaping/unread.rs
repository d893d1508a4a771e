//! Clients that do not read: what was cut for them alone counts as on its way.

use super::json;
use crate::support::{Client, Origin, Proxy, get, pause, within};

const LARGE: usize = 7 << 20;

#[tokio::test]
async fn what_was_cut_for_one_client_counts_until_that_has_gone() {
    let text = format!("{{\"a\":\"{}\",\"b\":1}}", "x".repeat(LARGE));
    let private = json(text.clone()).header("Cache-Control", "private");
    let origin = Origin::always(private).await;
    let config = format!("{}[cache.memory]\nmax_in_flight = \"40MiB\"\n", super::OFFER);
    let proxy = Proxy::with(&origin, &config).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        // One after the other: together they might refuse each other.
        let mut client = Client::connect_narrow(&proxy).await;
        client.ask("GET", "/?fields=a", &[]).await;
        clients.push(client.arriving().await.unwrap());
    }
    let until = async |status: &str, length: usize| {
        within(format!("an answer that says {status}"), async {
            loop {
                let answer = get(&proxy, "/?fields=a").await;
                if answer.header("cache-status").is_some_and(|it| it.ends_with(status)) {
                    break assert_eq!(answer.body.len(), length, "{status}");
                }
                pause().await;
            }
        })
        .await;
    };
    until("detail=shape-busy", text.len()).await;
    drop(clients);
    until("detail=private", text.len() - ",\"b\":1".len()).await;
}
