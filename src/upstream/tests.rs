//! The upstream over real sockets, before an origin whose every byte the test writes.

mod bodies;
mod connections;
mod framing;
mod places;
mod pooling;
mod retries;
mod support;
mod transports;
mod uploads;
mod waits;
