//! Where a response ends (RFC 9112 §6.3), beside a plain reader.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use larder::upstream::framing::{self, Reuse};

use super::{lines, number};

/// A status, then the lines of Transfer-Encoding (`t` first) and Content-Length (`c` first).
pub(crate) fn framing(data: &[u8]) {
    let mut head = head(data);
    let sent = Sent::of(&head);
    match framing::check(&mut head) {
        Err(_) => assert!(sent.is_odd(), "{sent:?} is refused, and nothing is wrong with it"),
        Ok(reuse) => {
            sent.ends_at_one_place(&head.headers, reuse);
            let once = head.headers.clone();
            assert!(framing::check(&mut head).is_ok(), "{once:?}: idempotent");
            assert_eq!(head.headers, once, "idempotent");
        }
    }
}

fn head(data: &[u8]) -> response::Parts {
    let mut rest = lines(data);
    let status = number(rest.next().unwrap_or_default());
    let status = u16::try_from(status).ok().and_then(|it| StatusCode::from_u16(it).ok());
    let mut head = Response::new(()).into_parts().0;
    head.status = status.unwrap_or(StatusCode::OK);
    for line in rest {
        let Some((which, value)) = line.split_first() else { continue };
        let name = if *which == b't' { header::TRANSFER_ENCODING } else { header::CONTENT_LENGTH };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            head.headers.append(name, value);
        }
    }
    head
}

/// What an upstream says of a response's end.
#[derive(Debug)]
struct Sent {
    bodiless: bool,
    /// Lines of Transfer-Encoding, in lower case.
    codings: Vec<String>,
    /// All members of Content-Length, where there are any.
    lengths: Option<String>,
}

impl Sent {
    fn of(head: &response::Parts) -> Sent {
        let values = |name| -> Vec<String> {
            let lines = head.headers.get_all(name).iter().map(HeaderValue::as_bytes);
            let text = lines.map(|it| it.iter().map(|byte| char::from(*byte)).collect::<String>());
            text.map(|it| it.to_ascii_lowercase()).collect()
        };
        let lengths = values(header::CONTENT_LENGTH);
        let lengths = (!lengths.is_empty()).then(|| lengths.join(","));
        let bodiless = head.status.as_u16() == 204 || head.status.as_u16() < 200;
        Sent { bodiless, codings: values(header::TRANSFER_ENCODING), lengths }
    }

    fn length(&self) -> Option<u64> {
        self.lengths.as_deref().and_then(agreed)
    }

    /// Whether there is a reason to refuse it.
    fn is_odd(&self) -> bool {
        let one = self.codings.len() == 1 && self.codings[0] == "chunked";
        let no_length = self.lengths.is_some() && self.length().is_none();
        no_length || !(self.codings.is_empty() || one)
    }

    /// §6.3: what is let through ends where every reader sees the end.
    fn ends_at_one_place(&self, left: &HeaderMap, reuse: Reuse) {
        let told = self.lengths.is_some();
        assert!(!told || self.length().is_some(), "§6.3: {self:?} has no length");
        assert!(self.codings.len() < 2, "§6.1: {self:?} has several codings");
        let left: Vec<&[u8]> =
            left.get_all(header::CONTENT_LENGTH).iter().map(HeaderValue::as_bytes).collect();
        let refused = reuse == Reuse::Refused;
        match self.codings.first().map(String::as_str) {
            None => {
                let expected = self.length().filter(|_| !self.bodiless).map(|it| it.to_string());
                let expected: Vec<&[u8]> = expected.iter().map(String::as_bytes).collect();
                assert_eq!(left, expected, "{self:?}: one length, in digits");
                let odd = self.bodiless && self.length().is_some_and(|it| it > 0);
                assert_eq!(refused, odd, "RFC 9110 §8.6: {self:?}");
            }
            Some("chunked") => {
                assert!(left.is_empty(), "§6.3: chunked outdoes a length, {self:?}");
                assert_eq!(refused, told || self.bodiless, "{self:?}");
            }
            Some(other) => self.is_to_the_close(other, refused),
        }
    }

    /// Nobody takes it for chunked: the bytes are taken as they come, to the connection's end.
    fn is_to_the_close(&self, coding: &str, refused: bool) {
        let word = |it: char| it.is_ascii_alphanumeric() || it == '-';
        let known = ["gzip", "deflate", "compress", "identity"].contains(&coding);
        let maybe = coding.contains("chunk") || known || !coding.chars().all(word);
        assert!(!maybe, "{coding:?} may mean something to somebody");
        assert!(self.lengths.is_none() && !self.bodiless, "{self:?}: two ends");
        assert!(refused, "what follows is no other answer");
    }
}

/// The one length that all members name; `None` where one is no number, or another one.
fn agreed(lengths: &str) -> Option<u64> {
    let members: Option<Vec<u64>> = lengths
        .split(',')
        .map(|it| it.trim_matches([' ', '\t']))
        .map(|it| it.parse().ok().filter(|_| it.chars().all(|digit| digit.is_ascii_digit())))
        .collect();
    let members = members?;
    members.iter().all(|it| *it == members[0]).then_some(members[0])
}
