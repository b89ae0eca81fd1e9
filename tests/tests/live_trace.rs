//! The figures of `emptcp trace live` equal the kernel's counters.

use emptcp_lab::{Connection, ConnectionInfo, IpVersion, Lab, LabError, Path, Rate};
use emptcp_packet::{require, testing::is_root};
use emptcp_tests::live::seconds;
use emptcp_trace::{
    Analyzer, Direction, Event,
    live::{Device, DeviceSettings, Starts},
    record,
};
use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

const UP: usize = 3_000_000;
const DOWN: usize = 5_000_000;

/// Two paths, one of which loses packets; `None`, with a message, if this machine does not support labs.
fn lab() -> Option<Lab> {
    let built = Lab::builder()
        .path(Path::with(Rate::mbit(50), Duration::from_millis(20)).loss(0.005))
        .path(Path::with(Rate::mbit(20), Duration::from_millis(40)))
        .build();
    match built {
        Ok(lab) => Some(lab),
        Err(LabError::Unsupported { feature, reason }) => {
            assert!(
                std::env::var_os("EMPTCP_REQUIRE_ROOT").is_none(),
                "there is no {feature}: {reason}"
            );
            eprintln!("skipped: this machine does not offer {feature} ({reason})");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Writes and reads this many bytes at the same time.
fn exchange(connection: &Connection, write: usize, read: usize) {
    thread::scope(|scope| {
        scope.spawn(|| connection.as_tcp().write_all(&vec![7; write]).unwrap());
        connection.as_tcp().read_exact(&mut vec![0; read]).unwrap();
    });
}

/// Waits until everything is acknowledged on every subflow.
fn settled(connection: &Connection) -> ConnectionInfo {
    let begin = Instant::now();
    loop {
        thread::sleep(seconds(0.5));
        let (before, after) = (connection.info().unwrap(), {
            thread::sleep(seconds(1.0));
            connection.info().unwrap()
        });
        let sent = |info: &ConnectionInfo| info.subflows.iter().map(|subflow| subflow.tcp.bytes_sent).sum::<u64>();
        if sent(&before) == sent(&after) || begin.elapsed() > seconds(20.0) {
            return after;
        }
    }
}

/// Runs an exchange while the client's devices are captured; returns the connection by the analysis and by both
/// kernels.
fn watched(lab: &Lab, version: IpVersion) -> (record::Connection, ConnectionInfo, ConnectionInfo) {
    let settings = DeviceSettings {
        interval: Duration::from_millis(200),
        ..DeviceSettings::default()
    };
    let device = lab.client().run(|| Device::open("any", settings)).unwrap().unwrap();
    let stop = device.stop_flag();
    let analysis = thread::spawn(move || {
        let (mut quiet, mut ended, mut open_before) = (0, Vec::new(), 0);
        let mut analyzer = Analyzer::new(Starts::new(device));
        while let Some(event) = analyzer.next() {
            match event.unwrap() {
                Event::Quiet(_) => {
                    quiet += 1;
                    open_before = open_before.max(analyzer.snapshot().len());
                }
                Event::Connection(connection) => ended.push(*connection),
                _ => {}
            }
        }
        let starts = analyzer.source().unwrap();
        let counters = starts.source().counters().unwrap();
        assert_eq!((counters.dropped, starts.missed()), (0, 0), "{counters:?}");
        assert!(quiet > 5 && open_before == 1, "{quiet} looks, {open_before} open");
        ended
    });
    let listener = lab.server().listen(version).unwrap();
    let remote = SocketAddr::new(lab.server().address(0, version).unwrap(), listener.port());
    let client = lab.client().connect(remote, seconds(5.0)).unwrap();
    let server = listener.accept(seconds(5.0)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| exchange(&server, DOWN, UP));
        exchange(&client, UP, DOWN);
    });
    let infos = (settled(&client), settled(&server));
    drop((client, server));
    thread::sleep(seconds(1.0));
    stop.store(true, Ordering::Relaxed);
    let mut ended = analysis.join().unwrap();
    assert_eq!(ended.len(), 1);
    (ended.remove(0), infos.0, infos.1)
}

/// Connections over loopback, of which each packet is captured twice, until this many are through.
fn flood(lab: &Lab, connections: usize) {
    let run = || {
        let up = std::process::Command::new("ip")
            .args(["link", "set", "lo", "up"])
            .status();
        assert!(up.unwrap().success());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for _ in 0..connections {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            let (server, _) = listener.accept().unwrap();
            drop(server);
            // Until the other side has closed.
            let _ = client.read(&mut [0]);
        }
    };
    lab.client().run(run).unwrap();
}

#[test]
fn packets_beyond_the_ring_are_counted_and_the_analysis_goes_on() {
    require!(is_root(), "this test makes network namespaces");
    let Some(lab) = lab() else { return };
    let settings = DeviceSettings {
        interval: Duration::from_millis(200),
        // The smallest ring.
        buffer: 0,
        ..DeviceSettings::default()
    };
    let device = lab.client().run(|| Device::open("any", settings)).unwrap().unwrap();
    let stop = device.stop_flag();
    // Nobody reads yet, so however fast the machine is, the ring overflows.
    flood(&lab, 1000);
    let (caught_up, ready) = std::sync::mpsc::channel();
    let analysis = thread::spawn(move || {
        let mut analyzer = Analyzer::new(Starts::new(device));
        let (mut ended, mut at_first) = (Vec::new(), None);
        while let Some(event) = analyzer.next() {
            let counters = analyzer.source().unwrap().source().counters().unwrap();
            match event.unwrap() {
                Event::Quiet(_) if at_first.is_none() => {
                    at_first = Some((counters, analyzer.totals().packets));
                    caught_up.send(()).unwrap();
                }
                Event::Connection(connection) => ended.push(*connection),
                _ => {}
            }
        }
        let counters = analyzer.source().unwrap().source().counters().unwrap();
        (ended, at_first.unwrap(), counters, analyzer.totals().packets)
    });
    ready.recv().unwrap();
    let listener = lab.server().listen(IpVersion::V4).unwrap();
    let remote = SocketAddr::new(lab.server().address(0, IpVersion::V4).unwrap(), listener.port());
    let client = lab.client().connect(remote, seconds(5.0)).unwrap();
    let server = listener.accept(seconds(5.0)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| exchange(&server, 50_000, 10_000));
        exchange(&client, 10_000, 50_000);
    });
    settled(&client);
    drop((client, server));
    thread::sleep(seconds(1.0));
    stop.store(true, Ordering::Relaxed);
    let (ended, (first, read), last, read_at_end) = analysis.join().unwrap();
    eprintln!("{first:?}, {read} read; at the end {last:?}, {read_at_end} read");
    assert!(first.dropped > 0 && first.packets > first.dropped, "{first:?}");
    assert!(read > 0 && read <= first.packets - first.dropped, "{read} of {first:?}");
    assert_eq!(last.dropped, first.dropped, "nothing was dropped once it was read");
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].data.0, ended[0].lossy_capture), ([10_000, 50_000], false));
}

