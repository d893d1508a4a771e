//! What of a request a route refuses by its head: before a connection to the API is made, and
//! before the client is told to go on (100 Continue). A body whose length its head does not tell
//! is cut while it streams.

use http::{HeaderMap, HeaderValue, Method, header};

use crate::config::throttle::Validate;

/// What a route's requests may be, ready to compare.
#[derive(Debug, Default)]
pub struct Validation {
    rules: Validate,
    allow: Option<HeaderValue>,
    accept: Option<HeaderValue>,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// 405.
    Method,
    /// 413.
    TooLarge,
    /// 415.
    MediaType,
}

impl Validation {
    /// By these rules.
    #[must_use]
    pub fn new(rules: &Validate) -> Validation {
        let mut methods = rules.methods.clone();
        if methods.iter().any(|it| it == "GET") && !methods.iter().any(|it| it == "HEAD") {
            methods.push("HEAD".to_owned());
        }
        let list = |words: &[String]| {
            let value = HeaderValue::try_from(words.join(", ")).ok();
            value.filter(|_| !words.is_empty())
        };
        let (allow, accept) = (list(&methods), list(&rules.content_types));
        let rules = Validate { methods, ..rules.clone() };
        Validation { rules, allow, accept }
    }

    /// Judges a request by its head; `content` is the length of its body as far as is known, at
    /// least, where it has one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(
        &self,
        method: &Method,
        fields: &HeaderMap,
        content: Option<u64>,
    ) -> Result<(), Invalid> {
        let Validate { methods, max_body, content_types } = &self.rules;
        if !methods.is_empty() && !methods.iter().any(|it| it == method.as_str()) {
            return Err(Invalid::Method);
        }
        let Some(length) = content else { return Ok(()) };
        if max_body.is_some_and(|max| length > max) {
            return Err(Invalid::TooLarge);
        }
        if !content_types.is_empty() && !content_types.iter().any(|it| is_of(it, fields)) {
            return Err(Invalid::MediaType);
        }
        Ok(())
    }

    /// The longest body there may be.
    #[must_use]
    pub fn max_body(&self) -> Option<u64> {
        self.rules.max_body
    }

    /// Allow (RFC 9110 §10.2.1), where methods are refused.
    #[must_use]
    pub fn allow(&self) -> Option<&HeaderValue> {
        self.allow.as_ref()
    }

    /// Accept (RFC 9110 §12.5.1), where media types are refused.
    #[must_use]
    pub fn accept(&self) -> Option<&HeaderValue> {
        self.accept.as_ref()
    }
}

/// Whether the one Content-Type is of a type, whatever its parameters (RFC 9110 §8.3.1).
fn is_of(wanted: &str, fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let essence = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii();
    match wanted.strip_suffix('*') {
        Some(kind) => essence
            .get(..kind.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes())),
        None => essence.eq_ignore_ascii_case(wanted.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(content_type: Option<&'static str>, content: Option<u64>) -> Result<(), Invalid> {
        let content_types = vec!["application/json".to_owned(), "image/*".to_owned()];
        let rules = Validate { max_body: Some(10), content_types, ..Validate::default() };
        let mut fields = HeaderMap::new();
        let value = content_type.map(HeaderValue::from_static);
        value.map(|value| fields.insert(header::CONTENT_TYPE, value));
        Validation::new(&rules).check(&Method::POST, &fields, content)
    }

    #[test]
    fn a_body_has_a_type_that_is_listed() {
        for (content_type, expected) in [
            (Some("application/json"), Ok(())),
            (Some("Application/JSON; charset=utf-8"), Ok(())),
            (Some("image/png"), Ok(())),
            (Some("image"), Err(Invalid::MediaType)),
            (Some("application/jsonx"), Err(Invalid::MediaType)),
            (Some("text/plain"), Err(Invalid::MediaType)),
            (None, Err(Invalid::MediaType)),
        ] {
            assert_eq!(judge(content_type, Some(1)), expected, "{content_type:?}");
        }
        assert_eq!(judge(None, None), Ok(()), "no body, no type");
    }

    #[test]
    fn a_body_has_at_most_its_length() {
        assert_eq!(judge(Some("image/png"), Some(10)), Ok(()));
        assert_eq!(judge(Some("image/png"), Some(11)), Err(Invalid::TooLarge));
    }

    #[test]
    fn get_includes_head() {
        let rules = Validate { methods: vec!["GET".to_owned()], ..Validate::default() };
        let validation = Validation::new(&rules);
        let judge = |method| validation.check(&method, &HeaderMap::new(), None);
        assert_eq!(judge(Method::HEAD), Ok(()));
        assert_eq!(judge(Method::POST), Err(Invalid::Method));
        assert_eq!(validation.allow().unwrap(), "GET, HEAD");
    }
}
