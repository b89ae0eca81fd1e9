//! What a capture lacks, and the command that makes a better one: the one place where this is said.

use emptcp_trace::record::{Connection, Totals};
use emptcp_trace::{Direction, PerDirection};

/// Bytes of a packet that hold all headers: Ethernet, IPv6, TCP with 40 bytes of options, and some tags.
const HEADERS: u32 = 160;
/// The same inside of tunnels.
const HEADERS_IN_TUNNELS: u32 = 288;
/// Buffer of the kernel, in KiB as `tcpdump -B` has it: 1 s of 500 000 packets.
const BUFFER: u32 = 131_072;

/// How to make a better capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is wrong with this one, and what to do about it, in words.
    pub why: String,
    /// The commands; `DEVICE` is for the reader to replace.
    pub commands: Vec<String>,
}

/// What is missing or too much in a capture, counted over its connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureFaults {
    /// Packets that it has twice or more often.
    twice: u64,
    /// Packets whose headers are cut.
    cut: u64,
    /// Connections of which the data of one direction was acknowledged, but not captured at all.
    one_direction: u64,
    /// Other connections with acknowledged data that is not in the capture.
    lossy: u64,
    /// Connections that it has from their middle on.
    mid_stream: u64,
    /// Packets that an offload merged, or has not split yet.
    aggregates: u64,
    /// Packets in tunnels.
    in_tunnels: u64,
    /// Packets that came too late to be sorted by time.
    late: u64,
}

impl CaptureFaults {
    /// Adds those of a connection.
    pub fn connection(&mut self, connection: &Connection) {
        let packets: PerDirection<u64> = connection.pkts;
        let missed = |direction| connection.not_captured[direction] > 0 || connection.loss[direction] > 0;
        if Direction::BOTH
            .iter()
            .any(|direction| packets[*direction] == 0 && missed(*direction))
        {
            self.one_direction += 1;
        } else if connection.lossy_capture {
            self.lossy += 1;
        }
        self.aggregates += connection.aggregates.total();
    }

    /// Adds those of a trace at its end.
    pub fn totals(&mut self, totals: &Totals) {
        self.twice += totals.captured_twice;
        self.cut += totals.skipped.cut;
        self.mid_stream += totals.mid_stream;
        self.late += totals.capped.late;
        let tunnels = &totals.encapsulated;
        self.in_tunnels += tunnels.gre + tunnels.ip_in_ip + tunnels.vxlan + tunnels.geneve + tunnels.gtp_u;
        self.in_tunnels += tunnels.mpls + tunnels.pppoe + tunnels.vlan;
    }

    /// Adds those of another capture.
    pub fn merge(&mut self, other: &Self) {
        let Self {
            twice,
            cut,
            one_direction,
            lossy,
            mid_stream,
            aggregates,
            in_tunnels,
            late,
        } = *other;
        self.twice += twice;
        self.cut += cut;
        self.one_direction += one_direction;
        self.lossy += lossy;
        self.mid_stream += mid_stream;
        self.aggregates += aggregates;
        self.in_tunnels += in_tunnels;
        self.late += late;
    }

