//! `[batch]`: what it becomes, and what it refuses.

use std::time::Duration;

use super::*;
use crate::batch::Rules;

#[test]
fn a_path_turns_batches_on() {
    assert_eq!(with("").unwrap().batch, None, "off until it is written");
    let least = with("[batch]\npath = '/_batch'").unwrap().batch.unwrap();
    let expected = Rules {
        path: "/_batch".to_owned(),
        max_items: 100,
        max_body: 256 << 10,
        max_answer: 8 << 20,
        timeout: Duration::from_secs(30),
        parallel: 16,
        packing: Packing::default(),
    };
    assert_eq!(least, expected);
    let most = with(
        "[batch]\npath = '/v1/all.json'\nmax_items = 7\nmax_body = '2KiB'\nmax_answer = '1MiB'\n\
         timeout = '5s'\nparallel = 3\n[compression]\nencodings = []",
    );
    let expected = Rules {
        path: "/v1/all.json".to_owned(),
        max_items: 7,
        max_body: 2 << 10,
        max_answer: 1 << 20,
        timeout: Duration::from_secs(5),
        parallel: 3,
        packing: Packing { encodings: Vec::new(), ..Packing::default() },
    };
    assert_eq!(most.unwrap().batch.unwrap(), expected);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let no_path = "is no path for batches: write one such as \"/_batch\", of letters, digits, and \
                   - _ . ~ between slashes";
    for text in ["_batch", "/", "/a//b", "/a/../b", "/a?b", "/*", "/ä"] {
        let found = with(&format!("[batch]\npath = '{text}'")).unwrap_err();
        assert_eq!(found, [format!("p:4: batch.path: {text:?} {no_path}")]);
    }
    let alone = with("[batch]\nmax_items = 7").unwrap_err();
    let expected =
        "p:4: batch.max_items: does nothing without batch.path: write where batches are posted";
    assert_eq!(alone, [expected]);
    assert_eq!(with("[[routes]]\nmatch.path = '/a'\nbatch = {}").unwrap_err().len(), 1);
}
