//! `reset` on live MPTCP, checked by the kernels of both hosts, by tshark, and by the application.

use emptcp_lab::{End, Host, IpVersion, Mib, RunningBulk, Topology};
use emptcp_packet::{Instance, instance::DEFAULT, require, testing::is_root};
use emptcp_tests::live::{Bed, seconds, two_paths, until, wait_for};
use mptcp_wire::tcp::State;
use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Host, hook and kind of attachment.
fn places(bed: &Bed) -> [(&Host, &'static str, &'static str); 3] {
    [
        (bed.lab.server(), "ingress", "tc"),
        (bed.lab.client(), "egress", "auto"),
        (bed.lab.server(), "ingress", "xdp-generic"),
    ]
}

/// A policy that is in force at one of the places.
struct InForce<'a> {
    bed: &'a Bed,
    host: &'a Host,
    attach: &'static str,
    /// The place, for messages.
    context: String,
    /// The counters of both hosts' kernels before.
    before: [Mib; 2],
}

impl InForce<'_> {
    /// A counter of the policy's `reset`.
    fn counted(&self, counter: &str) -> u64 {
        self.bed.counted(self.host, "end", "reset", counter)
    }

    fn remove(&self) {
        self.bed.remove(self.host);
    }

    fn wait_for_a_reset(&self) {
        wait_for(&format!("{}: a reset", self.context), || self.counted("reset_sent") > 0);
    }

    /// Changes of the kernels' counters of client and server since then.
    fn changes(&self) -> [Mib; 2] {
        let [client, server] = self.bed.hosts().map(|host| host.mib().unwrap());
        [client.since(&self.before[0]), server.since(&self.before[1])]
    }

    /// Both hosts have received a kind of option.
    fn both_got(&self, counter: &str) {
        for (change, host) in self.changes().iter().zip(self.bed.hosts()) {
            assert!(
                change.get("MPTcpExt", counter) >= 1,
                "{}: the {} counts no {counter}",
                self.context,
                host.role()
            );
        }
    }
}

/// Runs a test at every place. The test removes the policy.
fn at_every_place(bed: &Bed, when: &str, action: &str, test: impl Fn(&InForce<'_>)) {
    for (host, hook, attach) in places(bed) {
        bed.apply(host, &policy(hook, attach, when, action));
        test(&InForce {
            bed,
            host,
            attach,
            context: format!("{}'s {hook} ({attach})", host.role()),
            before: bed.hosts().map(|host| host.mib().unwrap()),
        });
    }
}

fn policy(hook: &str, attach: &str, when: &str, action: &str) -> String {
    let attach = if hook == "ingress" {
        format!("attach = \"{attach}\"\n")
    } else {
        String::new()
    };
    format!(
        "[[policy]]\nname = \"end\"\ndevice = [\"path1\", \"path2\"]\nhook = \"{hook}\"\n{attach}when = '{when}'\n\
         do = ['{action}']\n"
    )
}

/// A transfer that goes on until it is stopped.
fn long(bed: &Bed) -> RunningBulk {
    let bulk = bed.lab.bulk().duration(seconds(60.0)).limit(seconds(90.0));
    bulk.start().unwrap()
}

/// Established subflows of an end, as its kernel has them.
fn subflows(transfer: &RunningBulk, end: End) -> usize {
    transfer.series(end).last().map_or(0, |sample| {
        let subflows = sample.info.subflows.iter();
        subflows
            .filter(|subflow| subflow.tcp.state == State::Established)
            .count()
    })
}

fn wait_for_one_subflow(transfer: &RunningBulk, context: &str) {
    for end in [End::Client, End::Server] {
        wait_for(&format!("{context}: one subflow is left at {end:?}"), || {
            subflows(transfer, end) == 1
        });
    }
}

#[test]
fn a_busy_subflow_is_ended_by_one_reset_without_payload_for_each_end() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    let folder = tempfile::tempdir().unwrap();
    at_every_place(&bed, "subflow is joined and flow.bytes > 500kB", "reset", |policy| {
        let context = &policy.context;
        let captures = bed.hosts().map(|host| {
            host.capture("path2", folder.path().join(format!("{}.pcap", host.role())))
                .unwrap()
        });
        let transfer = long(&bed);
        wait_for(&format!("{context}: two subflows"), || {
            subflows(&transfer, End::Server) == 2
        });
        policy.wait_for_a_reset();
        wait_for_one_subflow(&transfer, context);
        let sent = policy.counted("reset_sent") as usize;
        for counter in ["failed", "one_way", "not_established"] {
            assert_eq!(policy.counted(counter), 0, "{context}: counter {counter}");
        }
        policy.remove();
        transfer.stop();
        let upload = transfer.finish().unwrap().upload.unwrap();
        assert_eq!(upload.sent, upload.received, "{context}");
        policy.both_got("MPRstRx");
        // Administratively prohibited (RFC 8684 section 3.6): ours, not those of the hosts.
        let filter = "tcp.flags.reset == 1 && tcp.options.mptcp.rst_reason == 3";
        let seen = captures.map(|capture| {
            let file = capture.stop().unwrap();
            let verdict = file.judge().unwrap();
            assert!(verdict.is_clean(), "{context}: {verdict:?}");
            file.fields(filter, &["ip.src", "tcp.len", "tcp.checksum.status"])
                .unwrap()
        });
        for line in seen.iter().flatten() {
            let fields: Vec<_> = line.split('\t').skip(1).collect();
            assert_eq!(fields, ["0", "1"], "{context}: payload, checksum");
        }
        // Resets that left the host of the policy arrived at the other one.
        let other = &seen[usize::from(policy.host.role() == "client")];
        if policy.attach == "xdp-generic" {
            assert_eq!(other.len(), sent / 2, "{context}: {other:?}");
        } else {
            assert_eq!(other.len(), sent, "{context}: {other:?}");
        }
        eprintln!("{context}: {sent} resets");
    });
}

