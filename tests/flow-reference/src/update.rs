//! What an acceptable segment changes in its record.

use crate::numbers::{sure_place, window};
use crate::packet::{Packet, after, distance};
use crate::record::{Fin, Numbers, RANGES, Record, Sample, Sender, State};
use crate::times::Times;

/// What a segment did beside changing fields.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Segments retransmitted.
    pub retransmitted: u32,
    /// A sample of the other side ended.
    pub sampled: bool,
    /// The sender's window grew above what was known.
    pub wider: bool,
}

/// Counts, sequence numbers, acknowledgements, windows and round trips.
pub fn update(record: &mut Record, packet: &Packet, now: Times) -> Done {
    let (sender, peer) = record.pair(packet.side);
    let mut done = Done::default();
    sender.packets += u64::from(packet.segments);
    sender.bytes += u64::from(packet.payload);
    sender.last_ns = now.coarse;
    sender.run.count = 0;
    done.retransmitted = sequence(sender, peer, packet, now);
    if let Some(ack) = packet.acknowledgement {
        done.sampled = acknowledgement(sender, peer, packet, ack, now);
    }
    sender.window = window(sender, packet);
    done.wider = sender.window > sender.window_max;
    sender.window_max = sender.window_max.max(sender.window);
    done
}

fn sequence(sender: &mut Sender, peer: &Sender, packet: &Packet, now: Times) -> u32 {
    let numbers = sender.numbers.get_or_insert(Numbers {
        end: packet.sequence,
        contiguous: packet.begin(),
        base: packet.begin(),
        ranges: Vec::new(),
    });
    if packet.takes() == 0 || is_keep_alive(numbers, peer, packet) {
        return 0;
    }
    // RFC 6298 section 3: a sample begins with new data, and is void once something is sent again.
    if after(numbers.end, packet.sequence) {
        sender.sample = None;
    } else if packet.sequence == numbers.end && sender.sample.is_none() {
        sender.sample = Some(Sample {
            sent_ns: now.exact,
            end: packet.end(),
            timestamp: packet.timestamps.map_or(0, |(value, _)| value),
        });
    }
    let mut retransmitted = 0;
    if packet.begin() != packet.end() {
        let (seen, uncertain) = numbers.add(packet.begin(), packet.end());
        let again = seen.min(packet.payload);
        let is_probe = packet.payload == 1 && again == 1 && peer.numbers.is_some() && peer.window == 0;
        if again > 0 && !is_probe {
            retransmitted = (u64::from(again) * u64::from(packet.segments)).div_ceil(u64::from(packet.payload)) as u32;
        }
        if uncertain {
            sender.uncertain += packet.segments;
        }
    }
    if after(packet.end(), numbers.end) {
        numbers.end = packet.end();
    }
    sender.retransmissions += retransmitted;
    retransmitted
}

/// RFC 9293 section 3.8.4.
fn is_keep_alive(numbers: &Numbers, peer: &Sender, packet: &Packet) -> bool {
    packet.payload == 1
        && packet.sequence == numbers.end.wrapping_sub(1)
        && peer.acknowledged.is_some_and(|(ack, _)| ack == numbers.end)
        && !packet.psh
        && !packet.fin
        && packet.mapping.is_none()
        && packet.capable.is_none()
}

impl Numbers {
    /// Adds a range. Answers how many of its bytes were seen before, and whether that cannot be said of all of them.
    fn add(&mut self, begin: u32, end: u32) -> (u32, bool) {
        let mut uncertain = false;
        let was = self.base;
        if after(self.base, begin) {
            uncertain = true;
            self.base = begin;
        }
        // From here on as distances from `base`, which do not wrap.
        let base = self.base;
        let from = |number: u32| u64::from(number.wrapping_sub(base));
        let (begin, end) = (from(begin), from(end));
        let common = |(low, high): (u64, u64)| high.min(end).saturating_sub(low.max(begin));
        let mut seen = common((from(was), from(self.contiguous)));
        let mut all: Vec<_> = self.ranges.iter().map(|&(low, high)| (from(low), from(high))).collect();
        seen += all.iter().copied().map(common).sum::<u64>();
        // One list of everything seen, in order; what touches becomes one.
        let kept = all.clone();
        all.push((begin, end));
        all.push((0, from(self.contiguous)));
        let mut merged = merge(all);
        if merged.len() > RANGES + 1 {
            uncertain = true;
            merged = merge([kept, vec![(0, from(self.contiguous))]].concat());
        }
        let back = |number: u64| base.wrapping_add(number as u32);
        self.contiguous = back(merged[0].1);
        self.ranges = merged[1..].iter().map(|&(low, high)| (back(low), back(high))).collect();
        (seen as u32, uncertain)
    }
}

