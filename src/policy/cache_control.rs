//! Cache-Control (RFC 9111 §5.2), one pass over the bytes, no allocation.
//!
//! Where a directive is repeated, the most restrictive counts (§4.2.1); what cannot be read never
//! makes anything fresher. Malformed lines (`private; max-age=60`) lose no directive that
//! forbids: whatever is no token separates directives, but spoils the argument it touches. After a
//! quote that is never closed nothing permits: it may all be text.

mod targeted;
mod withheld;

use http::{HeaderMap, HeaderName, header};

pub use targeted::LARDER_CACHE_CONTROL;
pub(super) use targeted::TARGET_LIST;

use super::field;

/// The request directives (RFC 9111 §5.2.1; RFC 5861 §4). Durations in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// §5.2.1.5
    pub no_store: bool,
    /// §5.2.1.4
    pub no_cache: bool,
    /// §5.2.1.6
    pub no_transform: bool,
    /// §5.2.1.7
    pub only_if_cached: bool,
    /// §5.2.1.1; what cannot be read counts as 0.
    pub max_age: Option<u32>,
    /// §5.2.1.2; `u32::MAX` where it has no argument, 0 where that cannot be read.
    pub max_stale: Option<u32>,
    /// §5.2.1.3; the greatest where it is repeated.
    pub min_fresh: Option<u32>,
    /// RFC 5861 §4; what cannot be read counts as 0.
    pub stale_if_error: Option<u32>,
}

/// The response directives (RFC 9111 §5.2.2; RFC 5861; RFC 8246). Durations in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// §5.2.2.5
    pub no_store: bool,
    /// §5.2.2.4, without field names, or with such as cannot be withheld.
    pub no_cache: bool,
    /// §5.2.2.7, without field names, or with such as cannot be withheld.
    pub private: bool,
    /// `no-cache` or `private` name fields that are not to be stored: [`withheld`].
    pub withholds: bool,
    /// Read from a targeted field, so that Cache-Control and Expires do not count (RFC 9213 §2.2).
    pub targeted: bool,
    /// §5.2.2.9
    pub public: bool,
    /// §5.2.2.2
    pub must_revalidate: bool,
    /// §5.2.2.8
    pub proxy_revalidate: bool,
    /// §5.2.2.3
    pub must_understand: bool,
    /// §5.2.2.6
    pub no_transform: bool,
    /// RFC 8246
    pub immutable: bool,
    /// §5.2.2.1; what cannot be read counts as 0 (§4.2.1).
    pub max_age: Option<u32>,
    /// §5.2.2.10; what cannot be read counts as 0.
    pub s_maxage: Option<u32>,
    /// RFC 5861 §3; what cannot be read counts as 0.
    pub stale_while_revalidate: Option<u32>,
    /// RFC 5861 §4; what cannot be read counts as 0.
    pub stale_if_error: Option<u32>,
}

impl RequestDirectives {
    /// Reads the field's lines, in order.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> RequestDirectives {
        let mut read = RequestDirectives::default();
        each(lines, |directive| read.take(directive));
        read
    }

    /// Reads a request's Cache-Control, or its Pragma where it has none (RFC 9111 §5.4).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> RequestDirectives {
        if headers.contains_key(header::CACHE_CONTROL) {
            return RequestDirectives::parse(field::lines(headers, header::CACHE_CONTROL));
        }
        let pragma = RequestDirectives::parse(field::lines(headers, header::PRAGMA));
        RequestDirectives { no_cache: pragma.no_cache, ..RequestDirectives::default() }
    }

    fn take(&mut self, directive: Directive<'_>) {
        let argument = directive.argument;
        match directive.lower_case(&mut [0; LONGEST_NAME]) {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"no-transform" => self.no_transform = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => least(&mut self.max_age, argument),
            b"stale-if-error" => least(&mut self.stale_if_error, directive.permits()),
            b"min-fresh" => self.min_fresh = self.min_fresh.max(argument.seconds()),
            b"max-stale" if directive.permits() == Argument::Absent => {
                self.max_stale = self.max_stale.or(Some(u32::MAX));
            }
            b"max-stale" => least(&mut self.max_stale, directive.permits()),
            _ => {}
        }
    }
}

/// The fields of a response that are for the client that asked, and not for the store: what
/// `no-cache="…"` (§5.2.2.4) and `private="…"` (§5.2.2.7) name.
#[must_use]
pub fn withheld(headers: &HeaderMap) -> Vec<HeaderName> {
    read(headers).1
}

