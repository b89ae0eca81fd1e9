//! Summaries of round-trip times.

use crate::Span;
use crate::record::RttSummary;

/// Buckets per power of two: a bucket is at most 1/64 wide, so its middle is within 0.8 %.
const BITS: u32 = 6;

/// A bucket in 8 bytes: its number above, how many samples it has below.
#[derive(Clone, Copy, Debug)]
struct Bucket(u64);

impl Bucket {
    // 64 powers of two of 64 buckets are 2^12; 2^52 samples are more than any capture has.
    const COUNT_BITS: u32 = 52;

    fn new(number: u64) -> Self {
        Self(number << Self::COUNT_BITS | 1)
    }

    fn number(self) -> u64 {
        self.0 >> Self::COUNT_BITS
    }

    fn count(self) -> u64 {
        self.0 & ((1 << Self::COUNT_BITS) - 1)
    }

    /// Nanoseconds in the middle of the bucket.
    fn middle(self) -> f64 {
        let shift = (self.number() >> BITS).saturating_sub(1);
        let lower = (self.number() - (shift << BITS)) << shift;
        lower as f64 + ((1_u64 << shift) - 1) as f64 / 2.0
    }
}

/// The bucket of a number of nanoseconds: below 64 one for each number, above by the leading 7 bits.
fn number(nanoseconds: u64) -> u64 {
    let shift = nanoseconds.checked_ilog2().unwrap_or(0).saturating_sub(BITS);
    (u64::from(shift) << BITS) + (nanoseconds >> shift)
}

/// Samples that are counted in one batch.
const PENDING: usize = 16;

/// A distribution of round-trip times: moments and extremes exactly, quantiles within 1 %.
#[derive(Clone, Debug, Default)]
pub(crate) struct RttStatistics {
    n: u64,
    mean: f64,
    // Sum of the squares of the differences from the mean (Welford).
    squares: f64,
    min: i64,
    max: i64,
    // Buckets with samples, in order. A path has a few dozen; a dense table from nanoseconds to hours would have
    // thousands.
    buckets: Vec<Bucket>,
    // Bucket numbers of samples that are not counted yet: counting many at once avoids a cache miss for every sample.
    pending: [u16; PENDING],
    held: u8,
}

impl RttStatistics {
    /// Adds a sample; one below zero counts as zero.
    pub(crate) fn record(&mut self, sample: Span) {
        let nanoseconds = sample.0.max(0);
        self.min = if self.n == 0 {
            nanoseconds
        } else {
            self.min.min(nanoseconds)
        };
        self.max = self.max.max(nanoseconds);
        self.n += 1;
        let value = nanoseconds as f64;
        let difference = value - self.mean;
        self.mean += difference / self.n as f64;
        self.squares += difference * (value - self.mean);
        let number = number(nanoseconds.unsigned_abs());
        if let (Some(place), Ok(number)) = (self.pending.get_mut(usize::from(self.held)), u16::try_from(number)) {
            *place = number;
            self.held += 1;
        }
        if usize::from(self.held) == PENDING {
            self.settle();
        }
    }

    /// The shortest sample.
    pub(crate) fn least(&self) -> Option<Span> {
        (self.n > 0).then_some(Span(self.min))
    }

    /// Counts the buffered samples.
    fn settle(&mut self) {
        let pending = self.pending;
        for number in pending.iter().take(self.held.into()).map(|number| u64::from(*number)) {
            let index = self.buckets.partition_point(|bucket| bucket.number() < number);
            match self.buckets.get_mut(index) {
                Some(bucket) if bucket.number() == number => bucket.0 += 1,
                _ => self.buckets.insert(index, Bucket::new(number)),
            }
        }
        self.held = 0;
    }

    /// The summary. The standard deviation is that of a sample, so it is none for a single sample.
    pub(crate) fn summary(&self) -> RttSummary {
        if self.held > 0 {
            let mut settled = self.clone();
            settled.settle();
            return settled.summary();
        }
        if self.n == 0 {
            return RttSummary::default();
        }
        let milliseconds = |nanoseconds: f64| Some(nanoseconds / 1e6);
        let n = self.n as f64;
        RttSummary {
            n: self.n,
            mean: milliseconds(self.mean),
            min: milliseconds(self.min as f64),
            max: milliseconds(self.max as f64),
            stdev: (self.n > 1).then(|| (self.squares / (n - 1.0)).sqrt() / 1e6),
            p50: milliseconds(self.quantile(50)),
            p95: milliseconds(self.quantile(95)),
            p99: milliseconds(self.quantile(99)),
        }
    }

