//! A response body on its way to a client: as long as it lives, its request is under way.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::{Flow, Guard};

/// HTTP/2: a frame of a body is at most this long, so that a client that reads slowly is seen to
/// read, and what is still queued when the body has ended is little.
const SLICE: usize = 16 << 10;

/// A response body whose end ends its request.
#[derive(Debug)]
pub(super) struct Guarded<B> {
    body: B,
    /// What of a long frame has not been handed over.
    rest: Bytes,
    /// HTTP/2 only.
    flow: Option<Arc<Flow>>,
    _guard: Guard,
}

impl<B> Guarded<B> {
    pub(super) fn new(body: B, guard: Guard, flow: Option<Arc<Flow>>) -> Guarded<B> {
        Guarded { body, rest: Bytes::new(), flow, _guard: guard }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Guarded<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        let Some(flow) = &this.flow else {
            return Pin::new(&mut this.body).poll_frame(cx);
        };
        if this.rest.is_empty() {
            flow.dry();
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        flow.handed();
        let slice = this.rest.split_to(this.rest.len().min(SLICE));
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(body.lower().saturating_add(rest));
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::{super::activity::Activity, *};

    #[tokio::test]
    async fn a_long_frame_is_sliced_for_http_2_and_no_byte_is_lost() {
        let bytes: Bytes = (0..100_000u32).flat_map(u32::to_be_bytes).collect();
        let guard = Activity::new().begin(None);
        let mut body = Guarded::new(Full::new(bytes.clone()), guard, Some(Arc::default()));
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.unwrap().into_data().unwrap();
            assert!(frame.len() <= SLICE);
            whole.extend_from_slice(&frame);
            let left = (bytes.len() - whole.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
            assert_eq!(body.is_end_stream(), left == 0);
        }
        assert_eq!(whole, bytes);
    }
}
