//! The programs and the model of docs/flow-records.md agree in every field after every packet.

use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{reference::bench::Bench, sandbox::alone};

/// Packets for each hook. `cargo xtask fuzz` runs more.
const PACKETS: u64 = 66_667;

fn agree(hook: Hook) {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let compared = Bench::new(hook)
            .run(1, PACKETS, &mut |_| {})
            .unwrap_or_else(|difference| panic!("{difference}"));
        // It must compare something.
        assert!(compared.accepted > compared.packets / 3, "{compared:?}");
        assert!(compared.unacceptable > compared.packets / 50, "{compared:?}");
        assert!(compared.samples > compared.packets / 30, "{compared:?}");
        assert!(compared.established > 200 && compared.reanchored > 0, "{compared:?}");
    });
}

#[test]
fn every_field_of_every_record_is_the_models_at_xdp() {
    agree(Hook::Xdp);
}

#[test]
fn every_field_of_every_record_is_the_models_at_tc_ingress() {
    agree(Hook::TcIngress);
}

#[test]
fn every_field_of_every_record_is_the_models_at_tc_egress() {
    agree(Hook::TcEgress);
}
