//! Clients that do not read: what waits for them counts as on its way.

use serde_json::{Value, json};

use super::{TAKEN, post, statuses, told};
use crate::support::{Client, Origin, Proxy, Reply, get, pause, within};

const LARGE: usize = 8 << 20;

#[tokio::test]
async fn what_waits_for_a_client_counts_until_that_has_gone() {
    let text = Reply::ok("x".repeat(LARGE));
    let json = Reply::ok(format!("\"{}\"", "x".repeat(LARGE)));
    counts_until_it_has_gone(text).await;
    counts_until_it_has_gone(json.header("Content-Type", "application/json")).await;
}

async fn counts_until_it_has_gone(large: Reply) {
    let large = large.header("Cache-Control", "no-store");
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/a" => large.clone(),
        _ => Reply::fresh(60, vec![b'x'; LARGE]),
    })
    .await;
    let config =
        format!("{TAKEN}max_answer = \"16MiB\"\n[cache.memory]\nmax_in_flight = \"40MiB\"\n");
    let proxy = Proxy::with(&origin, &config).await;
    let items = json!(["/a"]);
    let mut clients = Vec::new();
    for _ in 0..6 {
        // One after the other: together they might refuse each other.
        let mut client = Client::connect_narrow(&proxy).await;
        ask(&mut client, &items).await;
        let mut answer = client.arriving().await.unwrap();
        // That much is there once its item is.
        answer.body("[{\"id\":0,\"status\":".len()).await;
        clients.push(answer);
    }
    let status = async || statuses(&told(&post(&proxy, &items).await))[0];
    assert_eq!(status().await, 503, "nobody reads");
    assert_eq!(status().await, 503, "as long as nobody reads");
    assert!(is_stored(&proxy).await, "what is for all has room of its own");
    drop(clients);
    within("an item to be answered", async {
        while status().await != 200 {
            pause().await;
        }
    })
    .await;
}

/// Whether what may be stored is.
async fn is_stored(proxy: &Proxy) -> bool {
    get(proxy, "/stored").await;
    get(proxy, "/stored").await.is_hit()
}

/// Posts a batch and reads nothing.
async fn ask(client: &mut Client, items: &Value) {
    let text = items.to_string();
    let length = text.len();
    let fields = "Host: api.test\r\nContent-Type: application/json";
    let post = format!("POST /_batch HTTP/1.1\r\n{fields}\r\nContent-Length: {length}\r\n\r\n");
    client.write(post + &text).await;
}
