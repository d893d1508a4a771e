//! Pages: which elements of an array, and the links to the other pages (RFC 8288).

use http::{HeaderValue, uri::PathAndQuery};

use super::{Paging, query};

/// A page of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The element that it begins with, from 0.
    first: u64,
    /// How many it has, at least 1.
    size: u64,
    /// By which parameters it is asked for.
    by: By,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Offset,
    Number,
}

impl Page {
    /// `offset=40&limit=20`
    pub(super) fn of_offset(first: u64, size: u64) -> Page {
        Page { first, size, by: By::Offset }
    }

    /// `page=3&per_page=20`: pages count from 1.
    pub(super) fn of_number(number: u64, size: u64) -> Page {
        let first = number.saturating_sub(1).saturating_mul(size);
        Page { first, size, by: By::Number }
    }

    /// Where it begins, and how many elements it has.
    pub(super) fn window(self) -> (u64, u64) {
        (self.first, self.size)
    }

    /// Whether an element is on it.
    pub(super) fn holds(self, index: u64) -> bool {
        index >= self.first && index - self.first < self.size
    }

    /// Where the other pages of an array of `total` elements begin, each with its relation.
    fn others(self, total: u64) -> Vec<(&'static str, u64)> {
        let Page { first, size, .. } = self;
        let last = total.saturating_sub(1) / size * size;
        let mut others = vec![("first", 0)];
        if first > 0 {
            // Past the end, the last page is the one before.
            others.push(("prev", first.saturating_sub(size).min(last)));
        }
        if first.saturating_add(size) < total {
            others.push(("next", first + size));
        }
        others.push(("last", last));
        others
    }

    fn parameters(self, first: u64) -> String {
        let size = self.size;
        match self.by {
            By::Offset => format!("offset={first}&limit={size}"),
            By::Number => format!("page={}&per_page={size}", first / size + 1),
        }
    }
}

impl Paging {
    /// The parameters that say which page.
    #[must_use]
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Paging::Off => &[],
            Paging::OffsetLimit => &["offset", "limit"],
            Paging::PagePerPage => &["page", "per_page"],
        }
    }
}

/// The value of Link beside a page of an array of `total` elements: the same target with its other
/// parameters.
#[must_use]
pub(super) fn links(page: Page, total: u64, target: &PathAndQuery) -> Option<HeaderValue> {
    let paging = match page.by {
        By::Offset => Paging::OffsetLimit,
        By::Number => Paging::PagePerPage,
    };
    let mut base = format!("{}?", target.path());
    let others = target.query().unwrap_or_default().split('&');
    let is_own = |pair: &str| paging.parameters().contains(&&*query::decoded(query::name(pair)));
    for pair in others.filter(|pair| !pair.is_empty() && !is_own(pair)) {
        base.push_str(pair);
        base.push('&');
    }
    let base = base.replace('<', "%3C").replace('>', "%3E");
    let link = |(relation, first): (&str, u64)| {
        format!("<{base}{}>; rel=\"{relation}\"", page.parameters(first))
    };
    let links: Vec<String> = page.others(total).into_iter().map(link).collect();
    HeaderValue::from_bytes(links.join(", ").as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use http::uri::PathAndQuery;

    use super::{Page, links};

    fn told(page: Page, total: u64) -> String {
        let others = page.others(total).into_iter();
        let others = others.map(|(relation, first)| format!("{relation} {first}"));
        others.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn every_page_knows_the_others() {
        let rows = [
            ((0, 10), 25, "first 0, next 10, last 20"),
            ((10, 10), 25, "first 0, prev 0, next 20, last 20"),
            ((20, 10), 25, "first 0, prev 10, last 20"),
            ((20, 10), 30, "first 0, prev 10, last 20"),
            ((5, 10), 25, "first 0, prev 0, next 15, last 20"),
            ((90, 10), 25, "first 0, prev 20, last 20"),
            ((0, 10), 10, "first 0, last 0"),
            ((0, 10), 0, "first 0, last 0"),
            ((30, 10), 0, "first 0, prev 0, last 0"),
            ((u64::MAX, 10), 25, "first 0, prev 20, last 20"),
            ((0, u64::MAX), 25, "first 0, last 0"),
        ];
        for ((first, size), total, expected) in rows {
            let page = Page::of_offset(first, size);
            assert_eq!(told(page, total), expected, "{first} {size} of {total}");
        }
        assert_eq!(Page::of_number(1, 20).window(), (0, 20), "pages count from 1");
        assert_eq!(Page::of_number(3, 20).window(), (40, 20));
        assert_eq!(Page::of_number(u64::MAX, 20).window().0, u64::MAX);
    }

    #[test]
    fn links_keep_the_other_parameters() {
        let target = |text: &str| PathAndQuery::try_from(text).unwrap();
        let page = Page::of_number(1, 2);
        assert_eq!(
            links(page, 4, &target("/a?x=%20&page=1&fields=b,c&p%61ge=9&&per_page=2")).unwrap(),
            "</a?x=%20&fields=b,c&page=1&per_page=2>; rel=\"first\", \
             </a?x=%20&fields=b,c&page=2&per_page=2>; rel=\"next\", \
             </a?x=%20&fields=b,c&page=2&per_page=2>; rel=\"last\"",
            "RFC 8288 §3: targets are references, relative to what was asked for"
        );
        assert_eq!(
            links(Page::of_offset(2, 2), 4, &target("/a")).unwrap(),
            "</a?offset=0&limit=2>; rel=\"first\", </a?offset=0&limit=2>; rel=\"prev\", \
             </a?offset=2&limit=2>; rel=\"last\""
        );
    }
}