    /// The percentile `percent`, nanoseconds.
    fn quantile(&self, percent: u64) -> f64 {
        let rank = (u128::from(self.n) * u128::from(percent)).div_ceil(100);
        let mut below = 0;
        let found = self.buckets.iter().find(|bucket| {
            below += u128::from(bucket.count());
            below >= rank
        });
        let (min, max) = (self.min as f64, self.max as f64);
        found.map_or(max, |bucket| bucket.middle().clamp(min, max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_samples_there_is_nothing_and_no_memory() {
        let statistics = RttStatistics::default();
        assert_eq!(statistics.summary(), RttSummary::default());
        assert_eq!(statistics.buckets.capacity(), 0);
    }

    #[test]
    fn one_sample_is_given_back_exactly() {
        let mut statistics = RttStatistics::default();
        statistics.record(Span(21_486_123));
        let summary = statistics.summary();
        let exactly = Some(21.486_123);
        assert_eq!(
            (summary.mean, summary.min, summary.max, summary.p50),
            (exactly, exactly, exactly, exactly)
        );
        assert_eq!((summary.stdev, summary.n), (None, 1));
    }

    #[test]
    fn any_span_has_a_bucket() {
        let mut statistics = RttStatistics::default();
        for span in [i64::MIN, -1, 0, 1, 63, 64, 65, i64::MAX] {
            statistics.record(Span(span));
        }
        let summary = statistics.summary();
        assert_eq!((summary.n, summary.min), (8, Some(0.0)));
        assert!((summary.p99.unwrap() / summary.max.unwrap() - 1.0).abs() < 0.01);
    }

    #[test]
    fn a_path_with_jitter_takes_little_memory() {
        let mut statistics = RttStatistics::default();
        for index in 0..100_000_i64 {
            statistics.record(Span(20_000_000 + index * 7919 % 20_000_000));
        }
        assert!(statistics.buckets.len() <= 66);
    }

    fn exact(sorted: &[i64], percent: usize) -> f64 {
        sorted[(sorted.len() * percent).div_ceil(100) - 1] as f64 / 1e6
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_hundredth_and_moments_exact(
            samples in prop::collection::vec(
                prop_oneof![0_i64..200, 1_000_i64..1_000_000, 1_000_000_i64..100_000_000, 1_000_000_i64..20_000_000_000_000],
                1..300,
            ),
        ) {
            let mut statistics = RttStatistics::default();
            for sample in &samples {
                statistics.record(Span(*sample));
            }
            let mut sorted = samples.clone();
            sorted.sort_unstable();
            let summary = statistics.summary();
            for (percent, told) in [(50, summary.p50), (95, summary.p95), (99, summary.p99)] {
                let exact = exact(&sorted, percent);
                prop_assert!((told.unwrap() - exact).abs() <= exact * 0.01);
            }
            let n = samples.len() as f64;
            let mean = samples.iter().map(|sample| *sample as f64 / 1e6).sum::<f64>() / n;
            let close = |told: Option<f64>, exact: f64| (told.unwrap() - exact).abs() <= exact.abs() * 1e-9 + 1e-9;
            prop_assert!(close(summary.mean, mean));
            prop_assert!(close(summary.min, sorted[0] as f64 / 1e6));
            prop_assert!(close(summary.max, exact(&sorted, 100)));
            if samples.len() > 1 {
                let squares: f64 = samples.iter().map(|sample| (*sample as f64 / 1e6 - mean).powi(2)).sum();
                prop_assert!(close(summary.stdev, (squares / (n - 1.0)).sqrt()));
            }
        }

        #[test]
        fn the_middle_of_a_bucket_is_within_a_hundredth_of_what_fell_into_it(nanoseconds in any::<u64>()) {
            let nanoseconds = nanoseconds >> 1;
            let middle = Bucket::new(number(nanoseconds)).middle();
            prop_assert!((middle - nanoseconds as f64).abs() <= nanoseconds as f64 * 0.01);
            prop_assert!(number(nanoseconds) <= number(nanoseconds + 1));
        }
    }
}
