//! Draws a plan.

use super::{Happening, HostPlan, JoinPlan, Order, PathPlan, Plan, Target};
use crate::random::Random;
use emptcp_trace::{Direction, PerDirection, Span};
use mptcp_wire::Version;
use mptcp_wire::mptcp::{ResetReason, Subtype};
use std::net::IpAddr;

const MILLISECOND: i64 = 1_000_000;

fn milliseconds(number: u64) -> Span {
    Span(number as i64 * MILLISECOND)
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        let random = &mut random;
        let version = if random.percent(30) { Version::V0 } else { Version::V1 };
        let is_v6 = random.percent(25);
        let paths = random.one_of(&[1, 1, 2, 2, 2, 3, 4]);
        let paths: Vec<_> = (0..paths).map(|number| path(number, is_v6, random)).collect();
        let hosts = PerDirection::from_fn(|direction| host(direction, version, random));
        let joins = (1..paths.len()).map(|path| join(path, random)).collect();
        let mut plan = Self {
            seed,
            version,
            hosts,
            server_port: random.one_of(&[80, 443, 5001, 8080]),
            paths,
            joins,
            happenings: Vec::new(),
            capture_near: random.one_of(&Direction::BOTH),
            until: Span::from_seconds(60),
        };
        let happenings = random.one_of(&[0, 1, 1, 1, 1, 2]);
        while plan.happenings.len() < happenings {
            if let Some(happening) = plan.happening(random) {
                plan.happenings.push(Some(happening));
            }
        }
        plan
    }

    /// Something that suits what is planned so far; none if the draw does not.
    fn happening(&self, random: &mut Random) -> Option<Happening> {
        let target = Target {
            path: random.below(self.paths.len() as u64) as usize,
            direction: random.one_of(&[Some(Direction::ClientToServer), Some(Direction::ServerToClient)]),
            from: Span(0),
        };
        let soon = Span((random.between(2, 20) * random.between(1, 40)) as i64 * MILLISECOND);
        let host = random.one_of(&Direction::BOTH);
        let reason = ResetReason(random.between(1, 6) as u8);
        let drawn = match random.below(14) {
            0 | 1 => Happening::Loss {
                target,
                per_mille: random.between(5, 60),
            },
            2..5 => Happening::Strip {
                target: Target {
                    from: random.one_of(&[Span(0), Span(0), soon]),
                    direction: random.one_of(&[target.direction, target.direction, None]),
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
            5 | 6 => Happening::Dead {
                target: Target {
                    from: soon,
                    direction: random.one_of(&[None, None, target.direction]),
                    ..target
                },
            },
            7 => Happening::PlainServer,
            8 => Happening::Refused,
            9 => Happening::JoinRefused { reason },
            10 => Happening::Idle { host },
            11 => Happening::Fastclose { host, at: soon },
            12 => match random.below(2) {
                0 => Happening::NotCaptured {
                    per_mille: random.between(5, 60),
                },
                _ => Happening::Twice {
                    later: Span(random.between(1, 40) as i64 * 1000),
                },
            },
            _ => Happening::Begins {
                after_per_mille: random.between(2, 700),
            },
        };
        let known = |other: &Happening| std::mem::discriminant(other) == std::mem::discriminant(&drawn);
        let suits = match drawn {
            Happening::JoinRefused { .. } => !self.joins.is_empty(),
            _ => true,
        };
        (suits && !self.unusual().any(|(_, other)| known(&other))).then_some(drawn)
    }

    /// The same without one happening: nothing else is drawn differently.
    pub(crate) fn without(mut self, happening: usize) -> Self {
        self.happenings[happening] = None;
        self
    }

    /// The settings of the hosts with what happens at them.
    pub(crate) fn host(&self, side: Direction) -> HostPlan {
        let mut host = self.hosts[side].clone();
        for (number, happening) in self.unusual() {
            match happening {
                Happening::PlainServer if side == Direction::ServerToClient => host.speaks_mptcp = false,
                Happening::Refused if side == Direction::ServerToClient => host.refuses = true,
                Happening::JoinRefused { reason } if side == Direction::ServerToClient => {
                    host.refuses_joins = Some(reason);
                }
                Happening::Idle { host: who } if who == side => {
                    host.idle = Some(number);
                    // In the middle of what it writes.
                    let half = host.writes.iter().map(|(_, bytes)| bytes).sum::<u64>() / 2;
                    host.writes = vec![
                        (Span(0), half.max(1)),
                        (Span::from_seconds(4 + (self.seed % 9) as i64), half.max(1)),
                    ];
                }
                Happening::Fastclose { host: who, at } if who == side => host.orders.push((at, Order::Fastclose(number))),
                _ => {}
            }
        }
        host
    }
}

fn host(direction: Direction, version: Version, random: &mut Random) -> HostPlan {
    let is_client = direction == Direction::ClientToServer;
    let writes = match (is_client, random.below(6)) {
        (true, 0) => vec![(Span(0), random.between(20_000, 150_000))],
        (true, _) => vec![(Span(0), random.between(1, 1500))],
        (false, 0) => vec![(Span(0), random.between(1, 3000))],
        (false, _) => vec![(Span(0), random.between(10_000, 300_000))],
    };
    HostPlan {
        checksums: random.percent(20),
        mapping_segments: random.one_of(&[1, 1, 2, 4, 8]),
        mapping_once: version == Version::V0 && random.percent(50),
        long_dsn: random.percent(80),
        long_ack: random.percent(70),
        timestamps: random.percent(85),
        takes_turns: random.percent(40),
        writes,
        speaks_mptcp: true,
        refuses: false,
        refuses_joins: None,
        idle: None,
        orders: Vec::new(),
        maximum_segment: random.one_of(&[1380, 1380, 1428, 536]) as u32,
    }
}

fn path(number: u8, is_v6: bool, random: &mut Random) -> PathPlan {
    let address = |host: u8| -> IpAddr {
        if is_v6 {
            IpAddr::from([0x2001, 0xdb8, 0, number.into(), 0, 0, 0, host.into()])
        } else {
            IpAddr::from([10, 0, number, host])
        }
    };
    let whole = random.between(2, 80) * 1_000_000 / 2;
    let near = random.between(50_000, 400_000);
    PathPlan {
        client: address(1),
        server: address(2),
        delays: [Span(near as i64), Span(whole as i64)],
        rate: random.one_of(&[500_000, 1_250_000, 2_500_000, 12_500_000]),
    }
}

fn join(path: usize, random: &mut Random) -> JoinPlan {
    JoinPlan {
        path,
        at: milliseconds(random.between(1, 300)),
        backup: random.percent(20),
        announced: random.percent(30),
    }
}
