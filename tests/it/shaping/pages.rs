//! Pages and filters of a stored array.

use super::{OFFER, json};
use crate::support::{Answer, Origin, Proxy, Reply, get};

const ITEMS: &str = r#"{"kind":"list","items":[{"id":1,"status":"open"},{"id":2,"status":"done"},{"id":3,"status":"open"},{"id":4,"status":"open"},{"id":5}],"end":true}"#;

async fn before(shape: &str) -> (Origin, Proxy) {
    let origin = Origin::always(json(ITEMS)).await;
    let config = format!("[[routes]]\nmatch = {{ path = \"/**\" }}\nshape = {{ {shape} }}\n");
    let proxy = Proxy::with(&origin, &config).await;
    (origin, proxy)
}

fn told(answer: &Answer) -> (&str, Option<&str>, Option<&str>) {
    (answer.text(), answer.header("x-total-count"), answer.header("link"))
}

#[tokio::test]
async fn a_page_tells_of_the_others() {
    let (origin, proxy) = before("page = \"page_per_page\", at = \"/items\", fields = \"f\"").await;
    let answer = get(&proxy, "/l?x=1&page=2&f=items(id),end&per_page=2").await;
    let links = "</l?x=1&f=items(id),end&page=1&per_page=2>; rel=\"first\", \
                 </l?x=1&f=items(id),end&page=1&per_page=2>; rel=\"prev\", \
                 </l?x=1&f=items(id),end&page=3&per_page=2>; rel=\"next\", \
                 </l?x=1&f=items(id),end&page=3&per_page=2>; rel=\"last\"";
    let body = r#"{"items":[{"id":3},{"id":4}],"end":true}"#;
    assert_eq!(told(&answer), (body, Some("5"), Some(links)), "RFC 8288 §3");
    let last = get(&proxy, "/l?x=1&f=items(id),end&page=3&per_page=2").await;
    assert_eq!(last.text(), r#"{"items":[{"id":5}],"end":true}"#, "where the link leads");
    let past = get(&proxy, "/l?x=1&page=9&per_page=2&f=items").await;
    assert_eq!((past.status, past.text()), (200, r#"{"items":[]}"#), "past the end is nothing");
    assert_eq!(origin.requests(), 1, "all pages are one answer");
    assert_eq!(origin.last().target, "/l?x=1");
}

#[tokio::test]
async fn a_304_of_a_page_has_its_links_or_none() {
    let origin = Origin::serve(|seen| {
        let reply = match seen.header("if-none-match") {
            Some(_) => Reply::status(304),
            None => Reply::ok("[1,2,3]").header("Content-Type", "application/json"),
        };
        let reply = reply.header("ETag", "\"a\"").header("Link", "</style>; rel=\"preload\"");
        reply.header("Cache-Control", "max-age=60")
    })
    .await;
    let told = |answer: &Answer| {
        let names = ["etag", "link", "x-total-count"];
        names.map(|name| answer.headers(name).join(", "))
    };
    let proxy = Proxy::with(&origin, OFFER).await;
    let first = get(&proxy, "/?limit=1&offset=1").await;
    let tag = first.header("etag").unwrap().to_owned();
    assert_eq!(first.headers("link").len(), 2, "those of the whole, and those of the page");
    for seconds in [0, 61, 0] {
        proxy.advance(seconds);
        let same = get(&proxy, "/?limit=1&offset=1").header("If-None-Match", &tag).await;
        let why = "RFC 9110 §15.4.5; RFC 9111 §3.2, §4.3.4: what it has takes the place of the old";
        assert_eq!((same.status, told(&same)), (304, told(&first)), "{why}: after {seconds} s");
    }
    let other = Proxy::with(&origin, OFFER).await;
    get(&other, "/").await;
    let same = get(&other, "/?limit=1&offset=1").header("If-None-Match", &tag).await;
    let got = (same.status, same.header("etag"), same.header("link"));
    assert_eq!(got, (304, Some(&*tag), None), "RFC 9111 §3.2: what is not there stays");
    let field = get(&proxy, "/?fields=id").await;
    let tag = field.header("etag").unwrap();
    let same = get(&other, "/?fields=id").header("If-None-Match", tag).await;
    assert_eq!((same.status, told(&same)), (304, told(&field)), "no page, no links of its own");
}

#[tokio::test]
async fn what_stands_beside_the_array_stays() {
    let (_origin, proxy) = before("page = \"offset_limit\", at = \"/items\"").await;
    let answer = get(&proxy, "/?offset=4").await;
    assert_eq!(answer.text(), r#"{"kind":"list","items":[{"id":5}],"end":true}"#);
    assert_eq!(answer.header("x-total-count"), Some("5"));
    let whole = get(&proxy, "/").await;
    assert_eq!(told(&whole), (ITEMS, None, None), "who asks for no page gets none");
}

#[tokio::test]
async fn filters_come_before_pages_and_pages_before_fields() {
    let shape =
        "page = \"offset_limit\", at = \"/items\", fields = \"fields\", filter = [\"status\"]";
    let (origin, proxy) = before(shape).await;
    let answer = get(&proxy, "/?status=open&offset=1&limit=1&fields=items(id)").await;
    let links = "</?status=open&fields=items(id)&offset=0&limit=1>; rel=\"first\", \
                 </?status=open&fields=items(id)&offset=0&limit=1>; rel=\"prev\", \
                 </?status=open&fields=items(id)&offset=2&limit=1>; rel=\"next\", \
                 </?status=open&fields=items(id)&offset=2&limit=1>; rel=\"last\"";
    assert_eq!(told(&answer), (r#"{"items":[{"id":3}]}"#, Some("3"), Some(links)));
    let all = get(&proxy, "/?status=done&fields=items").await;
    let body = r#"{"items":[{"id":2,"status":"done"}]}"#;
    assert_eq!(told(&all), (body, Some("1"), None), "a filter alone has no pages");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn where_there_is_no_array_there_are_no_pages() {
    let (_origin, proxy) =
        before("page = \"offset_limit\", at = \"/nothing\", fields = \"f\"").await;
    let answer = get(&proxy, "/?limit=1&f=kind").await;
    assert_eq!(told(&answer), (r#"{"kind":"list"}"#, None, None), "the fields count all the same");
    let status = answer.header("cache-status").unwrap();
    assert!(status.ends_with("; detail=no-array"), "{status}");
}
