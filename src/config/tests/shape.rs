//! `shape` of a route: what it becomes, and what it refuses.

use super::*;
use crate::shape::{Offer, Paging, Pointer, TooLarge};

const ROUTE: &str = "[[routes]]\nmatch.path = '/a'\n[routes.shape]\n";

fn offer(text: &str) -> Offer {
    let config = with(&format!("{ROUTE}{text}")).unwrap();
    assert_eq!(config.routes[1].shape, None, "the others offer nothing");
    config.routes[0].shape.clone().expect("it offers something")
}

#[test]
fn a_shape_is_what_its_route_offers() {
    let least = Offer {
        fields: Some("fields".to_owned()),
        paging: Paging::Off,
        at: Pointer::default(),
        filter: Vec::new(),
        page_size: 20,
        max_page_size: 100,
        max_size: 8 << 20,
        too_large: TooLarge::Pass,
    };
    assert_eq!(offer("fields = 'fields'"), least);
    let most = Offer {
        fields: Some("f".to_owned()),
        paging: Paging::OffsetLimit,
        at: Pointer::parse("/data/items").unwrap(),
        filter: vec!["status".to_owned(), "größe".to_owned()],
        page_size: 5,
        max_page_size: 5,
        max_size: 1 << 20,
        too_large: TooLarge::Refuse,
    };
    let text = "fields = 'f'\npage = 'offset_limit'\nat = '/data/items'\n\
                filter = ['status', 'größe']\npage_size = 5\nmax_page_size = 5\n\
                max_size = '1MiB'\ntoo_large = 'refuse'";
    assert_eq!(offer(text), most);
    let route = "[[routes]]\nmatch.path = '/a'\nshape = { page = 'page_per_page' }";
    let config = with(route).unwrap();
    let paging = config.routes[0].shape.as_ref().map(|offer| offer.paging);
    assert_eq!(paging, Some(Paging::PagePerPage), "a table on one line");
}

const MISTAKES: &[(&str, &[&str])] = &[
    (
        "",
        &["p:5: routes.shape: is empty: write what clients may ask for, as in fields = \"fields\""],
    ),
    (
        "fields = 'a&b'",
        &[
            "p:6: routes.shape.fields: \"a&b\" is no name of a parameter here: write 1 to 64 bytes, none of [ ] & = + % #",
        ],
    ),
    (
        "page = 'cursor'",
        &[
            "p:6: routes.shape.page: \"cursor\" is not a value that it has: write \"off\" or \"offset_limit\" or \"page_per_page\"",
        ],
    ),
    (
        "page = 'offset_limit'\nat = 'items'",
        &[
            "p:7: routes.shape.at: \"items\" is no JSON Pointer: write one such as \"/items\", or \"\" for the document itself",
        ],
    ),
    (
        "fields = 'f'\nat = '/items'",
        &["p:7: routes.shape.at: does nothing without page or filter: write one of them"],
    ),
    (
        "fields = 'f'\npage_size = 7",
        &["p:7: routes.shape.page_size: does nothing without page: write how pages are asked for"],
    ),
    (
        "page = 'offset_limit'\npage_size = 101",
        &[
            "p:7: routes.shape.page_size: makes page_size more than max_page_size: change one of them",
        ],
    ),
    (
        "page = 'offset_limit'\nmax_page_size = 9",
        &[
            "p:7: routes.shape.max_page_size: makes page_size more than max_page_size: change one of them",
        ],
    ),
    (
        "fields = 'page'\npage = 'page_per_page'",
        &["p:6: routes.shape.fields: is a parameter of page, too: choose another name"],
    ),
    (
        "fields = 'f'\nfilter = ['f']",
        &[
            "p:7: routes.shape.filter: names a parameter of fields or page: remove it, or rename those",
        ],
    ),
    (
        "filter = ['a', 'a']",
        &["p:6: routes.shape.filter: \"a\" is there twice: remove one of the two"],
    ),
];

#[test]
fn what_makes_no_sense_is_refused() {
    for (text, expected) in MISTAKES {
        let found = with(&format!("{ROUTE}{text}")).err().unwrap_or_default();
        assert_eq!(found, *expected, "{text}");
    }
    let top = with("[shape]\nfields = 'f'").unwrap_err();
    assert_eq!(top.len(), 1, "it is of a route alone: {top:?}");
}
