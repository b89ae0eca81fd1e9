//! A custom element removes an option from packets: completely, and the checksum stays right.

use emptcp_packet::{require, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    expect::checksums_are_right,
    hosts::{Hosts, Peer},
    sandbox::{Place, alone, direction, policy, with_own_element},
};
use mptcp_wire::Version;

const MANIFEST: &str = "name = \"take_prio\"\nkind = \"actor\"\nsummary = \"For a test.\"\n\
                        hooks = [\"xdp\", \"tc_ingress\", \"tc_egress\"]\n";
const SOURCE: &str = r"
#include <emptcp/element.h>
#include <emptcp/edit.h>
ACTOR(take_prio)
{
	struct emptcp_option option = emptcp_find(ctx, EMPTCP_SUBTYPE_MP_PRIO);

	emptcp_remove_option(ctx, packet, option);
	return EMPTCP_CONTINUE;
}
";

#[test]
fn an_option_is_removed_as_a_whole_at_even_and_odd_offsets_and_the_checksum_is_right() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        let catalog = with_own_element(folder.path(), "take_prio", MANIFEST, SOURCE);
        for hook in [Hook::TcIngress, Hook::TcEgress, Hook::Xdp] {
            let text = policy("p", direction(hook), "", &["take_prio"]);
            let place = Place::with_catalog(&catalog, hook, Peer::Client, &text);
            for ip in [4, 6] {
                let mut hosts = Hosts::new(ip, Version::V1);
                for packet in hosts.handshake(0) {
                    place.send(&mut hosts, &packet);
                }
                for options in [
                    &["mp_prio backup", "nop", "dss ack"][..],
                    &["nop", "mp_prio backup", "dss ack64"][..],
                ] {
                    let packet = Packet::new(Peer::Client, Kind::Ack).with(options);
                    let frame = packet.build(&mut hosts);
                    let output = place.frame(Peer::Client, &frame);
                    let option = [30, 3, 0x51];
                    let at = frame.windows(3).position(|bytes| bytes == option).expect("it was sent");
                    let mut wanted = frame.clone();
                    wanted[at..at + 3].fill(1);
                    let checksum = 14 + if ip == 4 { 20 } else { 40 } + 16;
                    wanted[checksum..checksum + 2].copy_from_slice(&output.packet[checksum..checksum + 2]);
                    assert_eq!(output.packet, wanted, "{hook:?}, IPv{ip}, {options:?}");
                    assert!(
                        checksums_are_right(&output.packet, false),
                        "{hook:?}, IPv{ip}, {options:?}"
                    );
                }
            }
        }
    });
}