#[test]
fn a_live_analysis_counts_the_bytes_that_the_kernel_counts() {
    require!(is_root(), "this test makes network namespaces");
    let Some(lab) = lab() else { return };
    for version in [IpVersion::V4, IpVersion::V6] {
        let (connection, client, server) = watched(&lab, version);
        let [up, down] = Direction::BOTH;
        assert_eq!(connection.data.0, [UP as u64, DOWN as u64], "{version:?}");
        assert_eq!(connection.end, record::End::DataFin, "{version:?}");
        assert_eq!((connection.sf_est, connection.subflows.len()), (2, 2), "{version:?}");
        assert_eq!(connection.tokens[0], client.token);
        assert_eq!(connection.tokens[1], server.token);
        for subflow in &connection.subflows {
            let at_client = &client
                .subflows
                .iter()
                .find(|info| info.addresses.local == subflow.client)
                .unwrap()
                .tcp;
            let at_server = &server
                .subflows
                .iter()
                .find(|info| info.addresses.remote == subflow.client)
                .unwrap()
                .tcp;
            eprintln!(
                "{version:?} {}: up {} (retransmitted {}), down {} (retransmitted {} by the kernel, {} seen), reinjected {:?}",
                subflow.client,
                subflow.payload[up],
                subflow.retx[up],
                subflow.payload[down],
                at_server.bytes_retransmitted,
                subflow.retx[down],
                subflow.reinj.0
            );
            assert_eq!(
                subflow.payload[up],
                at_client.bytes_sent - at_client.bytes_retransmitted
            );
            assert_eq!(subflow.payload[up], at_server.bytes_received);
            assert_eq!(subflow.payload[down], at_client.bytes_received);
            assert_eq!(
                subflow.payload[down],
                at_server.bytes_sent - at_server.bytes_retransmitted
            );
            // All of the client's are captured, where they are sent; the server's only if its first copy arrived.
            assert_eq!(subflow.retx[up], at_client.bytes_retransmitted);
            assert!(subflow.retx[down] <= at_server.bytes_retransmitted);
        }
    }
}
