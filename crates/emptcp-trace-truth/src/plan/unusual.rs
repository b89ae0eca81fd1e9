//! Draws what is unusual.

use super::draw::MILLISECOND;
use super::{Fault, Happening, Plan, Resegmenting, Target};
use crate::random::Random;
use emptcp_trace::{Direction, Span};
use mptcp_wire::Version;
use mptcp_wire::mptcp::{ResetReason, Subtype};

impl Plan {
    /// Something that suits what is planned so far; none if the draw does not.
    pub(super) fn draw_happening(&self, random: &mut Random) -> Option<Happening> {
        let drawn = match random.below(20) {
            0..10 => self.draw_on_path(random),
            10..15 => self.draw_at_host(random),
            _ => draw_in_capture(random),
        };
        let suits = match drawn {
            Happening::JoinRefused { .. } | Happening::Removed { .. } | Happening::BackupSwitch { .. } => {
                !self.joins.is_empty()
            }
            Happening::FallsBack { .. } => self.joins.is_empty(),
            // MP_TCPRST is of version 1 only, so is the alternative with RST.
            Happening::Fastclose { by_ack: false, .. } => self.version == Version::V1,
            _ => true,
        };
        // Two faults of one party at once would hide each other.
        let party = |happening: &Happening| happening.cause().party();
        (suits && !self.unusual().any(|(_, other)| party(&other) == party(&drawn))).then_some(drawn)
    }

    /// A direction; more often the one that carries more.
    fn mostly_full(&self, random: &mut Random) -> Direction {
        let bytes = self
            .hosts
            .map(|host| host.writes.iter().map(|(_, bytes)| *bytes).sum::<u64>());
        let [up, down] = bytes.0;
        let full = if up > down {
            Direction::ClientToServer
        } else {
            Direction::ServerToClient
        };
        if random.percent(60) { full } else { full.reverse() }
    }

    /// While data flows, as far as that can be told in advance.
    fn soon(&self, random: &mut Random) -> Span {
        let bytes: u64 = self
            .hosts
            .0
            .iter()
            .flat_map(|host| &host.writes)
            .map(|(_, bytes)| bytes)
            .sum();
        let path = &self.paths[0];
        let round_trip = 2 * (path.delays[0].0 + path.delays[1].0);
        let sending = (bytes * 1_000_000_000 / path.rate) as i64;
        let rounds = i64::from((bytes / 14_000 + 2).ilog2());
        let whole = (2 + rounds) * round_trip + sending;
        Span(2 * round_trip + (whole - round_trip) * random.between(0, 600) as i64 / 1000)
    }

    fn draw_on_path(&self, random: &mut Random) -> Happening {
        let one_way = self.mostly_full(random);
        let target = Target {
            path: random.below(self.paths.len() as u64) as usize,
            direction: Some(one_way),
            from: Span(0),
            before_capture: false,
        };
        let soon = self.soon(random);
        let subtype = match random.percent(60) {
            true => Subtype::MpJoin,
            false => Subtype::MpCapable,
        };
        match random.below(17) {
            0 | 1 => Happening::Loss {
                target,
                per_mille: random.between(5, 60),
            },
            2..6 => Happening::Strip {
                target: Target {
                    from: random.one_of(&[Span(0), Span(0), soon]),
                    direction: random.one_of(&[Some(one_way), Some(one_way), None]),
                    before_capture: random.percent(12),
                    ..target
                },
                subtype: random.one_of(&[
                    None,
                    None,
                    Some(Subtype::MpCapable),
                    Some(Subtype::MpJoin),
                    Some(Subtype::Dss),
                    Some(Subtype::AddAddr),
                ]),
            },
            6 | 7 => Happening::Dead {
                target: Target {
                    from: soon,
                    direction: random.one_of(&[None, None, Some(one_way)]),
                    before_capture: random.percent(15),
                    ..target
                },
            },
            8 => Happening::HostGone {
                target: Target {
                    from: soon,
                    direction: None,
                    before_capture: random.percent(70),
                    ..target
                },
            },
            9 => Happening::Blocked {
                target: Target {
                    path: match subtype {
                        Subtype::MpCapable => 0,
                        _ => target.path,
                    },
                    direction: Some(Direction::ClientToServer),
                    ..target
                },
                subtype,
            },
            10 => Happening::Mirror {
                target: Target {
                    path: 0,
                    direction: None,
                    ..target
                },
            },
            11 => Happening::Translate {
                target: Target {
                    direction: None,
                    ..target
                },
            },
            12 => Happening::Rewrite {
                target: Target { from: soon, ..target },
            },
            13 => Happening::Resegment {
                target: Target { from: soon, ..target },
                how: random.one_of(&[Resegmenting::Split, Resegmenting::Merge]),
            },
            14 | 15 => Happening::Reset {
                target: Target { from: soon, ..target },
                both: random.percent(60),
                plain: random.percent(50),
            },
            _ => Happening::Reorder {
                target,
                per_mille: random.between(10, 100),
            },
        }
    }

    fn draw_at_host(&self, random: &mut Random) -> Happening {
        let host = self.mostly_full(random);
        let at = self.soon(random);
        match random.below(10) {
            0 => Happening::PlainServer,
            1 => Happening::Refused,
            2 => Happening::JoinRefused {
                reason: ResetReason(random.between(1, 6) as u8),
            },
            3 => Happening::Idle { host },
            4 | 5 => Happening::Fastclose {
                host,
                at,
                by_ack: random.percent(50),
            },
            6 => Happening::FallsBack {
                host,
                at: Span(at.0 / 2),
            },
            7 => Happening::Removed {
                path: 1 + random.below((self.paths.len() as u64 - 1).max(1)) as usize,
                at,
            },
            8 => Happening::BackupSwitch { host, at },
            _ => Happening::Malformed {
                host,
                at,
                fault: random.one_of(&[Fault::ShortDss, Fault::LongPrio, Fault::OddAddAddr]),
            },
        }
    }
}

fn draw_in_capture(random: &mut Random) -> Happening {
    let after_per_mille = random.between(2, 700);
    match random.below(12) {
        0 => Happening::NotCaptured {
            per_mille: random.between(5, 60),
        },
        1 => Happening::Gap {
            after_per_mille,
            packets: random.between(1, 12) as usize,
        },
        2 | 3 => Happening::Twice {
            later: Span(random.between(1, 40) as i64 * 1000),
            routed: random.percent(40),
        },
        4 | 5 => Happening::Begins { after_per_mille },
        6 => Happening::Ends {
            after_per_mille: random.between(100, 980),
        },
        7 => Happening::CutShort {
            bytes: random.one_of(&[68, 96, 128, 200]),
        },
        8 => Happening::OneDirection {
            sender: random.one_of(&Direction::BOTH),
        },
        9 => Happening::Order {
            by: Span(random.between(1, 60) as i64 * MILLISECOND),
        },
        10 => Happening::Offload {
            most: random.between(3000, 60_000) as usize,
        },
        _ => Happening::ClockStep {
            after_per_mille,
            by: Span(random.one_of(&[-3_600_000, -1500, -40, 1500, 12_000, 3_600_000]) * MILLISECOND),
        },
    }
}
