//! Large tables are read quickly and completely.

mod common;

use common::{
    Namespace,
    packets::{ACK, SYN, capable, segment},
    plan,
};
use emptcp_load::{
    pin,
    program::{TestRun, test_run},
};
use emptcp_model::grouped;
use emptcp_packet::{ApplyOptions, Catalog, Instance, apply, instance::DEFAULT, require, testing::is_root};
use std::{
    collections::HashSet,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

const POLICY: &str = "[tables]\nflows = 100000\nconnections = 40000\n\
    [[policy]]\nname = \"p\"\ndevice = \"lo\"\nhook = \"ingress\"\ndo = [\"count\"]\n";

/// The entry programs of the instance, which get packets as from a device.
struct Entries([OwnedFd; 2]);

impl Entries {
    fn open(instance: &Instance) -> Self {
        let folder = instance.show().unwrap().folder;
        Self(
            ["ingress", "egress"].map(|direction| pin::open(&folder.join(format!("entry_tc_{direction}_14"))).unwrap()),
        )
    }

    fn hand(&self, direction: usize, packet: &[u8]) {
        let run = TestRun {
            packet,
            context: &mut [],
            repeat: 1,
        };
        test_run(self.0[direction].as_fd(), run).unwrap();
    }

    /// Handshakes of the connections with these numbers, which arrive at the device.
    fn open_connections(&self, numbers: Range<u32>) {
        for number in numbers {
            let client = ([10, 1, 7, (number >> 15) as u8], 1024 + (number & 0x7fff) as u16);
            let server = ([10, 0, 0, 2], 80);
            let keys = [u64::from(number).to_be_bytes(), [9; 8]];
            self.hand(0, &segment(client, server, (1000, 0), SYN, &capable(&[]), &[]));
            self.hand(
                1,
                &segment(server, client, (5000, 1001), SYN | ACK, &capable(&keys[1..]), &[]),
            );
            self.hand(0, &segment(client, server, (1001, 5001), ACK, &capable(&keys), &[]));
        }
    }
}

/// The least time of three that it takes to read everything and to write it as JSON. Every record is read once: all
/// that were opened, except those that newer ones replaced in a full set.
fn time_of_reading(instance: &Instance, opened: usize) -> Duration {
    let catalog = Catalog::built_in();
    let evicted = instance.stats(&catalog).unwrap().core["flow_evicted"] as usize;
    let once = || {
        let begin = Instant::now();
        let flows = instance.flows().unwrap();
        let groups = grouped(instance.connections().unwrap(), flows);
        serde_json::to_writer(std::io::sink(), &groups).unwrap();
        let used = begin.elapsed();
        assert_eq!(
            groups.len(),
            opened,
            "a connection for each, and no subflow without one"
        );
        let flows = groups.iter().flat_map(|group| &group.flows);
        let ids: HashSet<_> = flows.clone().map(|flow| flow.id).collect();
        assert_eq!((flows.count(), ids.len()), (opened - evicted, opened - evicted));
        used
    };
    (0..3).map(|_| once()).min().unwrap()
}

#[test]
fn ten_times_the_subflows_take_about_ten_times_the_time_to_read() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let catalog = Catalog::built_in();
    Namespace::new().within(|| {
        let options = ApplyOptions {
            adopt: false,
            clsact: false,
        };
        apply(DEFAULT, &plan(&catalog, POLICY), POLICY, &catalog, &options).unwrap();
        let instance = Instance::open(DEFAULT).unwrap();
        let entries = Entries::open(&instance);
        entries.open_connections(0..2000);
        let few = time_of_reading(&instance, 2000);
        entries.open_connections(2000..20_000);
        let many = time_of_reading(&instance, 20_000);
        println!("2000 subflows: {few:?}, 20 000: {many:?}");
        // A loop over all subflows for each connection would be a hundred times slower.
        assert!(many < few * 30, "2000 subflows take {few:?}, 20 000 take {many:?}");
        let stats = instance.stats(&catalog).unwrap();
        let used = |name: &str| stats.tables.iter().find(|table| table.name == name).unwrap().used;
        assert_eq!(used("flows"), 20_000 - stats.core["flow_evicted"]);
        assert_eq!((used("connections"), used("half_open")), (20_000, 0));
        assert_eq!(stats.core["chain_broken"], 0);
    });
}
