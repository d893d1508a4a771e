//! Who sends a batch: what each of its items says of that, and of nothing else.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Version, header, request};

use super::Item;
use crate::fields;

/// What a batch's fields say of the batch alone: of its content, of what its own answer is to be,
/// and of where it was posted. Besides, all of `content-*`, `if-*`, and of one hop.
const OF_THE_BATCH: [HeaderName; 20] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::PRAGMA,
    header::EXPECT,
    header::RANGE,
    header::TRAILER,
    header::MAX_FORWARDS,
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("want-content-digest"),
    HeaderName::from_static("want-repr-digest"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("signature"),
    HeaderName::from_static("signature-input"),
    HeaderName::from_static("x-forwarded-method"),
    HeaderName::from_static("x-forwarded-path"),
    HeaderName::from_static("x-forwarded-uri"),
    HeaderName::from_static("x-original-uri"),
];

/// The sender of a batch.
#[derive(Clone, Debug)]
pub struct Sender {
    fields: HeaderMap,
}

impl Sender {
    /// What a batch's head says of who sent it: credentials, addresses, languages, and whatever
    /// else is not of the batch itself.
    #[must_use]
    pub fn of(head: &request::Parts) -> Sender {
        let mut fields = head.headers.clone();
        fields::remove_hop_by_hop(&mut fields);
        // Its items come by HTTP/1.1, where a cookie is one field (RFC 9113 §8.2.3).
        fields::join_cookies(&mut fields, head.version);
        let of_the_batch: Vec<HeaderName> =
            fields.keys().filter(|name| is_of_the_batch(name)).cloned().collect();
        of_the_batch.iter().for_each(|name| drop(fields.remove(name)));
        if let (false, Some(authority)) = (fields.contains_key(header::HOST), head.uri.authority())
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            fields.insert(header::HOST, host);
        }
        // A batch is packed as a whole.
        fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Sender { fields }
    }

    /// An item as a request of its own.
    #[must_use]
    pub fn request(&self, item: &Item) -> request::Parts {
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = item.method.clone();
        head.uri = item.target.clone().into();
        head.version = Version::HTTP_11;
        head.headers = self.fields.clone();
        for (name, value) in &item.fields {
            head.headers.insert(name, value.clone());
        }
        head
    }
}

fn is_of_the_batch(name: &HeaderName) -> bool {
    let begins = |start: &str| name.as_str().starts_with(start);
    OF_THE_BATCH.contains(name) || begins("content-") || begins("if-")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::Sender;
    use crate::batch::{item::tests::rules, items};

    #[test]
    fn items_speak_for_the_sender_and_for_nobody_else() {
        let batch = Request::post("http://api.test/_batch")
            .header("authorization", "Bearer alice")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("x-tenant", "one")
            .header("accept-language", "de")
            .header("x-forwarded-for", "10.1.1.1")
            .header("user-agent", "x")
            .header("accept", "application/x-ndjson")
            .header("accept-encoding", "gzip")
            .header("cache-control", "no-cache")
            .header("content-type", "application/json")
            .header("content-length", "9")
            .header("if-match", "\"v\"")
            .header("range", "bytes=0-1")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("te", "trailers")
            .header("x-forwarded-uri", "/_batch")
            .body(())
            .unwrap();
        let (head, ()) = batch.into_parts();
        let posted = br#"[{"path":"/a?b","headers":{"accept-language":"fr","if-none-match":"*"}}]"#;
        let items = items(posted, &rules()).unwrap();
        let request = Sender::of(&head).request(&items[0]);
        let mut lines: Vec<String> = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        let expected = [
            "accept-encoding: identity",
            "accept-language: fr",
            "authorization: Bearer alice",
            "cookie: a=1",
            "cookie: b=2",
            "host: api.test",
            "if-none-match: *",
            "user-agent: x",
            "x-forwarded-for: 10.1.1.1",
            "x-tenant: one",
        ];
        assert_eq!(lines, expected);
        assert_eq!((request.method.as_str(), request.uri.to_string()), ("GET", "/a?b".to_owned()));
    }
}
