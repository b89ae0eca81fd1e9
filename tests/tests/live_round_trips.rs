//! Round trips of records against the kernel's own (`tcpi_rtt`, `tcpi_min_rtt`), at both ends and on a router between
//! them: with think times, where idle time must not appear, and in one-way bulk transfers.

use emptcp_abi::Flow;
use emptcp_lab::{Connection, EndpointPlan, FourTuple, Host, IpVersion, Lab, Path, Rate, Topology};
use emptcp_packet::{require, testing::is_root};
use emptcp_tests::live::{Bed, seconds};
use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Propagation of both paths, there and back.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// Time for smoothed figures to forget how they began, and time in which they are compared.
const SETTLE: f64 = 7.0;
const COMPARE: f64 = 6.0;

/// What an application does on its connection.
#[derive(Clone, Copy, Debug)]
enum Use {
    /// Request, response, and a pause of this length before the next request.
    Think(Duration),
    /// From the client to the server at full speed.
    Upload,
}

const USES: [Use; 5] = [
    Use::Think(Duration::ZERO),
    Use::Think(Duration::from_millis(20)),
    Use::Think(Duration::from_millis(200)),
    Use::Think(Duration::from_secs(2)),
    Use::Upload,
];

/// Measurements at one moment, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// Smoothed and minimum, by the kernels of client and server.
    kernel: [[f64; 2]; 2],
    /// The same by the records of client and server.
    record: [[f64; 2]; 2],
    /// Sums of both sides of the router's record.
    router: [f64; 2],
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Reads exactly this many bytes; false when it is time to stop.
fn read(connection: &Connection, length: usize, stop: &AtomicBool) -> bool {
    let mut buffer = vec![0; length];
    let mut got = 0;
    while got < length {
        match connection.as_tcp().read(&mut buffer[got..]) {
            Ok(0) => return false,
            Ok(read) => got += read,
            Err(error) if is_timeout(&error) && !stop.load(Ordering::Relaxed) => {}
            Err(_) => return false,
        }
    }
    !stop.load(Ordering::Relaxed)
}

