//! What one request wants to be cut, from its arrival to its answer.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header, uri::PathAndQuery};

use super::{Cut, Malformed, Query, Shaped, page};
use crate::policy::{coded_tag::ShapeTag, validation};

/// How many elements there are in all.
const X_TOTAL_COUNT: &str = "x-total-count";

/// The conditions of one request, as they came; none, mostly.
#[derive(Debug, Default)]
pub struct Conditions(pub HeaderMap);

/// What one request wants to be cut.
#[derive(Debug)]
pub struct Wanted {
    /// What it asks for.
    pub query: Arc<Query>,
    /// It is a HEAD, answered as a GET would be but for the body.
    pub is_head: bool,
    /// By which it says that its client may have it already.
    pub conditions: Conditions,
    /// It has Range or If-Range, which are of no cut, but of the whole.
    pub ranged: bool,
    /// Path and query as the client sent them: what links are made of.
    pub target: PathAndQuery,
}

impl Conditions {
    /// Those of a request's head.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Conditions {
        Conditions(validation::conditions(request))
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they name a cut.
    #[must_use]
    pub fn name(&self, tag: ShapeTag) -> bool {
        validation::names_shape(&self.0, tag)
    }

    /// The same, where it is answered with a cut.
    #[must_use]
    pub fn of_cut(&self, tag: ShapeTag) -> HeaderMap {
        let mut conditions = self.0.clone();
        validation::ask_for_whole(&mut conditions, tag);
        conditions
    }
}

impl Wanted {
    /// The cut that it asks for.
    ///
    /// # Errors
    /// Why that makes no sense.
    pub fn cut(&self) -> Result<&Cut, &Malformed> {
        self.query.taken.cut.as_ref()
    }

    /// Describes a page: its links, and how many elements there are.
    pub fn describe(&self, shaped: &Shaped, response: &mut HeaderMap) {
        let Some(total) = shaped.total else { return };
        response.insert(X_TOTAL_COUNT, HeaderValue::from(total));
        let page = self.cut().ok().and_then(Cut::page);
        let links = page.and_then(|page| page::links(page, total, &self.target));
        if let Some(links) = links {
            response.append(header::LINK, links);
        }
    }
}

impl Cut {
    /// What tells it within entity-tags.
    #[must_use]
    pub fn tag(&self) -> ShapeTag {
        let mut tag = [0; 16];
        for (index, digit) in tag.iter_mut().enumerate() {
            let byte = self.name[index / 2];
            let half = if index % 2 == 0 { byte >> 4 } else { byte & 15 };
            *digit = b"0123456789abcdef"[usize::from(half)];
        }
        tag
    }
}