const NO_TRANSFORM: &[u8] = b"no-transform";

/// Whether a response's content is to stay as it is (§5.2.2.6), whichever field says so: what is
/// said to one cache alone does not allow what is forbidden to all.
#[must_use]
pub fn forbids_transform(headers: &HeaderMap) -> bool {
    let general = field::lines(headers, header::CACHE_CONTROL).filter(|line| may_say_it(line));
    ResponseDirectives::parse(general).no_transform
        || targeted::read(headers).is_some_and(|(read, _)| read.no_transform)
}

/// Whether a field is one that may forbid it, as few are.
pub(super) fn may_forbid_transform(name: &str, line: &[u8]) -> bool {
    match name {
        "cache-control" => may_say_it(line),
        name => targeted::may_count(name),
    }
}

/// What is shorter than the directive's name says it nowhere, and most lines are.
fn may_say_it(line: &[u8]) -> bool {
    line.len() >= NO_TRANSFORM.len()
}

/// What a response says to this cache, and the field names in it.
fn read(headers: &HeaderMap) -> (ResponseDirectives, Vec<HeaderName>) {
    // One walk, and no look-up in most: they have one line, and nothing targeted.
    let (mut count, mut last, mut targets) = (0, None, false);
    for (name, value) in headers {
        match name.as_str() {
            "cache-control" => (count, last) = (count + 1, Some(value.as_bytes())),
            name => targets |= targeted::may_count(name),
        }
    }
    let targeted = if targets { targeted::read(headers) } else { None };
    targeted.unwrap_or_else(|| match count {
        0 | 1 => ResponseDirectives::read(last.into_iter()),
        _ => ResponseDirectives::read(field::lines(headers, header::CACHE_CONTROL)),
    })
}

impl ResponseDirectives {
    /// Reads the lines of Cache-Control, in order.
    pub fn parse<'a>(lines: impl Iterator<Item = &'a [u8]>) -> ResponseDirectives {
        ResponseDirectives::read(lines).0
    }

    /// Reads what a response says to this cache: a targeted field (RFC 9213), else Cache-Control.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> ResponseDirectives {
        read(headers).0
    }

    fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> (ResponseDirectives, Vec<HeaderName>) {
        let (mut read, mut names) = (ResponseDirectives::default(), Vec::new());
        each(lines, |directive| read.take(directive, &mut names));
        read.withholds = !names.is_empty();
        (read, names)
    }

    /// What permits counts only as it is defined, without an argument; what forbids, always.
    fn take(&mut self, directive: Directive<'_>, names: &mut Vec<HeaderName>) {
        let argument = directive.permits();
        let bare = argument == Argument::Absent;
        match directive.lower_case(&mut [0; LONGEST_NAME]) {
            // Both permit to share, too (§3.5). What only forbids says the rest of them.
            b"s-maxage" if directive.doubtful => self.forbid_freshness(),
            b"must-revalidate" if !bare => self.proxy_revalidate = true,
            b"max-age" => least(&mut self.max_age, argument),
            b"s-maxage" => least(&mut self.s_maxage, argument),
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache |= !argument.names(names),
            b"private" => self.private |= !argument.names(names),
            b"public" => self.public |= bare,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand |= bare,
            b"no-transform" => self.no_transform = true,
            b"immutable" => self.immutable |= bare,
            b"stale-while-revalidate" => least(&mut self.stale_while_revalidate, argument),
            b"stale-if-error" => least(&mut self.stale_if_error, argument),
            _ => {}
        }
    }

    /// As `s-maxage=0`, but that it does not permit to share.
    fn forbid_freshness(&mut self) {
        least(&mut self.max_age, Argument::Malformed);
        self.s_maxage = self.s_maxage.map(|_| 0);
        self.proxy_revalidate = true;
    }
}

/// Reads the directives of all lines, which are one list (RFC 9110 §5.3).
fn each<'a>(lines: impl Iterator<Item = &'a [u8]>, mut take: impl FnMut(Directive<'a>)) {
    let mut unclosed = false;
    for line in lines {
        let mut directives = Directives { rest: line, unclosed };
        directives.by_ref().for_each(&mut take);
        unclosed = directives.unclosed;
    }
}

fn least(slot: &mut Option<u32>, argument: Argument<'_>) {
    let seconds = argument.seconds().unwrap_or(0);
    *slot = Some(slot.map_or(seconds, |least| least.min(seconds)));
}

