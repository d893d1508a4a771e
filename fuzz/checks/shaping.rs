//! What clients ask to be cut out of answers, and batches.

use bytes::Bytes;
use larder::{
    batch::{self, Rules},
    policy::encoding::Packing,
    shape::{Offer, Paging, Pointer, TooLarge, is_json},
};

use super::lines;

fn offer(paging: Paging, at: Pointer) -> Offer {
    Offer {
        fields: Some("fields".to_owned()),
        paging,
        at,
        filter: vec!["status".to_owned()],
        page_size: 20,
        max_page_size: 100,
        max_size: 1 << 20,
        too_large: TooLarge::Pass,
    }
}

/// A query, then the text that is cut.
pub(crate) fn mask(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (query, text) = text.split_once('\n').unwrap_or((text, ""));
    cut(&offer(Paging::OffsetLimit, Pointer::default()), query, text);
}

/// A JSON Pointer, a query, then the text that is cut.
pub(crate) fn page(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (at, rest) = text.split_once('\n').unwrap_or(("", text));
    let (query, text) = rest.split_once('\n').unwrap_or((rest, ""));
    let Ok(at) = Pointer::parse(at) else { return };
    assert_eq!(Pointer::parse(&at.to_string()).as_ref(), Ok(&at), "RFC 6901 §3: and back");
    for paging in [Paging::OffsetLimit, Paging::PagePerPage] {
        cut(&offer(paging, at.clone()), query, text);
    }
}

fn cut(offer: &Offer, query: &str, text: &str) {
    let Some(taken) = offer.take(query) else { return };
    assert_eq!(offer.take(&taken.rest), None, "nothing that is handled reaches the origin");
    let cut = match taken.cut {
        Ok(cut) => cut,
        Err(wrong) => {
            assert!(wrong.at >= 1 && !wrong.why.is_empty(), "{wrong:?}: it points at something");
            return;
        }
    };
    let whole = Bytes::copy_from_slice(text.as_bytes());
    match cut.of(&whole) {
        Ok(shaped) => {
            assert!(shaped.body.len() <= whole.len(), "less is not more");
            assert!(is_json(text), "what is cut is JSON");
            let read = std::str::from_utf8(&shaped.body).expect("it was UTF-8");
            assert!(is_json(read), "RFC 8259: and so is what comes out: {read}");
            assert_eq!(cut.of(&whole), Ok(shaped), "and always the same");
        }
        Err(_) => assert!(!is_json(text), "only what is not JSON is not cut"),
    }
}

/// What is posted as a batch.
pub(crate) fn batch(data: &[u8]) {
    let rules = Rules {
        path: "/_batch".to_owned(),
        max_items: 10,
        max_body: 1 << 16,
        max_answer: 1 << 20,
        timeout: std::time::Duration::from_secs(1),
        parallel: 2,
        packing: Packing::default(),
    };
    match batch::items(data, &rules) {
        Ok(items) => {
            assert!(items.len() <= rules.max_items, "no more than there may be");
            for item in items {
                let target = item.target.as_str();
                assert!(
                    target.starts_with('/') && !target.starts_with("//"),
                    "{target}: this host"
                );
                assert_ne!(item.target.path(), rules.path, "no batch in a batch");
                assert!(["GET", "HEAD"].contains(&item.method.as_str()), "it is safe");
                let allowed = item.fields.keys().all(|name| batch::ALLOWED.contains(name));
                assert!(allowed, "{:?}: it says nothing of who asks", item.fields);
            }
        }
        Err(wrong) => {
            let most = lines(data).count() + data.len();
            assert!(wrong.item.is_none_or(|item| item < most), "{wrong:?}: an item that is there");
            assert!(!wrong.why.is_empty(), "a refusal has a reason");
        }
    }
}
