//! `get_connect`, `get_subflow` and `record` on live MPTCP agree with the kernel; `reset` ends a subflow.

use emptcp_lab::{ConnectionInfo, End, Host, IpVersion};
use emptcp_packet::{
    Instance,
    event_reader::Begin,
    events::{Event, EventBody},
    instance::DEFAULT,
    require,
    testing::is_root,
};
use emptcp_plan::plan::DeviceDirection;
use emptcp_tests::live::{Bed, seconds, two_paths, wait_for};
use mptcp_wire::{Side, Version, tcp::State};
use std::{
    io::Write,
    net::SocketAddr,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    time::Duration,
};

const WATCH: &str = "[[policy]]\nname = \"watch\"\ndevice = [\"path1\", \"path2\"]\nhook = [\"ingress\", \"egress\"]\n\
                     do = ['get_connect', 'get_subflow', 'record every=200ms']\n";

/// Reads the events of a host from now on until `stop`; sets `ready` when it has begun. Also returns the number of
/// missed events.
fn watch(host: &Host, ready: Sender<()>, stop: &AtomicBool) -> (Vec<Event>, u64) {
    let (mut events, mut missed) = (Vec::new(), 0);
    host.run(|| {
        let instance = Instance::open(DEFAULT).unwrap();
        let mut reader = instance.event_reader(Begin::Now).unwrap();
        ready.send(()).unwrap();
        loop {
            // A last call reads the events before `stop`.
            let last = stop.load(Ordering::Acquire);
            let read = reader.read(Duration::from_millis(50), |event| events.push(event));
            missed += read.unwrap();
            if last {
                break;
            }
        }
    })
    .unwrap();
    (events, missed)
}

/// Ends the readers, also when the traffic fails.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A connection with some data, from its handshake to its end; returns the state of both ends while it was open.
fn one_connection(bed: &Bed, version: IpVersion) -> [ConnectionInfo; 2] {
    let listener = bed.lab.server().listen(version).unwrap();
    let remote = SocketAddr::new(bed.lab.server().address(0, version).unwrap(), listener.port());
    let client = bed.lab.client().connect(remote, seconds(5.0)).unwrap();
    let server = listener.accept(seconds(5.0)).unwrap();
    client.as_tcp().write_all(&[7; 100_000]).unwrap();
    let infos = || [client.info().unwrap(), server.info().unwrap()];
    wait_for("two subflows", || infos().iter().all(|info| info.subflows.len() == 2));
    // Remaining events of the second subflow's beginning.
    std::thread::sleep(seconds(0.5));
    let infos = infos();
    drop((client, server));
    wait_for("the subflows end", || {
        bed.hosts().into_iter().all(|host| {
            let flows = host.run(|| Instance::open(DEFAULT).and_then(|instance| instance.flows()));
            !flows.unwrap().unwrap().iter().any(|flow| flow.is_live())
        })
    });
    infos
}