    /// What to do about each fault, worst first.
    fn reasons(&self) -> Vec<&'static str> {
        let faults = [
            (
                self.one_direction,
                "one direction is missing: capture on one of the two hosts, or where both directions pass",
            ),
            (
                self.lossy,
                "packets are missing: give the kernel a larger buffer (-B), keep only headers (-s), write to a fast disk",
            ),
            (
                self.twice,
                "packets are there twice: name one device instead of `-i any`",
            ),
            (self.cut, "headers are cut: keep more bytes of each packet (-s)"),
            (self.mid_stream, "connections began before: start the capture first"),
            (
                self.late,
                "packets are far out of order: name one device instead of `-i any`",
            ),
        ];
        faults
            .into_iter()
            .filter(|(of, _)| *of > 0)
            .map(|(_, words)| words)
            .collect()
    }

    /// How to make a better capture; none when this one lacks nothing.
    #[must_use]
    pub fn advice(&self) -> Option<Advice> {
        let mut reasons = self.reasons();
        if reasons.is_empty() {
            return None;
        }
        // A filter for TCP would leave out tunnels, in which TCP is not the protocol of the outer packet.
        let (snap_length, filter) = match self.in_tunnels {
            0 => (HEADERS, " tcp"),
            _ => (HEADERS_IN_TUNNELS, ""),
        };
        let mut commands = vec![format!(
            "tcpdump -i DEVICE -s {snap_length} -B {BUFFER} -w capture.pcap{filter}"
        )];
        // Merged packets alone are no fault; but copies of them on several devices are split in several ways, and what
        // the kernel merges is one packet less of those that are missing.
        if self.aggregates > 0 && self.twice + self.lossy > 0 {
            reasons.push("offloads merge packets: switch them off meanwhile (costs processor time)");
            commands.insert(0, "ethtool -K DEVICE gro off lro off tso off gso off".to_owned());
        }
        Some(Advice {
            why: reasons.join("; "),
            commands,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::sample;

    fn faults(connection: impl FnOnce(&mut Connection), totals: impl FnOnce(&mut Totals)) -> CaptureFaults {
        let mut sample = sample::connection(0);
        (sample.lossy_capture, sample.loss, sample.not_captured) =
            (false, PerDirection::default(), PerDirection::default());
        sample.aggregates = PerDirection::default();
        connection(&mut sample);
        let mut sum = Totals::default();
        totals(&mut sum);
        let mut faults = CaptureFaults::default();
        faults.connection(&sample);
        faults.totals(&sum);
        faults
    }

    #[test]
    fn a_capture_that_lacks_nothing_needs_no_advice() {
        assert_eq!(faults(|_| {}, |_| {}).advice(), None);
        // No capture cures what a host sent malformed.
        assert_eq!(faults(|_| {}, |totals| totals.skipped.malformed = 7).advice(), None);
        assert_eq!(
            faults(|connection| connection.aggregates = PerDirection([5, 5]), |_| {}).advice(),
            None
        );
    }

    #[test]
    fn each_fault_has_its_advice_and_all_have_one_command() {
        let cases = [
            (
                faults(|_| {}, |totals| totals.captured_twice = 7),
                "twice: name one device",
            ),
            (faults(|_| {}, |totals| totals.skipped.cut = 7), "headers are cut"),
            (
                faults(|_| {}, |totals| totals.mid_stream = 1),
                "start the capture first",
            ),
            (faults(|_| {}, |totals| totals.capped.late = 1), "far out of order"),
            (
                faults(|connection| connection.lossy_capture = true, |_| {}),
                "larger buffer",
            ),
            (
                faults(
                    |connection| {
                        (connection.pkts, connection.loss) = (PerDirection([9, 0]), PerDirection([0, 1000]));
                        connection.lossy_capture = true;
                    },
                    |_| {},
                ),
                "one direction is missing",
            ),
        ];
        for (faults, expected) in cases {
            let advice = faults.advice().unwrap();
            assert!(advice.why.contains(expected), "{advice:?}");
            assert_eq!(advice.why.matches("; ").count(), 0, "one fault: {advice:?}");
            assert_eq!(
                advice.commands,
                ["tcpdump -i DEVICE -s 160 -B 131072 -w capture.pcap tcp"]
            );
        }
    }

    #[test]
    fn in_tunnels_more_is_kept_and_no_filter_is_used() {
        let advice = faults(
            |_| {},
            |totals| (totals.captured_twice, totals.encapsulated.vxlan) = (1, 1),
        )
        .advice()
        .unwrap();
        assert_eq!(advice.commands, ["tcpdump -i DEVICE -s 288 -B 131072 -w capture.pcap"]);
    }

    #[test]
    fn offloads_are_named_where_merged_packets_are_among_the_faulty_ones() {
        let aggregates = |connection: &mut Connection| connection.aggregates = PerDirection([5, 5]);
        let advice = faults(aggregates, |totals| totals.captured_twice = 1).advice().unwrap();
        assert!(
            advice.commands[0].starts_with("ethtool -K DEVICE gro off"),
            "{advice:?}"
        );
    }
}
