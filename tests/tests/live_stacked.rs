//! A bridge and its port under the same policies, on live MPTCP: every packet counts once, and limits hold.

use emptcp_lab::{Counter, Host, IpVersion};
use emptcp_packet::{Instance, instance::DEFAULT, require, testing::is_root};
use emptcp_tests::live::{Bed, at_server, seconds, shell, two_paths, until};

/// Puts a device on top of the server's second path and moves address and neighbours to it.
fn put_on_top(host: &Host, make: &[&str]) {
    let device = "path2";
    let address = host.address(1, IpVersion::V4).unwrap();
    let neighbours = shell(host, &format!("ip -4 neighbour show dev {device}"));
    for command in make {
        shell(host, command);
    }
    shell(host, &format!("ip -4 addr flush dev {device}"));
    shell(host, &format!("ip addr add {address}/24 dev top"));
    shell(host, "ip link set top up");
    // As the lab has set them at the device below.
    for neighbour in neighbours.lines() {
        let words: Vec<_> = neighbour.split_whitespace().collect();
        if let [address, "lladdr", link, ..] = words[..] {
            shell(
                host,
                &format!("ip neighbour replace {address} lladdr {link} nud permanent dev top"),
            );
        }
    }
}

/// Limits the subflow that passes both devices, and compares the record with the kernel and the socket.
fn counts_once(make: &[&str]) {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    let server = bed.lab.server();
    put_on_top(server, make);
    let policies = "[[policy]]\nname = \"cap\"\ndevice = [\"path2\", \"top\"]\nhook = \"ingress\"\ndo = ['rate_limit rate=8mbit mode=police ramp=no']\n\
         [[policy]]\nname = \"top\"\ndevice = \"top\"\nhook = \"ingress\"\ndo = ['count']\n";
    bed.apply(server, policies);
    let transfer = bed.lab.bulk().duration(seconds(8.0)).start().unwrap();
    until(&transfer, 7.0);
    let series = at_server(&transfer);
    let flows = server
        .run(|| Instance::open(DEFAULT).and_then(|instance| instance.flows()))
        .unwrap()
        .unwrap();
    let core = bed.stats(server).core;
    let subflow = series
        .subflows()
        .into_iter()
        .find(|subflow| bed.lab.path_of(subflow) == Some(1))
        .expect("a subflow on the second path");
    let rate = bed.rates(&series, 3.0, 7.0).0[1];
    transfer.stop();
    transfer.finish().unwrap();

    let address = bed.lab.client().address(1, IpVersion::V4).unwrap();
    let record = flows
        .iter()
        .find(|flow| flow.remote.ip() == address)
        .unwrap_or_else(|| panic!("no record from {address}: {flows:#?}"));
    // Bytes that the kernel has received since the beginning, as megabits.
    let kernel = series
        .throughput(&subflow, Counter::Received, seconds(0.0), seconds(7.0))
        .unwrap()
        * 1e6
        / 8.0
        * 7.0;
    let ratio = record.received.bytes as f64 / kernel;
    eprintln!(
        "{make:?}: {rate:.2} Mbit/s of 8; record {} bytes, kernel {kernel:.0} ({ratio:.2}), {} retransmissions of {} segments, \
         seen before {}",
        record.received.bytes, record.received.retransmissions, record.received.packets, core["seen_before"]
    );
    // In four seconds the virtual queue and the allowed burst are added; limited twice it would be half.
    assert!((0.75..1.25).contains(&(rate / 8.0)), "{rate:.2} Mbit/s instead of 8");
    // Above the kernel's number by retransmissions and by packets that the limit dropped after the record; counted
    // twice it would be 2.
    assert!((0.95..1.5).contains(&ratio), "{ratio:.2}");
    assert!(
        u64::from(record.received.retransmissions) * 5 < record.received.packets,
        "{record:?}"
    );
    assert!(core["seen_before"] > 1000);
    let counts = |policy: &str| {
        let stats = bed.stats(server);
        let found = stats.policies.into_iter().find(|found| found.name == policy);
        found.expect("the policy").matched.packets
    };
    assert!(counts("top") > 1000, "a policy only for the upper device");
    bed.assert_clean("stacked");
}

#[test]
fn a_bridge_and_its_port_limit_a_subflow_once() {
    counts_once(&["ip link add top type bridge", "ip link set path2 master top"]);
}

#[test]
fn a_macvlan_and_the_device_below_limit_a_subflow_once() {
    counts_once(&["ip link add link path2 name top type macvlan mode passthru"]);
}
