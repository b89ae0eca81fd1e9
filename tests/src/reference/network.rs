//! The network: it loses, delays and repeats packets, and sends some around the device.

use super::{
    bench::Step,
    frame::{Segment, flag, option_bytes},
    traffic::{Host, InFlight, Out, Phase, Traffic},
};
use mptcp_wire::tcp::TcpOption;
use rand::RngExt;

impl Traffic {
    /// Sends a segment of a host into the network.
    pub(super) fn send(&mut self, index: usize, from: usize, out: Out) {
        let Out {
            sequence,
            flags,
            mut options,
            payload,
            segments,
            what,
        } = out;
        let subflow = &mut self.subflows[index];
        let scaling = subflow.scaling && flags & flag::SYN == 0;
        let host = &mut subflow.hosts[from];
        host.stamp = host.stamp.wrapping_add(1);
        let stamp = host.stamp;
        if subflow.timestamps {
            let echo_reply = if flags & flag::ACK != 0 { host.echo } else { 0 };
            let value = stamp;
            options.insert(0, TcpOption::Timestamps { value, echo_reply });
        }
        let shift = if scaling { host.scale.unwrap_or(0).min(14) } else { 0 };
        let segment = Segment {
            ends: [subflow.ends[from], subflow.ends[1 - from]],
            sequence,
            acknowledgement: if flags & flag::ACK != 0 { host.expected } else { 0 },
            flags,
            window: (host.window >> shift).min(65_535) as u16,
            options: option_bytes(&options),
            payload: payload as usize,
        };
        if flags & flag::SYN != 0 {
            host.next = segment.sequence.wrapping_add(1 + payload);
        }
        let in_flight = InFlight {
            subflow: index,
            from,
            epoch: subflow.epoch,
            segment,
            segments,
            stamp,
            what,
        };
        self.network(in_flight);
    }

    fn network(&mut self, in_flight: InFlight) {
        let conditions = self.conditions;
        if self.chance(conditions.lost) {
            return;
        }
        if self.chance(conditions.around) {
            self.deliver(&in_flight);
            return;
        }
        if self.chance(conditions.repeated) {
            let later = self.now + self.random.random_range(1..30);
            self.in_flight.push((later, in_flight.clone()));
        }
        if self.chance(conditions.held) {
            let later = self.now + self.random.random_range(1..12);
            self.in_flight.push((later, in_flight));
            return;
        }
        self.pass(&in_flight);
        if !self.chance(conditions.lost_behind) {
            self.deliver(&in_flight);
        }
    }

    /// The packet passes the device.
    pub(super) fn pass(&mut self, in_flight: &InFlight) {
        if self.blind > 0 {
            self.blind -= 1;
            return;
        }
        if self
            .unseen
            .is_some_and(|(since, host)| self.now >= since && in_flight.from == host)
        {
            return;
        }
        let side = self.side(in_flight.from);
        let step = Step::packet(side, in_flight.segment.build(), in_flight.segments, in_flight.what);
        self.steps.push(step);
    }

    pub(super) fn deliver(&mut self, in_flight: &InFlight) {
        let Segment {
            sequence,
            acknowledgement,
            flags,
            payload,
            ..
        } = in_flight.segment;
        let subflow = &mut self.subflows[in_flight.subflow];
        if subflow.epoch != in_flight.epoch {
            return;
        }
        let host = &mut subflow.hosts[1 - in_flight.from];
        if flags & flag::SYN != 0 {
            host.expected = sequence.wrapping_add(1 + payload as u32);
            subflow.phase = match (in_flight.from, subflow.phase) {
                (0, Phase::SynSent) => Phase::SynSeen,
                (1, Phase::SynSeen) => Phase::Answered,
                (_, phase) => phase,
            };
        } else {
            let takes = payload as u32 + u32::from(flags & flag::FIN != 0);
            host.receive(sequence, sequence.wrapping_add(takes));
        }
        if (in_flight.stamp.wrapping_sub(host.echo) as i32) > 0 || host.echo == 0 {
            host.echo = in_flight.stamp;
        }
        if flags & flag::ACK != 0 && (acknowledgement.wrapping_sub(host.una) as i32) > 0 {
            host.una = acknowledgement;
        }
        self.data_seen[in_flight.from] = self.data_next[in_flight.from];
    }
}

impl Host {
    /// Receives a segment, in order or not.
    fn receive(&mut self, begin: u32, end: u32) {
        let ahead = |number: u32, expected: u32| number.wrapping_sub(expected) as i32;
        if begin == end || ahead(end, self.expected) <= 0 {
            return;
        }
        self.above.push((begin, end));
        while let Some(at) = self
            .above
            .iter()
            .position(|&(begin, _)| ahead(begin, self.expected) <= 0)
        {
            let (_, end) = self.above.swap_remove(at);
            if ahead(end, self.expected) > 0 {
                self.expected = end;
            }
        }
    }
}
