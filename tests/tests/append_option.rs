//! A custom element appends an option to packets without room for it: a refusal changes no byte.

use emptcp_packet::{require, stats::PolicyStats, testing::is_root};
use emptcp_plan::manifest::Hook;
use emptcp_tests::{
    describe::{Kind, Packet},
    expect::{change, checksums_are_right, set_checksums},
    hosts::{Hosts, Peer},
    sandbox::{Place, alone, direction, policy, with_own_element},
};
use mptcp_wire::Version;

const MANIFEST: &str = "name = \"say_prio\"\nkind = \"actor\"\nsummary = \"For a test.\"\n\
                        hooks = [\"xdp\", \"tc_ingress\", \"tc_egress\"]\ncounters = [\"done\", \"refused\"]\n";

/// `{helpers}` makes a helper of the kernel fail, `{facts}` changes the core's data about the packet.
const SOURCE: &str = r"
#include <emptcp/element.h>
{helpers}
#include <emptcp/edit.h>
COUNTERS(done, refused);
ACTOR(say_prio)
{
	__u8 option[4] = {EMPTCP_KIND_MPTCP, 3, EMPTCP_SUBTYPE_MP_PRIO << 4, EMPTCP_KIND_NOP};

{facts}
	if (emptcp_append_option(ctx, packet, option, sizeof(option)))
		emptcp_count_event(packet, done);
	else
		emptcp_count_event(packet, refused);
	return EMPTCP_CONTINUE;
}
";

/// Helpers that fail; none, at first. In the last one only the second correction of the checksum fails, that for the
/// longer pseudo-header.
const HELPERS: [&str; 4] = [
    "",
    "static __always_inline long no_tail(emptcp_context *ctx, __u64 end, __u64 flags) { (void)ctx; (void)end; (void)flags; return -12; }
#define bpf_skb_change_tail(ctx, end, flags) no_tail(ctx, end, flags)
#define bpf_xdp_adjust_tail(ctx, by) no_tail(ctx, by, 0)",
    "#if defined(EMPTCP_HOOK_TC)
static __always_inline long no_sum(emptcp_context *ctx, __u32 at, __u64 to) { (void)ctx; (void)at; (void)to; return -14; }
#define bpf_l4_csum_replace(ctx, at, from, to, flags) no_sum(ctx, at, to)
#endif",
    "#if defined(EMPTCP_HOOK_TC)
static __always_inline long no_pseudo(emptcp_context *ctx, __u32 at, __u64 from, __u64 to, __u64 flags)
{ return flags ? -14 : bpf_l4_csum_replace(ctx, at, from, to, flags); }
#define bpf_l4_csum_replace(ctx, at, from, to, flags) no_pseudo(ctx, at, from, to, flags)
#endif",
];

/// Faults of packets; the window of a packet is an index in this list.
const FACTS: [&str; 9] = [
    "",
    "packet->ip_offset = 0x1f0;",
    "packet->tcp_offset = 0x1fe;",
    "packet->tcp_offset += 1;",
    "packet->tcp_length = 60;",
    "packet->segments = 2;",
    "packet->types |= EMPTCP_OPTIONS_BROKEN;",
    "packet->payload_length = 1;",
    "packet->types &= ~EMPTCP_PURE_ACK;",
];

fn counted(policies: &[PolicyStats], name: &str) -> u64 {
    let own = &policies[0].elements[0];
    own.counters
        .iter()
        .find(|counter| counter.name == name)
        .expect("a counter")
        .counter
        .packets
}