fn merge(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

fn acknowledgement(sender: &mut Sender, peer: &mut Sender, packet: &Packet, ack: u32, now: Times) -> bool {
    let mut sampled = false;
    let (highest, edge) = match sender.acknowledged {
        Some((highest, edge)) if !after(ack, highest) => (highest, edge),
        earlier => {
            if let Some(sample) = peer.sample.filter(|sample| !after(sample.end, ack)) {
                peer.sample = None;
                let echo = packet.timestamps.map(|(_, echo)| echo);
                if sample.timestamp == 0 || !echo.is_some_and(|echo| after(echo, sample.timestamp)) {
                    peer.measured(now.exact.wrapping_sub(sample.sent_ns));
                    sampled = true;
                }
            }
            (
                ack,
                earlier.map_or(ack, |(_, edge)| if after(ack, edge) { ack } else { edge }),
            )
        }
    };
    let edge = match packet.sack_edge {
        Some(sacked) if after(sacked, edge) && peer.numbers.as_ref().is_none_or(|sent| !after(sacked, sent.end)) => {
            sacked
        }
        _ => edge,
    };
    sender.acknowledged = Some((highest, edge));
    sampled
}

/// RFC 6298 section 2.
#[must_use]
pub fn smoothed(rtt: u32, samples: u32, sample: u32) -> u32 {
    if samples == 0 {
        return sample;
    }
    let eighth = (i64::from(sample) - i64::from(rtt)).div_euclid(8);
    (i64::from(rtt) + eighth) as u32
}

/// A time in microseconds as a record has it: at least 1, at most 2^31 - 1.
#[must_use]
pub fn microseconds(nanoseconds: u64) -> u32 {
    (nanoseconds / 1000).clamp(1, i32::MAX as u64) as u32
}

impl Sender {
    fn measured(&mut self, nanoseconds: u64) {
        let sample = microseconds(nanoseconds);
        self.rtt_us = smoothed(self.rtt_us, self.rtt_samples, sample);
        self.rtt_min_us = if self.rtt_samples == 0 {
            sample
        } else {
            self.rtt_min_us.min(sample)
        };
        self.rtt_samples += 1;
    }
}

/// Ten seconds: the silence of a side after which a suspected reset is accepted.
const SILENCE_NS: u64 = 10_000_000_000;

/// What a FIN, the acknowledgement of one, and silence after a suspected reset make of the state.
pub fn ends(record: &mut Record, packet: &Packet, now: Times) {
    let (sender, peer) = record.pair(packet.side);
    let end = sender.numbers.as_ref().map(|numbers| numbers.end);
    if sender.fin == Fin::Sent && end.is_some_and(|end| after(end, sender.fin_end)) {
        sender.fin = Fin::None;
    }
    if packet.fin && sender.fin == Fin::None && end == Some(packet.end()) && sure_place(sender, peer, packet) {
        sender.fin = Fin::Sent;
        sender.fin_end = packet.end();
    }
    if peer.fin == Fin::Sent
        && sender
            .acknowledged
            .is_some_and(|(ack, _)| distance(ack, peer.fin_end) >= 0)
    {
        peer.fin = Fin::Acknowledged;
    }
    sender.reset_suspected = false;
    let silent = peer.reset_suspected && now.coarse.saturating_sub(peer.last_ns) >= SILENCE_NS;
    let acknowledged = [sender.fin, peer.fin]
        .iter()
        .filter(|fin| **fin == Fin::Acknowledged)
        .count();
    if record.state < State::Established {
        return;
    }
    match acknowledged {
        2 => record.state = State::Closed,
        1 if record.state == State::Established => record.state = State::Closing,
        _ => {}
    }
    if silent {
        record.state = State::Closed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Numbers {
        Numbers {
            end: 100,
            contiguous: 100,
            base: u32::MAX - 99,
            ranges: Vec::new(),
        }
    }

    #[test]
    fn ranges_join_what_they_touch_and_a_fifth_is_not_kept() {
        let mut numbers = numbers();
        for begin in [200, 400, 600, 800] {
            assert_eq!(numbers.add(begin, begin + 100), (0, false));
        }
        assert_eq!(numbers.add(1000, 1100), (0, true));
        assert_eq!(numbers.ranges.len(), 4);
        assert_eq!(numbers.add(300, 450), (50, false));
        assert_eq!(numbers.ranges, [(200, 500), (600, 700), (800, 900)]);
        assert_eq!(numbers.add(100, 200), (0, false));
        assert_eq!((numbers.contiguous, numbers.ranges.len()), (500, 2));
    }

    #[test]
    fn what_lies_below_the_base_is_uncertain_and_moves_it() {
        let mut numbers = numbers();
        assert_eq!(numbers.add(u32::MAX - 149, u32::MAX - 49), (50, true));
        assert_eq!(numbers.base, u32::MAX - 149);
    }

    #[test]
    fn a_smoothed_time_moves_by_an_eighth_rounded_down() {
        assert_eq!(smoothed(0, 0, 80), 80);
        assert_eq!(smoothed(80, 1, 161), 90);
        assert_eq!(smoothed(80, 1, 79), 79);
        assert_eq!((microseconds(1), microseconds(u64::MAX)), (1, i32::MAX as u32));
    }
}
