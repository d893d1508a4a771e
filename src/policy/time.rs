//! Moments, as the policy knows them: passed in, never asked for.

/// Milliseconds since the Unix epoch, as the wall clock shows them. It may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub i64);

/// Milliseconds since some moment of this process. It never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub i64);

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For what is compared with dates that others wrote.
    pub wall: Wall,
    /// For how long something took, or has lain here.
    pub mono: Mono,
}

/// When a request went to the origin and when the head of its response came
/// (RFC 9111 §4.2.3: `request_time` and `response_time`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// When the request was sent.
    pub request: Now,
    /// When the response head was received.
    pub response: Now,
}

impl Wall {
    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl Mono {
    /// Milliseconds from `earlier` until this moment; 0 where it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Mono) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}
