//! How much the clocks of the two captures differ.

use super::delay::Samples;
use crate::{Span, Timestamp};
use serde::Serialize;

/// The assumed difference of the clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockOffset {
    /// Estimated from the packets: the smallest delays of both directions are taken to be equal.
    #[default]
    Auto,
    /// None: both captures have the same clock.
    Same,
    /// The clock of B is ahead of that of A by this span.
    Given(Span),
}

/// Where the difference of the clocks comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// From the packets.
    Estimated,
    /// Given by the user: equal clocks, or a fixed difference.
    Given,
    /// Assumed to be 0, because there are not packets in both directions to estimate it from.
    Unknown,
}

/// The difference of the clocks.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Clock {
    /// Where it comes from.
    pub method: Method,
    /// The clock of B minus that of A; with a drift, at `drift_from`.
    pub offset: Span,
    /// The largest possible error: half of the smallest round trip between the two points.
    pub uncertainty: Option<Span>,
    /// Drift of the clock of B relative to that of A, parts per million; none when no drift is visible.
    pub drift_ppm: Option<f64>,
    /// The time (of A) at which `offset` holds.
    pub drift_from: Timestamp,
}

impl Clock {
    pub(super) fn given(offset: Span) -> Self {
        Self {
            method: Method::Given,
            offset,
            uncertainty: None,
            drift_ppm: None,
            drift_from: Timestamp(0),
        }
    }

    /// The difference at a time of A's clock, nanoseconds.
    pub(super) fn offset_at(&self, at_a: Timestamp) -> f64 {
        let drifted = self.drift_ppm.unwrap_or(0.0) * (at_a - self.drift_from).0 as f64 * 1e-6;
        self.offset.0 as f64 + drifted
    }
}

/// Slices of time for the drift; when there are more, pairs are merged.
const SLICES: usize = 256;

/// Observed time differences of both directions between two points.
#[derive(Clone, Debug, Default)]
pub(super) struct Observations {
    start: Option<Timestamp>,
    width: i64,
    /// Smallest difference in the direction from A, largest in the direction to A.
    slices: Vec<(Option<i64>, Option<i64>)>,
    /// The tightest bounds: differences of a subflow whose delays are the smallest.
    best: Option<(i64, i64)>,
}

impl Observations {
    /// Adds a pair of a subflow. `from_a` and `to_a` are the differences of its two directions so far.
    pub(super) fn note(
        &mut self,
        at_a: Timestamp,
        difference: Span,
        is_from_a: bool,
        from_a: &Samples,
        to_a: &Samples,
    ) {
        if let (Some((above, _)), Some((_, below))) = (from_a.range(), to_a.range())
            && self.best.is_none_or(|(most, least)| above - below < most - least)
        {
            self.best = Some((above, below));
        }
        let start = *self.start.get_or_insert(at_a);
        if self.width == 0 {
            self.width = 1_000_000_000;
        }
        let since = (at_a - start).0.max(0);
        while since / self.width >= SLICES as i64 {
            self.width *= 2;
            let halved = self.slices.chunks(2).map(|pair| {
                let least = pair.iter().filter_map(|slice| slice.0).min();
                let most = pair.iter().filter_map(|slice| slice.1).max();
                (least, most)
            });
            self.slices = halved.collect();
        }
        let place = usize::try_from(since / self.width).unwrap_or(0);
        if self.slices.len() <= place {
            self.slices.resize(place + 1, (None, None));
        }
        if let Some((least, most)) = self.slices.get_mut(place) {
            let Span(difference) = difference;
            if is_from_a {
                *least = Some(least.map_or(difference, |least| least.min(difference)));
            } else {
                *most = Some(most.map_or(difference, |most| most.max(difference)));
            }
        }
    }

    /// A rough offset, while reading.
    pub(super) fn rough(&self) -> Option<Span> {
        self.best.map(|(above, below)| Span(below.midpoint(above)))
    }

