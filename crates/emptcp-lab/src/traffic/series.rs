//! Samples of a connection over time, and the rates that follow from them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use mptcp_socket::{ConnectionInfo, SubflowInfo};
use mptcp_wire::FourTuple;

/// The state of a connection at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Time since the transfer began.
    pub at: Duration,
    /// The kernel's state, subflows included.
    pub info: ConnectionInfo,
    /// Subflows that either host has marked as backup.
    pub backup: BTreeSet<FourTuple>,
    /// Bytes that the application of this host had written.
    pub written: u64,
    /// Bytes that the application of this host had read.
    pub read: u64,
}

/// Which counter of a subflow a rate is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Payload received: at the receiver, the bytes that the path delivered.
    Received,
    /// Payload acknowledged: at the sender, the bytes that the path had delivered one delay earlier.
    Acked,
    /// Payload sent, retransmissions included.
    Sent,
}

impl Counter {
    fn of(self, subflow: &SubflowInfo) -> u64 {
        match self {
            Self::Received => subflow.tcp.bytes_received,
            Self::Acked => subflow.tcp.bytes_acked,
            Self::Sent => subflow.tcp.bytes_sent,
        }
    }
}

/// Samples of one end of a connection, in the order of time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TimeSeries(Vec<Sample>);

impl TimeSeries {
    pub(crate) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// All samples.
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }

    /// The newest sample.
    pub fn last(&self) -> Option<&Sample> {
        self.0.last()
    }

    /// Every subflow that was ever seen, in the order of appearance.
    pub fn subflows(&self) -> Vec<FourTuple> {
        let mut keys = Vec::new();
        for subflow in self.0.iter().flat_map(|sample| &sample.info.subflows) {
            if !keys.contains(&subflow.addresses) {
                keys.push(subflow.addresses);
            }
        }
        keys
    }

    /// The states of one subflow over time.
    pub fn of(&self, key: &FourTuple) -> impl Iterator<Item = (Duration, &SubflowInfo)> {
        self.0.iter().filter_map(|sample| {
            let found = sample.info.subflows.iter().find(|subflow| subflow.addresses == *key)?;
            Some((sample.at, found))
        })
    }

    /// Whether either host had marked a subflow as backup, at each sample of it.
    pub fn backup(&self, key: &FourTuple) -> impl Iterator<Item = bool> {
        let samples = self
            .0
            .iter()
            .filter(|sample| sample.info.subflows.iter().any(|subflow| subflow.addresses == *key));
        samples.map(|sample| sample.backup.contains(key))
    }

    /// Whether the connection was plain TCP at any sample.
    pub fn fell_back(&self) -> bool {
        self.0.iter().any(|sample| sample.info.fallback)
    }

    /// Rate of a subflow between `from` and `to` after the begin of the transfer, in Mbit/s of payload.
    ///
    /// It is computed from the first and the last sample of the subflow in that time; `None` with fewer than two
    /// samples.
    pub fn throughput(&self, key: &FourTuple, counter: Counter, from: Duration, to: Duration) -> Option<f64> {
        let mut within = self
            .of(key)
            .filter(|(at, _)| (from..=to).contains(at))
            .map(|(at, info)| (at, counter.of(info)));
        rate(within.next()?, within.last()?)
    }

    /// Rate at which the application of this host read, in Mbit/s, between `from` and `to`.
    pub fn read_throughput(&self, from: Duration, to: Duration) -> Option<f64> {
        let mut within = self
            .0
            .iter()
            .filter(|sample| (from..=to).contains(&sample.at))
            .map(|s| (s.at, s.read));
        rate(within.next()?, within.next_back()?)
    }
}

fn rate((from, before): (Duration, u64), (to, after): (Duration, u64)) -> Option<f64> {
    let seconds = to.checked_sub(from)?.as_secs_f64();
    (seconds > 0.0).then(|| after.saturating_sub(before) as f64 * 8e-6 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(milliseconds: u64, read: u64) -> Sample {
        Sample {
            at: Duration::from_millis(milliseconds),
            info: ConnectionInfo::default(),
            backup: BTreeSet::new(),
            written: 0,
            read,
        }
    }

    #[test]
    fn a_rate_is_taken_between_the_outer_samples_within_the_interval() {
        let series = TimeSeries(vec![
            sample(0, 0),
            sample(100, 1_000_000),
            sample(200, 1_250_000),
            sample(300, 1_500_000),
        ]);
        let time = Duration::from_millis;
        assert_eq!(series.read_throughput(time(100), time(300)), Some(20.0));
        assert_eq!(series.read_throughput(time(90), time(310)), Some(20.0));
        assert_eq!(
            series.read_throughput(time(150), time(250)),
            None,
            "one sample has no rate"
        );
        assert_eq!(series.read_throughput(time(400), time(500)), None);
    }
}
