//! What operators and other nodes say: the body of a purge, a signed webhook, entries of the log
//! in Redis.

use http::HeaderValue;
use larder::{
    admin::{order, webhook::Signed},
    config::Secret,
    proxy::purge::What,
    store::redis::event::{Heard, Said},
};

use super::lines;

/// The body of `/v1/purge`.
pub(crate) fn purge_order(data: &[u8]) {
    let read = order::read(data);
    assert_eq!(read, order::read(data), "and always the same");
    match read {
        Ok(order) => {
            assert!(std::str::from_utf8(data).is_ok(), "RFC 8259 §8.1: JSON is UTF-8");
            if let What::Tags { tags, .. } = &order.what {
                let short = tags.iter().all(|tag| (1..=1024).contains(&tag.len()));
                assert!(short && (1..=64).contains(&tags.len()), "{} tags", tags.len());
            }
            let spaced = [b"\n ", data, b"\t "].concat();
            assert_eq!(order::read(&spaced), Ok(order), "RFC 8259 §2: space says nothing");
            assert!(order::read(&[data, b"x"].concat()).is_err(), "nothing follows it");
            assert!(
                order::read(&data[..data.trim_ascii_end().len() - 1]).is_err(),
                "it is cut off"
            );
        }
        Err(problem) => {
            assert_eq!(problem.status, 400);
            assert!(!problem.detail.is_empty(), "the reason is said");
        }
    }
}

/// X-Larder-Timestamp, X-Larder-Signature, and the body: nobody guesses a signature.
pub(crate) fn webhook(data: &[u8]) {
    let mut rest = data.splitn(3, |byte| *byte == b'\n');
    let mut next = || rest.next().unwrap_or_default();
    let (timestamp, signature, body) = (next(), next(), next());
    let mut headers = http::HeaderMap::new();
    for (name, value) in [("x-larder-timestamp", timestamp), ("x-larder-signature", signature)] {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.append(name, value);
    }
    let digits = !timestamp.is_empty() && timestamp.iter().all(u8::is_ascii_digit);
    let seconds = std::str::from_utf8(timestamp).ok().and_then(|it| it.parse::<u64>().ok());
    let in_time = digits && seconds.is_some_and(|it| it <= u64::from(u32::MAX));
    let hex = signature.strip_prefix(b"sha256=");
    let hex = hex.is_some_and(|it| it.len() == 64 && it.iter().all(u8::is_ascii_hexdigit));
    let signed = Signed::of(&headers);
    assert_eq!(signed.is_ok(), in_time && hex, "{headers:?}");
    let Ok(signed) = signed else { return };
    let secret = Secret::new("a secret that nobody knows");
    assert!(signed.verify(&secret, body).is_err(), "no forgery");
    headers.append("x-larder-timestamp", HeaderValue::from_static("1"));
    assert!(Signed::of(&headers).is_err(), "two times are none");
}

/// The fields of an entry of the log, a line a name or a value, and its place.
pub(crate) fn redis_event(data: &[u8]) {
    let fields: Vec<Vec<u8>> = lines(data).map(<[u8]>::to_vec).collect();
    let value = |name: &[u8]| {
        let pair = fields.chunks_exact(2).find(|pair| pair[0] == name);
        pair.map(|pair| pair[1].clone()).unwrap_or_default()
    };
    let number = |name| String::from_utf8(value(name)).ok().and_then(|it| it.parse::<u64>().ok());
    match Said::of(&fields) {
        Said::Nothing => {}
        Said::Purged(seq, members) => {
            assert_eq!((value(b"t"), number(b"s")), (b"p".to_vec(), Some(seq.0)));
            let written: Vec<u8> = members.iter().flat_map(|it| it.bytes()).collect();
            assert_eq!(written, value(b"m"), "every byte of it is a member's");
        }
        Said::Changed(key, version) => {
            assert_eq!((&key.as_bytes()[..], value(b"t")), (&*value(b"k"), b"k".to_vec()));
            assert_eq!(version.to_be_bytes()[..], value(b"v"));
        }
        Said::Invalidated(key) => {
            assert_eq!((&key.as_bytes()[..], value(b"t")), (&*value(b"k"), b"k".to_vec()));
            assert!(!fields.chunks_exact(2).any(|pair| pair[0] == b"v"), "it has a version");
        }
        Said::Acknowledged(seq) => {
            assert_eq!((value(b"t"), number(b"s")), (b"a".to_vec(), Some(seq.0)));
        }
        Said::Released(key) => {
            assert_eq!((&key.as_bytes()[..], value(b"t")), (&*value(b"k"), b"l".to_vec()));
        }
    }
    let Some(heard) = std::str::from_utf8(data).ok().and_then(Heard::parse) else { return };
    assert_eq!(Heard::parse(&heard.text()), Some(heard), "written and read again");
}