    /// The estimate. From the point A, differences are offset + delay; to it, offset - delay.
    pub(super) fn estimate(&self) -> Clock {
        let Some((above, below)) = self.best else {
            return Clock {
                method: Method::Unknown,
                ..Clock::given(Span(0))
            };
        };
        let mut clock = Clock {
            method: Method::Estimated,
            offset: Span(below.midpoint(above)),
            uncertainty: Some(Span((above - below).max(0) / 2)),
            drift_ppm: None,
            drift_from: self.start.unwrap_or_default(),
        };
        if let Some((slope, at_start)) = self.drift() {
            clock.drift_ppm = Some(slope * 1e6);
            clock.offset = Span(at_start as i64);
        }
        clock
    }

    /// Slope (nanoseconds per nanosecond) and offset at the start of a straight line through the slices. None unless
    /// the line is significant: it changes the offset by more than four times the scatter of the slices, and by more
    /// than 20 microseconds.
    fn drift(&self) -> Option<(f64, f64)> {
        let middles: Vec<(f64, f64, f64)> = self
            .slices
            .iter()
            .enumerate()
            .filter_map(|(place, slice)| {
                let (above, below) = (slice.0?, slice.1?);
                let when = (place as f64 + 0.5) * self.width as f64;
                Some((when, below.midpoint(above) as f64, (above - below) as f64))
            })
            .collect();
        // Ignore slices in which the path had a queue.
        let shortest = middles.iter().map(|middle| middle.2).fold(f64::INFINITY, f64::min);
        let points: Vec<(f64, f64)> = middles
            .into_iter()
            .filter(|middle| middle.2 <= shortest * 1.1 + 20_000.0)
            .map(|(when, middle, _)| (when, middle))
            .collect();
        if points.len() < 8 {
            return None;
        }
        let count = points.len() as f64;
        let (mean_x, mean_y) = (
            points.iter().map(|point| point.0).sum::<f64>() / count,
            points.iter().map(|point| point.1).sum::<f64>() / count,
        );
        let square: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        let slope = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / square;
        let scatter = points
            .iter()
            .map(|(x, y)| (y - mean_y - slope * (x - mean_x)).powi(2))
            .sum::<f64>()
            / count;
        let span = points.last()?.0 - points.first()?.0;
        let change = (slope * span).abs();
        (change > 4.0 * scatter.sqrt() && change > 20_000.0).then_some((slope, mean_y - slope * mean_x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observe(drift_ppm: f64, offset: i64) -> Clock {
        let (mut observations, mut from_a, mut to_a) =
            (Observations::default(), Samples::default(), Samples::default());
        for step in 0..600_i64 {
            let at = Timestamp(step * 100_000_000);
            let ahead = offset + (drift_ppm * at.0 as f64 * 1e-6) as i64;
            // 10 ms there, 10 ms back, and a queue now and then.
            let queue = (step % 7) * 300_000;
            from_a.add(at, Span(ahead + 10_000_000 + queue));
            observations.note(at, Span(ahead + 10_000_000 + queue), true, &from_a, &to_a);
            to_a.add(at, Span(ahead - 10_000_000 - queue));
            observations.note(at, Span(ahead - 10_000_000 - queue), false, &from_a, &to_a);
        }
        observations.estimate()
    }

    #[test]
    fn the_offset_is_the_middle_of_the_smallest_delays() {
        let clock = observe(0.0, 3_600_000_000_000);
        assert_eq!(
            (clock.offset, clock.uncertainty),
            (Span(3_600_000_000_000), Some(Span(10_000_000)))
        );
        assert_eq!(clock.drift_ppm, None);
    }

    #[test]
    fn a_clock_that_runs_fast_is_noticed() {
        let clock = observe(50.0, -1_000_000);
        let drift = clock.drift_ppm.unwrap();
        assert!((drift - 50.0).abs() < 0.5, "{drift}");
        assert!((clock.offset.0 + 1_000_000).abs() < 20_000, "{clock:?}");
    }
}