#[test]
fn each_of_two_readers_sees_every_event_with_the_tokens_that_the_kernel_has() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    for host in bed.hosts() {
        bed.apply(host, WATCH);
    }
    for version in [IpVersion::V4, IpVersion::V6] {
        let ((ready, is_ready), stop) = (channel(), AtomicBool::new(false));
        let before = bed.hosts().map(|host| host.mib().unwrap());
        let (told, infos) = std::thread::scope(|scope| {
            let readers = bed.hosts().map(|host| {
                [0, 1].map(|_| {
                    let (ready, stop) = (ready.clone(), &stop);
                    scope.spawn(move || watch(host, ready, stop))
                })
            });
            let stop = StopWhenDropped(&stop);
            for _ in 0..4 {
                is_ready.recv_timeout(seconds(30.0)).unwrap();
            }
            let infos = one_connection(&bed, version);
            drop(stop);
            let told = readers.map(|both| both.map(|reader| reader.join().unwrap()));
            (told, infos)
        });
        let [client_info, server_info] = &infos;
        assert_eq!((client_info.subflows.len(), server_info.subflows.len()), (2, 2));
        let tokens = [
            (client_info.token, server_info.token),
            (server_info.token, client_info.token),
        ];
        for (((host, [one, other]), (own, other_token)), before) in
            bed.hosts().into_iter().zip(told).zip(tokens).zip(before)
        {
            let here = host.role();
            assert_eq!(one, other, "{here}: both readers see all of it");
            assert_eq!(one.1, 0, "{here}: they are fast enough");
            let change = host.mib().unwrap().since(&before);
            let opener = if here == "client" { Side::Local } else { Side::Remote };
            let (mut connections, mut up, mut joined, mut down, mut records) = (0, 0, 0, 0, 0);
            // The policy has two directions, and each has its own events; an end is seen in one of them.
            for event in one.0 {
                let text = format!("{here}: {event:?}");
                let once = i64::from(event.direction == DeviceDirection::Ingress);
                match event.body {
                    EventBody::Connection {
                        local_token,
                        remote_token,
                        version,
                        opened_by,
                        keys,
                        ..
                    } => {
                        connections += once;
                        assert_eq!((local_token, remote_token), (own, other_token), "{here}");
                        assert_eq!(
                            (version, opened_by, keys.is_none()),
                            (Some(Version::V1), opener, true),
                            "{here}"
                        );
                    }
                    EventBody::Subflow {
                        local_token,
                        remote_token,
                        established,
                        initial,
                        opened_by,
                        ..
                    } => {
                        assert_eq!((local_token, remote_token), (own, other_token), "{text}");
                        assert_eq!(opened_by, Some(opener), "{text}");
                        up += if established { once } else { 0 };
                        joined += if established && initial == Some(false) { once } else { 0 };
                        down += i64::from(!established);
                    }
                    EventBody::Record(_) => records += 1,
                    EventBody::User { .. } => panic!("{here}: nobody has such an element"),
                }
            }
            eprintln!(
                "{version:?}, {here}: {connections} connection, {up} up, {joined} joined, {down} down, {records} records"
            );
            assert_eq!((connections, up, joined, down), (1, 2, 1, 2), "{here}");
            let mib = if here == "client" {
                ["MPCapableSYNACKRX", "MPJoinSynAckRx"]
            } else {
                ["MPCapableACKRX", "MPJoinAckRx"]
            };
            assert_eq!(
                mib.map(|name| change.get("MPTcpExt", name)),
                [connections, joined],
                "{here}: nstat"
            );
            assert!(records >= 4, "{here}: every subflow at its begin and its end");
        }
    }
    bed.assert_clean("events");
}

#[test]
fn a_reset_subflow_is_gone_at_both_ends_and_the_transfer_goes_on() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    for (host, hook, attach) in [
        (bed.lab.server(), "ingress", "tc"),
        (bed.lab.client(), "egress", "auto"),
        (bed.lab.server(), "ingress", "xdp-generic"),
    ] {
        let attach_line = if hook == "ingress" {
            format!("attach = \"{attach}\"\n")
        } else {
            String::new()
        };
        // As long as it takes: loading the policy alone takes seconds when the machine is busy.
        let bulk = bed.lab.bulk().duration(seconds(60.0)).limit(seconds(90.0));
        let transfer = bulk.start().unwrap();
        let left = |end| {
            let subflows = transfer
                .series(end)
                .last()
                .map_or(Vec::new(), |last| last.info.subflows.clone());
            let open = subflows
                .into_iter()
                .filter(|subflow| subflow.tcp.state == State::Established);
            open.collect::<Vec<_>>()
        };
        wait_for("two subflows", || left(End::Server).len() == 2);
        bed.apply(
            host,
            &format!(
                "[[policy]]\nname = \"end\"\ndevice = \"path2\"\nhook = \"{hook}\"\n{attach_line}\
                 when = 'subflow is joined'\ndo = ['reset']\n"
            ),
        );
        for end in [End::Client, End::Server] {
            let context = format!("{end:?} after a reset at {}'s {hook} ({attach})", host.role());
            wait_for(&context, || left(end).len() == 1);
            assert_eq!(bed.lab.path_of(&left(end)[0].addresses), Some(0), "{context}");
        }
        let sent = bed.counted(host, "end", "reset", "reset_sent");
        transfer.stop();
        bed.remove(host);
        let report = transfer.finish().unwrap();
        let upload = report.upload.unwrap();
        eprintln!(
            "reset at {}'s {hook} ({attach}): {sent} resets, {} bytes arrived",
            host.role(),
            upload.received
        );
        assert_eq!(upload.sent, upload.received);
        assert!(!report.fallback);
    }
}
