//! Bodies of requests: short ones, in time.

use std::{future::poll_fn, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::Body as _;
use hyper::body::Incoming;

use super::problem::Problem;
use crate::clock::Clock;

/// 64 tags of the longest kind fit many times.
const MAX_BODY: usize = 64 << 10;

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads a body.
///
/// # Errors
/// 413, 408, or 400 where it breaks off.
pub(super) async fn body(mut body: Incoming, clock: &Clock) -> Result<Bytes, Problem> {
    let read = async {
        let mut bytes = BytesMut::new();
        if body.size_hint().lower() > MAX_BODY as u64 {
            return Err(too_large());
        }
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let frame = frame.map_err(|_| Problem::bad("the body broke off"))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    };
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took more than 10 s");
    clock.timeout(PATIENCE, read).await.map_err(late)?
}

fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is longer than 64 KiB")
}
