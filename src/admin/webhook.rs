//! Purges by webhook: signed by HMAC-SHA256 over the time and the body, good for five minutes, and
//! only once.

use std::collections::HashMap;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use parking_lot::Mutex;

use super::problem::Problem;
use crate::{config::Secret, policy::Wall};

/// Seconds since the Unix epoch at which it was signed.
const TIMESTAMP: HeaderName = HeaderName::from_static("x-larder-timestamp");

/// `sha256=` and 64 hexadecimal digits.
const SIGNATURE: HeaderName = HeaderName::from_static("x-larder-signature");

/// How far its time may be from ours, in seconds.
const TOLERANCE: i64 = 300;

/// Signatures that are remembered at the same time. Only valid ones are.
const MAX_SEEN: usize = 4096;

/// What a request says of who sent it.
#[derive(Debug)]
pub struct Signed {
    timestamp: i64,
    /// As it was written: that is what was signed.
    written: String,
    signature: [u8; 32],
}

/// The signatures that were used, until they are too old anyway.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<[u8; 32], i64>>);

impl Signed {
    /// Reads both fields.
    ///
    /// # Errors
    /// 401 where one is missing or malformed.
    pub fn of(headers: &HeaderMap) -> Result<Signed, Problem> {
        let text = |name: &HeaderName| {
            let mut lines = headers.get_all(name).iter();
            let line = lines.next().and_then(|line| line.to_str().ok());
            line.filter(|_| lines.next().is_none())
        };
        let digits = |it: &&str| it.bytes().all(|byte| byte.is_ascii_digit());
        let written = text(&TIMESTAMP).filter(digits);
        let timestamp = written.and_then(|it| it.parse::<u32>().ok());
        let signature = text(&SIGNATURE).and_then(|it| it.strip_prefix("sha256="));
        match (written, timestamp, signature.and_then(unhex)) {
            (Some(written), Some(timestamp), Some(signature)) => {
                let (timestamp, written) = (i64::from(timestamp), written.to_owned());
                Ok(Signed { timestamp, written, signature })
            }
            _ => Err(refused(
                "X-Larder-Timestamp is seconds since 1970, X-Larder-Signature sha256=…",
            )),
        }
    }

    /// What it is remembered by.
    pub(super) const fn signature(&self) -> &[u8; 32] {
        &self.signature
    }

    /// Checks the signature of `<timestamp>.<body>`.
    ///
    /// # Errors
    /// 401 where it is another's.
    pub fn verify(&self, secret: &Secret, body: &[u8]) -> Result<(), Problem> {
        let key = hmac::Key::new(HMAC_SHA256, secret.reveal().as_bytes());
        let message = [self.written.as_bytes(), b".", body].concat();
        let verified = hmac::verify(&key, &message, &self.signature);
        verified.map_err(|_| refused("the signature is not that of the timestamp, a dot, the body"))
    }
}

impl Seen {
    /// Lets a verified request through, once.
    ///
    /// # Errors
    /// 401 where it is too old, from the future, or was here before; 503 where there are too many.
    pub(super) fn admit(&self, signed: &Signed, now: Wall) -> Result<(), Problem> {
        let now = now.seconds();
        if (now - signed.timestamp).abs() > TOLERANCE {
            return Err(refused("the timestamp is more than five minutes from now"));
        }
        let mut seen = self.0.lock();
        seen.retain(|_, timestamp| now - *timestamp <= TOLERANCE);
        if seen.contains_key(&signed.signature) {
            return Err(used());
        }
        if seen.len() >= MAX_SEEN {
            let full = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many in five minutes");
            return Err(full.with(header::RETRY_AFTER, HeaderValue::from_static("60")));
        }
        seen.insert(signed.signature, signed.timestamp);
        Ok(())
    }
}

/// 401, where a signature was used before, on whichever node.
pub(super) fn used() -> Problem {
    refused("this request was here before: sign another")
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let hex: &[u8; 64] = text.as_bytes().try_into().ok()?;
    Some(*blake3::Hash::from_hex(hex).ok()?.as_bytes())
}

fn refused(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(n: u16) -> Signed {
        let mut signature = [0; 32];
        signature[..2].copy_from_slice(&n.to_le_bytes());
        Signed { timestamp: 1000, written: String::new(), signature }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_never_forgotten_too_early() {
        let seen = Seen::default();
        let at = |seconds: i64| Wall(seconds * 1000);
        for n in 0..4096 {
            assert!(seen.admit(&signed(n), at(1000)).is_ok(), "{n}");
        }
        let full = seen.admit(&signed(4096), at(1000)).expect_err("full");
        assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE, "rather than to forget one");
        let again = seen.admit(&signed(0), at(1300)).expect_err("it was here");
        assert_eq!(again.status, StatusCode::UNAUTHORIZED);
        let late = seen.admit(&signed(0), at(1301)).expect_err("too old");
        assert!(late.detail.contains("five minutes"), "{late:?}");
        assert!(seen.0.lock().len() <= 4096);
    }
}