#[test]
fn a_join_is_refused_at_once_and_not_repeated() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    at_every_place(&bed, "packet has mp_join and packet is syn", "reset", |policy| {
        let context = &policy.context;
        let transfer = bed.lab.bulk().duration(seconds(1.5)).start().unwrap();
        policy.wait_for_a_reset();
        let report = transfer.finish().unwrap();
        let upload = report.upload.unwrap();
        assert_eq!(upload.sent, upload.received, "{context}");
        assert!(!report.fallback, "{context}");
        assert_eq!(report.client.subflows().len(), 1, "{context}");
        let [client, server] = policy.changes();
        let joins = client.get("MPTcpExt", "MPJoinSynTx");
        assert!(joins >= 1, "{context}: {client:?}");
        assert_eq!(
            client.get("Tcp", "AttemptFails"),
            joins,
            "{context}: every attempt ends in a reset"
        );
        assert_eq!(
            client.get("TcpExt", "TCPSynRetrans"),
            0,
            "{context}: a SYN was repeated"
        );
        assert_eq!(
            server.get("MPTcpExt", "MPJoinSynRx"),
            0,
            "{context}: a SYN reached the server"
        );
        policy.remove();
    });
}

#[test]
fn the_application_learns_at_once_that_its_connection_was_reset() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    at_every_place(&bed, "flow.bytes > 300kB", "reset connection=yes", |policy| {
        let context = &policy.context;
        let listener = bed.lab.server().listen(IpVersion::V4).unwrap();
        let remote = SocketAddr::new(bed.lab.server().address(0, IpVersion::V4).unwrap(), listener.port());
        let mut client = bed.lab.client().connect(remote, seconds(5.0)).unwrap();
        let mut server = listener.accept(seconds(5.0)).unwrap();
        for socket in [&client, &server] {
            socket.as_tcp().set_read_timeout(Some(seconds(10.0))).unwrap();
            socket.as_tcp().set_write_timeout(Some(seconds(10.0))).unwrap();
        }
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            loop {
                match server.read(&mut buffer) {
                    Ok(0) => return (Instant::now(), None),
                    Ok(_) => {}
                    Err(error) => return (Instant::now(), Some(error.kind())),
                }
            }
        });
        let (mut last, error) = (
            Instant::now(),
            loop {
                // So slow that at most one further packet is in flight when the reset is made.
                match client.write_all(&[7; 20_000]) {
                    Ok(()) => std::thread::sleep(Duration::from_millis(20)),
                    Err(error) => break error.kind(),
                }
            },
        );
        let client_saw = Instant::now();
        let (server_saw, answer) = reader.join().unwrap();
        last = last.max(client_saw).max(server_saw);
        assert!(
            matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
            "{context}: the client got {error:?}"
        );
        assert_eq!(answer, Some(ErrorKind::ConnectionReset), "{context}: the server");
        assert!(
            last.duration_since(client_saw.min(server_saw)) < seconds(1.0),
            "{context}: one end noticed it late"
        );
        policy.both_got("MPFastcloseRx");
        assert_eq!(policy.counted("no_key"), 0, "{context}");
        policy.remove();
    });
}

