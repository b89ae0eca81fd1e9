//! The description of a path between the hosts: rate, delay, jitter, loss, queue, addresses.

use std::fmt;
use std::time::Duration;

use crate::error::{LabError, Result};

/// A rate of IP packets (header and payload of IP, without Ethernet), in bit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// `n` bit/s.
    pub const fn bit(n: u64) -> Self {
        Self(n)
    }

    /// `n` kbit/s (1000 bit/s).
    pub const fn kbit(n: u64) -> Self {
        Self(n * 1_000)
    }

    /// `n` Mbit/s (1 000 000 bit/s).
    pub const fn mbit(n: u64) -> Self {
        Self(n * 1_000_000)
    }

    /// The rate in bit/s.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    /// Bytes that pass in `time`.
    pub fn bytes_in(self, time: Duration) -> usize {
        let bytes = u128::from(self.0) * time.as_nanos() / 8_000_000_000;
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Mbit/s", self.0 as f64 / 1e6)
    }
}

/// Length of the drop-tail queue in front of the bottleneck of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// At most this many bytes of IP packets wait.
    Bytes(usize),
    /// As many bytes as pass in this time at the rate of the link.
    Time(Duration),
    /// Unlimited: no packet is dropped.
    Unlimited,
}

/// One direction of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Rate of the bottleneck; `None`: no bottleneck.
    pub rate: Option<Rate>,
    /// Propagation delay, one way.
    pub delay: Duration,
    /// The delay of each packet varies uniformly by up to plus or minus this; packets keep their order.
    pub jitter: Duration,
    /// Probability, 0 to 1, that a packet is lost before the bottleneck; independent for each packet.
    pub loss: f64,
    /// Queue in front of the bottleneck.
    pub queue: Queue,
}

impl Default for Link {
    /// No bottleneck, no delay, no loss; 50 ms of queue once a rate is set.
    fn default() -> Self {
        Self {
            rate: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            queue: Queue::Time(Duration::from_millis(50)),
        }
    }
}

impl Link {
    /// Room of the queue in bytes; `None`: unlimited.
    pub(crate) fn queue_bytes(&self) -> Option<usize> {
        // A queue must hold two full-sized packets, or large packets never pass.
        const LEAST: usize = 3_000;
        match (self.queue, self.rate) {
            (Queue::Unlimited, _) | (Queue::Time(_), None) => None,
            (Queue::Bytes(bytes), _) => Some(bytes.max(LEAST)),
            (Queue::Time(time), Some(rate)) => Some(rate.bytes_in(time).max(LEAST)),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.loss) {
            return Err(LabError::Invalid {
                what: format!("a loss of {} is not a probability", self.loss),
                advice: "give a number from 0 to 1".to_owned(),
            });
        }
        if self.rate == Some(Rate(0)) {
            return Err(LabError::Invalid {
                what: "at a rate of 0 bit/s no packet passes".to_owned(),
                advice: "disconnect the path with `LivePath::set_carrier(false)` or set a loss of 1".to_owned(),
            });
        }
        Ok(())
    }
}

/// Which versions of IP a path carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IpVersions {
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
    /// Both.
    #[default]
    Both,
}

impl IpVersions {
    /// Whether IPv4 addresses are given.
    pub const fn v4(self) -> bool {
        matches!(self, Self::V4 | Self::Both)
    }

    /// Whether IPv6 addresses are given.
    pub const fn v6(self) -> bool {
        matches!(self, Self::V6 | Self::Both)
    }
}

/// A path between the client and the server, both directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// From the client to the server.
    pub uplink: Link,
    /// From the server to the client.
    pub downlink: Link,
    /// Addresses on the path.
    pub ip: IpVersions,
    /// Maximum transmission unit of its devices, in bytes of IP packet.
    pub mtu: u16,
    /// Whether subflows over this path are joined as backup. Has no effect on the first path.
    pub backup: bool,
    pub(crate) emulated: bool,
}

impl Path {
    /// An emulated path without bottleneck, delay or loss, to be described further.
    pub fn new() -> Self {
        let link = Link::default();
        Self {
            uplink: link,
            downlink: link,
            ip: IpVersions::Both,
            mtu: 1500,
            backup: false,
            emulated: true,
        }
    }

    /// A plain veth pair without an emulator, as fast as the kernel: for measurements of throughput.
    pub fn direct() -> Self {
        Self {
            emulated: false,
            ..Self::new()
        }
    }

    /// An emulated path with this rate each way and this round-trip time, half of it each way.
    pub fn with(rate: Rate, round_trip_time: Duration) -> Self {
        Self::new().rate(rate).delay(round_trip_time / 2)
    }

    /// Rate each way.
    pub fn rate(self, rate: Rate) -> Self {
        self.each(|link| link.rate = Some(rate))
    }

    /// Delay each way.
    pub fn delay(self, one_way: Duration) -> Self {
        self.each(|link| link.delay = one_way)
    }

    /// Jitter each way.
    pub fn jitter(self, jitter: Duration) -> Self {
        self.each(|link| link.jitter = jitter)
    }

    /// Probability of loss each way.
    pub fn loss(self, probability: f64) -> Self {
        self.each(|link| link.loss = probability)
    }

    /// Queue each way.
    pub fn queue(self, queue: Queue) -> Self {
        self.each(|link| link.queue = queue)
    }

    /// IP versions on the path.
    pub fn ip(mut self, versions: IpVersions) -> Self {
        self.ip = versions;
        self
    }

    /// Maximum transmission unit in bytes (at least 1280 where IPv6 is used).
    pub fn mtu(mut self, bytes: u16) -> Self {
        self.mtu = bytes;
        self
    }

    /// Subflows over this path are joined as backup (RFC 8684, 3.2).
    pub fn backup(mut self) -> Self {
        self.backup = true;
        self
    }

    /// Whether the path has an emulator that can change it at run time.
    pub fn is_emulated(&self) -> bool {
        self.emulated
    }

    fn each(mut self, change: impl Fn(&mut Link)) -> Self {
        change(&mut self.uplink);
        change(&mut self.downlink);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.uplink.check()?;
        self.downlink.check()
    }
}

impl Default for Path {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_in_time_follows_the_rate() {
        let link = Link {
            rate: Some(Rate::mbit(50)),
            queue: Queue::Time(Duration::from_millis(100)),
            ..Link::default()
        };
        assert_eq!(link.queue_bytes(), Some(625_000));
        assert_eq!(Link { rate: None, ..link }.queue_bytes(), None);
        assert_eq!(
            Link {
                queue: Queue::Bytes(1),
                ..link
            }
            .queue_bytes(),
            Some(3_000)
        );
    }

    #[test]
    fn a_loss_that_is_no_probability_is_refused() {
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert!(Path::new().loss(wrong).check().is_err(), "{wrong}");
        }
        assert!(Path::new().loss(1.0).check().is_ok());
        assert!(Path::new().rate(Rate::bit(0)).check().is_err());
    }
}