/// Pure ACKs that can carry the option and some that cannot, and data.
fn packets(ip: u8) -> Vec<Packet> {
    let ack = |options: &[&str]| Packet::new(Peer::Client, Kind::Ack).with(options);
    let usual = || Packet::new(Peer::Client, Kind::Ack);
    let mut packets = vec![
        usual(),
        Packet { trailer: 6, ..usual() },
        Packet {
            vlan: vec![100, 7],
            ip_options: "94040000".to_owned(),
            extensions: vec![0, 60],
            ..usual()
        },
        ack(&[]),
        ack(&["nop", "dss ack", "nop", "nop", "nop"]),
        ack(&["nop", "nop", "timestamps", "dss ack64", "sack 1", "nop", "nop"]),
        ack(&["nop", "nop", "timestamps", "dss ack", "sack 2", "nop", "nop"]),
        ack(&["dss ack", "hex 0540 0000"]),
        Packet::new(Peer::Client, Kind::Data),
    ];
    if ip == 4 {
        // A checksum field of 0 and one of ffff are the same sum, but not the same bytes.
        for digits in ["0000", "ffff"] {
            packets.push(Packet {
                patch: vec![(16, digits.to_owned())],
                ..usual()
            });
        }
    }
    packets
}

#[test]
fn an_option_that_is_refused_leaves_every_byte_of_the_packet() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    alone(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut outcomes = [0; 2];
        let lines = FACTS.iter().enumerate();
        let facts: String = lines
            .map(|(window, fact)| format!("\tif (packet->window == {window}) {{ {fact} }}\n"))
            .collect();
        for (number, helpers) in HELPERS.into_iter().enumerate() {
            let folder = folder.path().join(number.to_string());
            let source = SOURCE.replace("{helpers}", helpers).replace("{facts}", &facts);
            let catalog = with_own_element(&folder, "say_prio", MANIFEST, &source);
            for hook in [Hook::TcIngress, Hook::TcEgress, Hook::Xdp] {
                let text = policy("p", direction(hook), "", &["say_prio"]);
                let place = Place::with_catalog(&catalog, hook, Peer::Client, &text);
                for ip in [4, 6] {
                    let mut hosts = Hosts::new(ip, Version::V1);
                    for packet in hosts.handshake(0) {
                        // The third ACK is one that the element acts on.
                        place.frame(packet.from, &packet.build(&mut hosts));
                    }
                    let mut seen = place.policies();
                    for (packet, window) in packets(ip)
                        .into_iter()
                        .flat_map(|packet| (0..FACTS.len()).map(move |window| (packet.clone(), window)))
                    {
                        let fact = FACTS[window];
                        let packet = Packet {
                            window: Some(window as u16),
                            ..packet
                        };
                        let frame = packet.build(&mut hosts);
                        let output = place.frame(Peer::Client, &frame);
                        let policies = place.policies();
                        let more = |name| counted(&policies, name) - counted(&seen, name);
                        let (refused, done) = (more("refused"), more("done"));
                        seen = policies;
                        let context = format!("{hook:?}, IPv{ip}, `{helpers}`, `{fact}`, {packet:?}");
                        assert_eq!(refused + done, 1, "{context}");
                        outcomes[done as usize] += 1;
                        if refused == 1 {
                            assert!(output.packet == frame, "{context}: refused, but changed");
                            continue;
                        }
                        // At XDP the checksum is corrected without the kernel.
                        let possible = fact.is_empty()
                            && (helpers.is_empty() || hook == Hook::Xdp && !helpers.contains("adjust_tail"));
                        assert!(possible, "{context}: it must be refused");
                        let mut wanted = frame.clone();
                        if packet.trailer > 0 {
                            change(&mut wanted, "trim");
                        }
                        change(&mut wanted, "append 1e035001");
                        assert_eq!(output.packet.len(), wanted.len(), "{context}");
                        if packet.patch.is_empty() {
                            set_checksums(&mut wanted, false);
                            assert!(checksums_are_right(&output.packet, false), "{context}");
                            assert!(output.packet == wanted, "{context}");
                        }
                    }
                }
            }
        }
        eprintln!("{} refused, {} done", outcomes[0], outcomes[1]);
        assert!(outcomes.iter().all(|&outcome| outcome > 50), "{outcomes:?}");
    });
}