#[test]
fn on_a_router_the_record_of_a_reset_subflow_ends_and_its_end_is_told_once() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths().topology(Topology::Gateway)) else {
        return;
    };
    let gateway = bed.lab.gateway().expect("the gateway");
    for hook in ["ingress", "egress"] {
        // The reporting policy comes before the resetting one, so it has processed the packet that becomes the reset.
        bed.apply(
            gateway,
            &format!(
                "[[policy]]\nname = \"watch\"\ndevice = [\"path1\", \"path2\"]\nhook = [\"ingress\", \"egress\"]\n\
                 when = 'subflow is joined'\ndo = ['get_subflow']\n\
                 [[policy]]\nname = \"end\"\ndevice = \"path2\"\nhook = \"{hook}\"\n\
                 when = 'subflow is joined and flow.bytes > 500kB'\ndo = ['reset']\n"
            ),
        );
        let told = || -> u64 {
            let stats = bed.stats(gateway);
            let watching = stats.policies.iter().filter(|policy| policy.name.starts_with("watch/"));
            watching
                .flat_map(|policy| &policy.elements)
                .filter(|element| element.element == "get_subflow")
                .flat_map(|element| &element.counters)
                .filter(|counter| counter.name == "emitted")
                .map(|counter| counter.counter.packets)
                .sum()
        };
        let live = || {
            let flows = gateway.run(|| Instance::open(DEFAULT).and_then(|instance| instance.flows()));
            let flows = flows.unwrap().unwrap();
            flows
                .iter()
                .filter(|flow| flow.is_live() && flow.role == Some(emptcp_packet::flows::SubflowRole::Joined))
                .count()
        };
        let transfer = long(&bed);
        wait_for(&format!("{hook}: a reset"), || {
            bed.counted(gateway, "end", "reset", "reset_sent") > 0
        });
        wait_for_one_subflow(&transfer, hook);
        // Begin: once in each direction. End: in the direction of the packet that ends it.
        wait_for(&format!("{hook}: the end is reported, the record removed"), || {
            told() == 3 && live() == 0
        });
        let end = transfer.elapsed().as_secs_f64() + 0.5;
        until(&transfer, end);
        let (told, live) = (told(), live());
        bed.remove(gateway);
        assert_eq!((told, live), (3, 0), "{hook}");
        transfer.stop();
        let upload = transfer.finish().unwrap().upload.unwrap();
        assert_eq!(upload.sent, upload.received, "{hook}");
    }
}

#[test]
fn dropping_the_syns_of_mp_capable_turns_mptcp_off_on_the_client() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    if bed.lab.client().sysctl("net.mptcp.blackhole_timeout").is_err() {
        return; // before Linux 6.12
    }
    let server = bed.lab.server();
    bed.apply(
        server,
        &policy("ingress", "tc", "packet is syn and packet has mp_capable", "drop"),
    );
    let before = bed.lab.client().mib().unwrap();
    let listener = server.listen(IpVersion::V4).unwrap();
    let remote = SocketAddr::new(server.address(0, IpVersion::V4).unwrap(), listener.port());
    let change = || bed.lab.client().mib().unwrap().since(&before);
    let first = bed.lab.client().connect(remote, seconds(20.0)).unwrap();
    assert!(
        first.info().unwrap().fallback,
        "the SYN went without the option at last"
    );
    assert!(change().get("MPTcpExt", "MPCapableSYNTXDrop") >= 1, "{:?}", change());
    // See README.md of drop: without the policy, MPTCP stays disabled.
    bed.remove(server);
    let second = bed.lab.client().connect(remote, seconds(20.0)).unwrap();
    assert!(second.info().unwrap().fallback);
    assert!(
        change().get("MPTcpExt", "MPCapableSYNTXDisabled") >= 1,
        "{:?}",
        change()
    );
}
