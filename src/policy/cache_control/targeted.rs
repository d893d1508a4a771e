//! Targeted fields (RFC 9213): Cache-Control for us alone, as a structured field.
//!
//! The first field of the target list that parses and is not empty is the policy, and then
//! Cache-Control and Expires are not looked at (§2.2). A value of the wrong type is not consumed
//! (§2.1): what would permit or prolong does not count then. What would forbid counts whatever
//! its value (but for `?0`), since a cache is always free not to reuse.
//!
//! Age is told as ever (§2.3): to other caches a response may so look stale earlier than to us,
//! which costs them a validation, but is the truth.

use std::convert::Infallible;

use http::{HeaderMap, HeaderName};
use sfv::{
    BareItemFromInput, KeyRef, Parser,
    visitor::{DictionaryVisitor, EntryVisitor, Ignored, InnerListVisitor, ItemVisitor},
};

use super::{ResponseDirectives, withheld};
use crate::policy::{field::MAX_DELTA_SECONDS, structured};

/// The field for Larder alone. It is used up here: clients do not get it.
pub const LARDER_CACHE_CONTROL: HeaderName = HeaderName::from_static("larder-cache-control");

/// The targeted fields that count here, the first one before the others (§2.2). CDN-Cache-Control
/// is passed on: a CDN before us is meant, too (§3).
pub(in crate::policy) static TARGET_LIST: [HeaderName; 2] =
    [LARDER_CACHE_CONTROL, HeaderName::from_static("cdn-cache-control")];

/// What the names of all of them end with.
const SUFFIX: &str = "-cache-control";

/// Whether a name is worth a closer look, as few are.
pub(super) fn may_count(name: &str) -> bool {
    name.ends_with(SUFFIX)
}

/// The directives of the targeted field that counts, and the field names in them; `None` where
/// no targeted field does.
pub(super) fn read(headers: &HeaderMap) -> Option<(ResponseDirectives, Vec<HeaderName>)> {
    // Most have none, and to see that costs less than to look for each.
    if !headers.keys().any(|name| may_count(name.as_str())) {
        return None;
    }
    TARGET_LIST.iter().find_map(|name| {
        let text = structured::joined(headers, name)?;
        Parser::new(&text).parse_dictionary_with_visitor(Dictionary::default()).ok().flatten()
    })
}

/// The members so far; of equal keys the last one counts (RFC 9651 §4.2.2).
#[derive(Default)]
struct Dictionary {
    directives: ResponseDirectives,
    no_cache: Form,
    private: Form,
    /// `must-revalidate` in whatever form: to share (RFC 9111 §3.5) it permits as it is defined.
    revalidate: bool,
    empty: Option<()>,
}

/// A directive that may have field names.
#[derive(Default)]
enum Form {
    #[default]
    Absent,
    Bare,
    Named(Vec<HeaderName>),
}

/// A member's value, as far as directives have such.
enum Value {
    True,
    False,
    Seconds(u32),
    Text(String),
    /// Of a type that no directive has.
    Other,
}

impl<'de> DictionaryVisitor<'de> for Dictionary {
    type Out = Option<(ResponseDirectives, Vec<HeaderName>)>;
    type Error = Infallible;

    fn entry(&mut self, key: &'de KeyRef) -> Result<impl EntryVisitor<'de>, Infallible> {
        self.empty = Some(());
        Ok(Member { dictionary: self, key: key.as_str() })
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        let Dictionary { directives, no_cache, private, revalidate, empty } = self;
        let (no_cache, mut names) = no_cache.split();
        let (private, more) = private.split();
        names.extend(more);
        let withholds = !names.is_empty();
        let proxy_revalidate =
            directives.proxy_revalidate || (revalidate && !directives.must_revalidate);
        let targeted = true;
        let read = ResponseDirectives { no_cache, private, withholds, targeted, ..directives };
        let directives = ResponseDirectives { proxy_revalidate, ..read };
        Ok(empty.map(|()| (directives, names)))
    }
}

struct Member<'a, 'de> {
    dictionary: &'a mut Dictionary,
    key: &'de str,
}

impl<'de> EntryVisitor<'de> for Member<'_, 'de> {
    type Error = Infallible;

    fn item(self) -> Result<impl ItemVisitor<'de>, Infallible> {
        Ok(move |item: BareItemFromInput<'de>| {
            self.dictionary.take(self.key, Value::of(item));
            Ok::<_, Infallible>(Ignored)
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, Infallible> {
        self.dictionary.take(self.key, Value::Other);
        Ok(Ignored)
    }
}

impl Dictionary {
    fn take(&mut self, key: &str, value: Value) {
        let read = &mut self.directives;
        match key {
            "max-age" => read.max_age = value.seconds(),
            "s-maxage" => read.s_maxage = value.seconds(),
            "stale-while-revalidate" => read.stale_while_revalidate = value.seconds(),
            "stale-if-error" => read.stale_if_error = value.seconds(),
            "no-store" => read.no_store = value.forbids(),
            "must-revalidate" => {
                read.must_revalidate = value.permits();
                self.revalidate = value.forbids();
            }
            "proxy-revalidate" => read.proxy_revalidate = value.forbids(),
            "no-transform" => read.no_transform = value.forbids(),
            "public" => read.public = value.permits(),
            "must-understand" => read.must_understand = value.permits(),
            "immutable" => read.immutable = value.permits(),
            "no-cache" => self.no_cache = Form::of(value),
            "private" => self.private = Form::of(value),
            _ => {}
        }
    }
}

impl Value {
    fn of(item: BareItemFromInput<'_>) -> Value {
        match item {
            BareItemFromInput::Boolean(true) => Value::True,
            BareItemFromInput::Boolean(false) => Value::False,
            BareItemFromInput::Integer(number) => seconds(i64::from(number)),
            BareItemFromInput::String(text) => Value::Text(text.as_str().to_owned()),
            _ => Value::Other,
        }
    }

    fn seconds(self) -> Option<u32> {
        match self {
            Value::Seconds(seconds) => Some(seconds),
            Value::True | Value::False | Value::Text(_) | Value::Other => None,
        }
    }

    fn permits(&self) -> bool {
        matches!(self, Value::True)
    }

    fn forbids(&self) -> bool {
        !matches!(self, Value::False)
    }
}

/// Less than nothing is no delta-seconds; what is too great counts as 2^31 (RFC 9111 §1.2.2).
fn seconds(number: i64) -> Value {
    match u64::try_from(number) {
        Ok(number) => {
            Value::Seconds(u32::try_from(number).unwrap_or(u32::MAX).min(MAX_DELTA_SECONDS))
        }
        Err(_) => Value::Other,
    }
}

impl Form {
    fn of(value: Value) -> Form {
        let mut names = Vec::new();
        match value {
            Value::False => Form::Absent,
            Value::Text(text) if withheld::take(text.as_bytes(), &mut names) => Form::Named(names),
            Value::True | Value::Text(_) | Value::Seconds(_) | Value::Other => Form::Bare,
        }
    }

    /// Whether it stands without names, and the names.
    fn split(self) -> (bool, Vec<HeaderName>) {
        match self {
            Form::Absent => (false, Vec::new()),
            Form::Bare => (true, Vec::new()),
            Form::Named(names) => (false, names),
        }
    }
}

#[cfg(test)]
mod tests;