fn write(connection: &Connection, length: usize, stop: &AtomicBool) {
    let buffer = vec![1; length];
    let mut sent = 0;
    while sent < length && !stop.load(Ordering::Relaxed) {
        match connection.as_tcp().write(&buffer[sent..]) {
            Ok(written) => sent += written,
            Err(error) if is_timeout(&error) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn client(connection: &Connection, usage: Use, stop: &AtomicBool) {
    match usage {
        Use::Upload => {
            while !stop.load(Ordering::Relaxed) {
                write(connection, 50_000, stop);
            }
        }
        Use::Think(time) => {
            write(connection, 100, stop);
            while read(connection, 1000, stop) {
                let begin = Instant::now();
                while begin.elapsed() < time && !stop.load(Ordering::Relaxed) {
                    thread::sleep(time.saturating_sub(begin.elapsed()).min(Duration::from_millis(100)));
                }
                write(connection, 100, stop);
            }
        }
    }
}

fn server(connection: &Connection, usage: Use, stop: &AtomicBool) {
    match usage {
        Use::Upload => while read(connection, 1000, stop) {},
        Use::Think(_) => {
            while read(connection, 100, stop) {
                write(connection, 1000, stop);
            }
        }
    }
}

/// The current values of kernels and records for a connection; `None` before everything is measured.
fn moment(bed: &Bed, hosts: [&Host; 3], ends: &[Connection; 2]) -> Option<Moment> {
    let records = hosts.map(|host| bed.records(host));
    let infos = [ends[0].info().ok()?, ends[1].info().ok()?];
    let keys: [FourTuple; 2] = [
        infos[0].subflows.first()?.addresses,
        infos[1].subflows.first()?.addresses,
    ];
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let record =
        |host: usize, end: usize| -> Option<Flow> { records[host].get(&(keys[end].local, keys[end].remote)).copied() };
    let figures = |flow: &Flow| [f64::from(flow.local().rtt_us), f64::from(flow.local().rtt_min_us)];
    let [at_client, at_server] = [record(0, 0)?, record(1, 1)?];
    // On the router's device towards the client, the server's side is local.
    let router = record(2, 1)?;
    let moment = Moment {
        kernel: [0, 1].map(|end| {
            let info = &infos[end].subflows[0];
            [micros(info.tcp.smoothed_rtt), micros(info.tcp.minimum_rtt)]
        }),
        record: [figures(&at_client), figures(&at_server)],
        router: [
            f64::from(router.local().rtt_us + router.remote().rtt_us),
            f64::from(router.local().rtt_min_us + router.remote().rtt_min_us),
        ],
    };
    let measured = router.local().rtt_samples > 0 && router.remote().rtt_samples > 0;
    measured.then_some(moment)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn round_trips_are_those_of_the_kernel_whatever_the_application_thinks_about() {
    require!(is_root(), "this test makes network namespaces");
    let path = || Path::with(Rate::mbit(50), ROUND_TRIP);
    let builder = Lab::builder()
        .path(path())
        .path(path())
        .topology(Topology::Gateway)
        .endpoints(EndpointPlan::None);
    let Some(bed) = Bed::new(builder) else { return };
    let router = bed.lab.gateway().expect("a gateway");
    let policy = |devices: &str| {
        format!(
            "[[policy]]\nname = \"watch\"\ndevice = [{devices}]\nhook = [\"ingress\", \"egress\"]\ndo = ['count']\n"
        )
    };
    let hosts = [bed.lab.client(), bed.lab.server(), router];
    for (host, devices) in hosts
        .into_iter()
        .zip(["\"path1\", \"path2\"", "\"gateway\"", "\"path1\", \"path2\""])
    {
        bed.apply(host, &policy(devices));
    }
    let listener = bed.lab.server().listen(IpVersion::V4).unwrap();
    let remote = SocketAddr::new(bed.lab.server_address(0, IpVersion::V4).unwrap(), listener.port());
    let connections: Vec<(Use, [Connection; 2])> = USES
        .into_iter()
        .map(|usage| {
            // The transfer fills the queue of its path; the others have separate ones.
            let path = usize::from(matches!(usage, Use::Upload));
            let local = bed.lab.client().address(path, IpVersion::V4).unwrap();
            let client = bed
                .lab
                .client()
                .connect_with(emptcp_lab::Protocol::Mptcp, Some(local), remote, seconds(10.0));
            let ends = [client.unwrap(), listener.accept(seconds(10.0)).unwrap()];
            for end in &ends {
                end.as_tcp().set_read_timeout(Some(seconds(0.1))).unwrap();
                end.as_tcp().set_write_timeout(Some(seconds(0.1))).unwrap();
            }
            (usage, ends)
        })
        .collect();

    let stop = AtomicBool::new(false);
    let moments: Vec<Vec<Moment>> = thread::scope(|scope| {
        for (usage, ends) in &connections {
            scope.spawn(|| client(&ends[0], *usage, &stop));
            scope.spawn(|| server(&ends[1], *usage, &stop));
        }
        thread::sleep(seconds(SETTLE));
        let mut moments = vec![Vec::new(); connections.len()];
        let begin = Instant::now();
        while begin.elapsed() < seconds(COMPARE) || moments.iter().any(|seen| seen.len() < 5) {
            assert!(begin.elapsed() < seconds(60.0), "nothing is measured: {moments:?}");
            for ((_, ends), seen) in connections.iter().zip(&mut moments) {
                seen.extend(moment(&bed, hosts, ends));
            }
            thread::sleep(seconds(0.2));
        }
        stop.store(true, Ordering::Relaxed);
        moments
    });

    let mut faults = Vec::new();
    for ((usage, _), seen) in connections.iter().zip(&moments) {
        let over = |of: &dyn Fn(&Moment) -> f64| median(seen.iter().map(of).collect());
        // One at least: the kernel's figure, ours, and how far they may lie apart.
        let mut near = |what: &str, kernel: f64, record: f64, bound: f64| {
            eprintln!("{usage:?} {what}: kernel {kernel:.0} us, record {record:.0} us");
            if (record - kernel).abs() > bound {
                faults.push(format!(
                    "{usage:?} {what}: kernel {kernel:.0} us, record {record:.0} us"
                ));
            }
        };
        for (end, host) in ["client", "server"].into_iter().enumerate() {
            // A pure receiver measures nothing after the handshake.
            if matches!(usage, Use::Upload) && end == 1 {
                continue;
            }
            for (which, what, share) in [(0, "rtt", 0.2), (1, "least rtt", 0.02)] {
                let kernel = over(&|moment| moment.kernel[end][which]);
                near(
                    &format!("{what} at the {host}"),
                    kernel,
                    over(&|moment| moment.record[end][which]),
                    (share * kernel).max(100.0),
                );
            }
        }
        // The samples of both directions include the delay of the acknowledgements; the path itself counts only
        // once.
        let way = over(&|moment| moment.kernel[0][1].min(moment.kernel[1][1]));
        let whole = over(&|moment| moment.kernel[0][0] + moment.kernel[1][0]) - way;
        if !matches!(usage, Use::Upload) {
            near(
                "rtt through the router",
                whole,
                over(&|moment| moment.router[0]),
                0.2 * whole,
            );
        }
        near(
            "least rtt through the router",
            way,
            over(&|moment| moment.router[1]),
            0.2 * way,
        );
    }
    assert_eq!(faults, Vec::<String>::new());
}
