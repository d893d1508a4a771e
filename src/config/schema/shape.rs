//! `shape` of a route: what less of an answer its clients may ask for.

use super::list::list;
use crate::{
    config::{
        reader::Section,
        units::{count, size},
    },
    shape::{Offer, Paging, Pointer, TooLarge},
};

/// The most members that elements can be chosen by.
const MOST: usize = 16;

/// The longest name of a parameter, in bytes.
const MAX_NAME: usize = 64;

/// Elements of a page where neither client nor operator says.
const PAGE_SIZE: usize = 20;

/// Elements of a page at most, where the operator says nothing.
const MAX_PAGE_SIZE: usize = 100;

/// What a route offers; `None` where it offers nothing.
pub(super) fn read(mut section: Section<'_>) -> Option<Offer> {
    let takes = "the name of a query parameter such as \"fields\"";
    let fields = section.text("fields", takes, None).and_then(|text| text.read(parameter));
    let words = [
        ("off", Paging::Off),
        ("offset_limit", Paging::OffsetLimit),
        ("page_per_page", Paging::PagePerPage),
    ];
    let paging = section.word("page", &words, Paging::Off);
    let takes = "a JSON Pointer such as \"/items\"";
    let at = section.text("at", takes, Some("")).and_then(|text| text.read(Pointer::parse));
    let takes = "an array of members such as [\"status\", \"type\"]";
    let filter = list(&mut section, ("filter", takes, MOST), parameter).unwrap_or_default();
    let number = count(1, 1_000_000);
    let page_size = section.number("page_size", &number, PAGE_SIZE);
    let max_page_size = section.number("max_page_size", &number, MAX_PAGE_SIZE);
    let max_size = section.number("max_size", &size(1 << 10, 256 << 20), 8 << 20);
    let words = [("pass", TooLarge::Pass), ("refuse", TooLarge::Refuse)];
    let too_large = section.word("too_large", &words, TooLarge::Pass);
    let offer = Offer {
        fields,
        paging,
        at: at.unwrap_or_default(),
        filter,
        page_size: page_size as u64,
        max_page_size: max_page_size as u64,
        max_size,
        too_large,
    };
    agree(&section, &offer);
    section.finish();
    let chooses = offer.paging != Paging::Off || !offer.filter.is_empty();
    (chooses || offer.fields.is_some()).then_some(offer)
}

/// Reports keys that contradict each other, or do nothing.
fn agree(section: &Section<'_>, offer: &Offer) {
    let Offer { fields, paging, filter, .. } = offer;
    if section.is_empty() {
        section.report_whole("is empty: write what clients may ask for, as in fields = \"fields\"");
    }
    let pages = paging.parameters();
    let field = fields.as_deref().unwrap_or_default();
    if pages.contains(&field) {
        section.report("fields", "is a parameter of page, too: choose another name");
    }
    if filter.iter().any(|name| name == field || pages.contains(&name.as_str())) {
        section.report("filter", "names a parameter of fields or page: remove it, or rename those");
    }
    if *paging == Paging::Off && filter.is_empty() && offer.at != Pointer::default() {
        section.report("at", "does nothing without page or filter: write one of them");
    }
    let sizes = [
        ("page_size", offer.page_size, PAGE_SIZE),
        ("max_page_size", offer.max_page_size, MAX_PAGE_SIZE),
    ];
    for (key, written, default) in sizes {
        if *paging == Paging::Off && written != default as u64 {
            section.report(key, "does nothing without page: write how pages are asked for");
        }
    }
    if offer.page_size > offer.max_page_size {
        let key = if section.has("page_size") { "page_size" } else { "max_page_size" };
        section.report(key, "makes page_size more than max_page_size: change one of them");
    }
}

/// The name of a parameter, decoded: requests may spell it in any way.
fn parameter(text: &str) -> Result<String, String> {
    let is_bad = |letter: char| letter.is_control() || "[]&=+%#".contains(letter);
    if text.is_empty() || text.len() > MAX_NAME || text.contains(is_bad) {
        return Err(
            "is no name of a parameter here: write 1 to 64 bytes, none of [ ] & = + % #".to_owned()
        );
    }
    Ok(text.to_owned())
}