/// Of the names that are known: `stale-while-revalidate`.
const LONGEST_NAME: usize = 22;

/// A directive as it stands in the field.
#[derive(Clone, Copy, Debug)]
struct Directive<'a> {
    name: &'a [u8],
    argument: Argument<'a>,
    /// It stands behind a quote that is never closed.
    doubtful: bool,
}

impl<'a> Directive<'a> {
    /// The argument, where the directive may permit something by it.
    fn permits(&self) -> Argument<'a> {
        if self.doubtful { Argument::Malformed } else { self.argument }
    }

    /// The name, for comparison; empty where it is too long to be known.
    fn lower_case<'b>(&self, buffer: &'b mut [u8; LONGEST_NAME]) -> &'b [u8] {
        let Some(name) = buffer.get_mut(..self.name.len()) else { return b"" };
        name.copy_from_slice(self.name);
        name.make_ascii_lowercase();
        name
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument<'a> {
    Absent,
    Token(&'a [u8]),
    /// Between the quotes, escapes as they stand.
    Quoted(&'a [u8]),
    Malformed,
}

impl Argument<'_> {
    /// Both forms mean the same (RFC 9111 §5.2).
    fn seconds(self) -> Option<u32> {
        match self {
            Argument::Token(text) => field::delta_seconds(text.iter().copied()),
            Argument::Quoted(text) => field::delta_seconds(unescaped(text)),
            Argument::Absent | Argument::Malformed => None,
        }
    }

    /// Reads field names into `names`, in either form (§5.2); `false` where there is no list of
    /// such as can be withheld.
    fn names(self, names: &mut Vec<HeaderName>) -> bool {
        match self {
            Argument::Token(text) | Argument::Quoted(text) => withheld::take(text, names),
            Argument::Absent | Argument::Malformed => false,
        }
    }
}

/// A quoted-string's content (RFC 9110 §5.6.4).
fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> {
    let mut escaped = false;
    text.iter().copied().filter(move |byte| {
        let counts = escaped || *byte != b'\\';
        escaped = !counts;
        counts
    })
}

/// The directives of one line.
struct Directives<'a> {
    rest: &'a [u8],
    /// No quote ahead is ever closed. Known once, it is not looked for again: an adversary's line
    /// of quotes would otherwise be read to its end for each of them.
    unclosed: bool,
}

impl<'a> Iterator for Directives<'a> {
    type Item = Directive<'a>;

    fn next(&mut self) -> Option<Directive<'a>> {
        self.skip_to_name();
        let doubtful = self.unclosed;
        let name = self.token();
        (!name.is_empty()).then(|| Directive { name, argument: self.argument(), doubtful })
    }
}

impl<'a> Directives<'a> {
    fn skip_to_name(&mut self) {
        while let Some((first, rest)) = self.rest.split_first() {
            if is_token_byte(*first) {
                return;
            }
            self.rest = rest;
            if *first == b'"' {
                self.quoted();
            }
        }
    }

    fn token(&mut self) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !is_token_byte(*byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        token
    }

    fn argument(&mut self) -> Argument<'a> {
        let Some(rest) = self.rest.strip_prefix(b"=") else { return Argument::Absent };
        self.rest = rest;
        let argument = match rest.strip_prefix(b"\"") {
            Some(rest) => {
                self.rest = rest;
                self.quoted().map_or(Argument::Malformed, Argument::Quoted)
            }
            None => Argument::Token(self.token()),
        };
        if self.directive_ends() { argument } else { Argument::Malformed }
    }

    /// The content of a quoted string whose opening quote is behind; what is not closed is none.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        if self.unclosed {
            return None;
        }
        let mut escaped = false;
        for (at, byte) in self.rest.iter().enumerate() {
            if *byte == b'"' && !escaped {
                let content = &self.rest[..at];
                self.rest = &self.rest[at + 1..];
                return Some(content);
            }
            escaped = *byte == b'\\' && !escaped;
        }
        self.unclosed = true;
        None
    }

    fn directive_ends(&self) -> bool {
        let next = self.rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        next.is_none_or(|byte| *byte == b',')
    }
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

/// Which bytes are such: this is asked of every byte of the field.
static TOKEN_BYTES: [bool; 256] = {
    let (mut all, mut byte) = ([false; 256], 0_u8);
    while byte < u8::MAX {
        let mark = matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        all[byte as usize] = byte.is_ascii_alphanumeric() || mark;
        byte += 1;
    }
    all
};

#[cfg(test)]
mod tests;
