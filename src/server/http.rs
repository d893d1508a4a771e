//! hyper's two server protocols, with our limits.

use std::{future::Future, pin::Pin};

use http_body::Body;
use hyper::{
    body::Incoming,
    rt::{Read, Write, bounds::Http2ServerConnExec},
    server::conn::{http1, http2},
    service::HttpService,
};

use super::{streams::Streams, watch::Connection};
use crate::{body::Error as BoxError, config::Limits};

/// hyper buffers so much of a connection, head included, in each direction.
const BUFFER: usize = 64 << 10;
/// RFC 9113 §5.1.2: a client has so many requests under way on one connection.
const STREAMS: u32 = 128;
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// What HTTP/2 queues of one response; the rest waits where it comes from.
const SEND_BUFFER: usize = 64 << 10;
/// Streams that a client may reset before they were looked at; one more ends the connection.
const PENDING_RESETS: usize = 20;
/// Streams that we may reset for a client's faults; one more ends the connection.
const LOCAL_RESETS: usize = 1024;

/// HTTP/1, without any timer of hyper's.
pub(super) fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_header_size(limits.max_head)
        .max_buf_size(limits.max_head.max(BUFFER));
    // Setting it moves hyper's header parsing to the heap.
    if limits.max_fields != Limits::default().max_fields {
        builder.max_headers(limits.max_fields);
    }
    builder
}

/// HTTP/2; hyper's timer is still to be set.
pub(super) fn http2(streams: Streams, limits: &Limits) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(streams);
    builder
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .max_header_list_size(u32::try_from(limits.max_head).unwrap_or(u32::MAX));
    builder
}

impl<I, S, B> Connection for http1::UpgradeableConnection<I, S>
where
    Self: Future<Output = hyper::Result<()>> + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B, E> Connection for http2::Connection<I, S, E>
where
    Self: Future<Output = hyper::Result<()>> + Unpin,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: Read + Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    E: Http2ServerConnExec<S::Future, B>,
{
    fn leave(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
