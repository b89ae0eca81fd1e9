//! Draws a plan.

use super::{Happening, HostPlan, JoinPlan, Order, PathPlan, Plan};
use crate::random::Random;
use emptcp_trace::{Direction, PerDirection, Span};
use mptcp_wire::Version;
use std::net::IpAddr;

pub(super) const MILLISECOND: i64 = 1_000_000;

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
            if let Some(happening) = plan.draw_happening(random) {
                plan.happenings.push(Some(happening));
            }
        }
        let rewrites = plan
            .unusual()
            .any(|(_, happening)| matches!(happening, Happening::Rewrite { .. }));
        if rewrites && random.percent(75) {
            plan.hosts[Direction::ClientToServer].checksums = true;
        }
        plan
    }

    /// The same without one happening: nothing else is drawn differently.
    pub(crate) fn without(mut self, happening: usize) -> Self {
        self.happenings[happening] = None;
        self
    }

    /// The settings of a host with what happens at it.
    pub(crate) fn host(&self, side: Direction) -> HostPlan {
        let mut host = self.hosts[side].clone();
        let is_server = side == Direction::ServerToClient;
        let mut order = |who: Direction, at: Span, order: Order, number: usize| {
            if who == side {
                host.orders.push((at, order, number));
            }
        };
        for (number, happening) in self.unusual() {
            match happening {
                Happening::Fastclose { host, at, by_ack } => order(host, at, Order::Fastclose { by_ack }, number),
                Happening::FallsBack { host, at } => order(host, at, Order::FallBack, number),
                Happening::Removed { path, at } => order(Direction::ClientToServer, at, Order::Remove { path }, number),
                Happening::BackupSwitch { host, at } => order(host, at, Order::Backup, number),
                Happening::Malformed { host, at, fault } => order(host, at, Order::Malformed(fault), number),
                _ => {}
            }
        }
        for (number, happening) in self.unusual() {
            match happening {
                // A box that mirrors stands before a server that does not speak it.
                Happening::PlainServer if is_server => host.speaks_mptcp = false,
                Happening::Refused if is_server => host.refuses = true,
                Happening::JoinRefused { reason } if is_server => host.refuses_joins = Some(reason),
                Happening::Idle { host: who } if who == side => {
                    host.idle = Some(number);
                    // In the middle of what it writes.
                    let half = host.writes.iter().map(|(_, bytes)| bytes).sum::<u64>() / 2;
                    let wait = Span::from_seconds(4 + (self.seed % 9) as i64);
                    host.writes = vec![(Span(0), half.max(1)), (wait, half.max(1))];
                }
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
        maximum_segment: random.one_of(&[1380, 1380, 1428, 536]),
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
        hops: random.between(2, 14) as u8,
        rate: random.one_of(&[500_000, 1_250_000, 2_500_000, 12_500_000]),
    }
}

fn join(path: usize, random: &mut Random) -> JoinPlan {
    JoinPlan {
        path,
        at: Span(random.between(1, 60) as i64 * MILLISECOND),
        backup: random.percent(20),
        announced: random.percent(30),
    }
}
