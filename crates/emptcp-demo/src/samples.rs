//! What was measured: bytes delivered on each path over time.

use std::fmt::Write as _;

/// One reading: payload bytes that the receiver has got so far over each path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Seconds since the transfer began.
    pub(crate) at: f64,
    pub(crate) bytes: [u64; 2],
}

/// Readings in the order of time.
#[derive(Default, Debug)]
pub(crate) struct Samples(Vec<Sample>);

impl Samples {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// Mean rates of both paths between two times, in Mbit/s; `None` when there are no two readings in between.
    pub(crate) fn mean(&self, from: f64, to: f64) -> Option<[f64; 2]> {
        let first = self.0.iter().find(|sample| sample.at >= from)?;
        let last = self.0.iter().rev().find(|sample| sample.at <= to)?;
        (last.at > first.at).then(|| rates(first, last))
    }

    /// Rates between neighbouring readings: (seconds, Mbit/s of each path).
    pub(crate) fn rates(&self) -> Vec<(f64, [f64; 2])> {
        self.0
            .windows(2)
            .map(|pair| (pair[1].at, rates(&pair[0], &pair[1])))
            .collect()
    }

    /// The readings as CSV: `seconds,path1_mbit_per_s,path2_mbit_per_s,path1_bytes,path2_bytes`.
    pub(crate) fn csv(&self) -> String {
        let mut csv = String::from("seconds,path1_mbit_per_s,path2_mbit_per_s,path1_bytes,path2_bytes\n");
        for pair in self.0.windows(2) {
            let [one, two] = rates(&pair[0], &pair[1]);
            let Sample { at, bytes } = pair[1];
            let _ = writeln!(csv, "{at:.3},{one:.3},{two:.3},{},{}", bytes[0], bytes[1]);
        }
        csv
    }
}

fn rates(first: &Sample, last: &Sample) -> [f64; 2] {
    let seconds = last.at - first.at;
    std::array::from_fn(|path| last.bytes[path].saturating_sub(first.bytes[path]) as f64 * 8e-6 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Samples {
        // Path 1 at 8 Mbit/s; path 2 at 4, from the third reading on nothing.
        let bytes = [[0, 0], [500_000, 250_000], [1_000_000, 500_000], [1_500_000, 500_000]];
        Samples(
            bytes
                .into_iter()
                .enumerate()
                .map(|(index, bytes)| Sample {
                    at: index as f64 / 2.0,
                    bytes,
                })
                .collect(),
        )
    }

    #[test]
    fn a_mean_is_taken_between_the_readings_inside_the_window() {
        assert_eq!(samples().mean(0.0, 1.0), Some([8.0, 4.0]));
        assert_eq!(samples().mean(0.9, 1.6), Some([8.0, 0.0]));
        assert_eq!(samples().mean(1.1, 1.6), None);
    }

    #[test]
    fn the_csv_has_a_line_for_every_interval() {
        let csv = samples().csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[1], "0.500,8.000,4.000,500000,250000");
        assert_eq!(lines[3], "1.500,8.000,0.000,1500000,500000");
    }
}
