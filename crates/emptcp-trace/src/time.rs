//! Points and spans of capture time, in nanoseconds.

use serde::{Serialize, Serializer};
use std::fmt;
use std::ops::{Add, Sub};

const PER_SECOND: i64 = 1_000_000_000;

/// A point in time: nanoseconds since 1970-01-01 UTC. Written as seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A span of time in nanoseconds; may be negative. Written as seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Timestamp {
    /// Seconds since 1970; an `f64` holds the present to about 0.2 microseconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        Span(self.0).seconds()
    }
}

impl Span {
    /// A whole number of seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(PER_SECOND))
    }

    /// The span in seconds.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / PER_SECOND as f64
    }

    /// The span in milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Sub for Timestamp {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl fmt::Display for Span {
    /// In a suitable unit: `12.3 us`, `4.56 ms`, `7.890 s`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.seconds();
        match seconds.abs() {
            size if size >= 1.0 => write!(formatter, "{seconds:.3} s"),
            size if size >= 1e-3 => write!(formatter, "{:.2} ms", seconds * 1e3),
            _ => write!(formatter, "{:.1} us", seconds * 1e6),
        }
    }
}
