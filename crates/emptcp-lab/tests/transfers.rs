//! Transfers over emulated paths match the description of the paths.

mod common;

use std::time::{Duration, Instant};

use common::{alone, build};
use emptcp_lab::{
    Counter, End, EndpointPlan, IpVersion, IpVersions, Lab, LabBuilder, Offloads, Path, Queue, Rate, TimeSeries,
    Topology, TransferDirection,
};

const RTT: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(50)];

fn two_paths() -> LabBuilder {
    RTT.into_iter()
        .fold(Lab::builder(), |lab, rtt| lab.path(Path::with(Rate::mbit(50), rtt)))
}

fn seconds(time: f64) -> Duration {
    Duration::from_secs_f64(time)
}

/// Rate of the subflow on each path between two moments, at the receiving end.
fn rates(lab: &Lab, series: &TimeSeries, from: f64, to: f64) -> [f64; 2] {
    let mut rates = [0.0; 2];
    for subflow in series.subflows() {
        let path = lab.path_of(&subflow).expect("a subflow has an address of the client");
        rates[path] += series
            .throughput(&subflow, Counter::Received, seconds(from), seconds(to))
            .unwrap_or(0.0);
    }
    rates
}

#[test]
fn two_paths_of_50_mbit_carry_90_of_100_mbit_and_the_payload_arrives_unchanged() {
    let _alone = alone();
    let Some(lab) = build(two_paths()) else { return };
    let before = [lab.client().mib().unwrap(), lab.server().mib().unwrap()];
    let (cpu, begin) = (lab.emulator_cpu().unwrap(), Instant::now());
    let report = lab.bulk().duration(seconds(8.0)).run().unwrap();
    let load = (lab.emulator_cpu().unwrap() - cpu).as_secs_f64() / begin.elapsed().as_secs_f64();

    let [first, second] = rates(&lab, &report.server, 3.0, 7.8);
    let read = report.server.read_throughput(seconds(3.0), seconds(7.8)).unwrap();
    eprintln!(
        "{first:.1} + {second:.1} Mbit/s, application {read:.1} Mbit/s, emulator {:.0} % of a CPU",
        load * 100.0
    );
    assert!(
        first > 40.0 && second > 40.0,
        "each path carries its share: {first:.1}, {second:.1} Mbit/s"
    );
    assert!(
        (90.0..=100.0).contains(&(first + second)),
        "{first:.1} + {second:.1} Mbit/s"
    );
    assert!((90.0..=100.0).contains(&read), "{read:.1} Mbit/s reach the application");
    assert!(load < 1.0, "the emulator leaves the other CPU free: {load:.2}");

    for subflow in report.client.subflows() {
        let (_, info) = report.client.of(&subflow).last().unwrap();
        let base = RTT[lab.path_of(&subflow).unwrap()];
        assert!(
            // The clocks of emulator and kernel may differ by some microseconds.
            (base - seconds(0.001)..base + seconds(0.008)).contains(&info.tcp.minimum_rtt),
            "{:?} on a path of {base:?}",
            info.tcp.minimum_rtt
        );
        // 50 ms of queue at most; the median, since a busy machine adds to single samples.
        let mut smoothed: Vec<_> = report
            .client
            .of(&subflow)
            .map(|(_, info)| info.tcp.smoothed_rtt)
            .collect();
        smoothed.sort_unstable();
        let median = smoothed[smoothed.len() / 2];
        assert!(median < base + seconds(0.070), "{median:?} on a path of {base:?}");
    }
    let upload = report.upload.unwrap();
    assert_eq!(upload.sent, upload.received);
    assert!(!report.fallback);
    for (host, before) in [lab.client(), lab.server()].into_iter().zip(before) {
        let change = host.mib().unwrap().since(&before);
        assert_eq!(change.fallback_causes(), [], "{}", host.role());
        assert_eq!(change.checksum_errors(), 0, "{}", host.role());
    }
}

#[test]
fn rate_and_loss_of_a_path_change_while_a_transfer_runs() {
    let _alone = alone();
    let Some(lab) = build(two_paths()) else { return };
    let transfer = lab.bulk().duration(seconds(12.0)).start().unwrap();
    let wait = |until: f64| std::thread::sleep(seconds(until).saturating_sub(transfer.elapsed()));
    wait(3.5);
    lab.path(1).set_rate(Rate::mbit(5)).unwrap();
    wait(8.5);
    lab.path(1).set_rate(Rate::mbit(50)).unwrap();
    lab.path(0).set_loss(0.05).unwrap();
    let report = transfer.finish().unwrap();

    let before = rates(&lab, &report.server, 1.5, 3.5);
    let slow = rates(&lab, &report.server, 6.0, 8.5);
    let lossy = rates(&lab, &report.server, 10.0, 12.0);
    eprintln!("before {before:.1?}, path 2 at 5 Mbit/s {slow:.1?}, path 1 with 5 % of loss {lossy:.1?} Mbit/s");
    assert!(before[1] > 25.0);
    assert!((4.0..=5.0).contains(&slow[1]), "5 Mbit/s of IP packets");
    assert!(lossy[0] < 15.0, "CUBIC cannot keep its rate with 5 % of loss");
    let counters = lab.path(0).counters().unwrap();
    assert!(counters.to_server < counters.from_client);
    let retransmits = |index: usize| {
        let subflow = report.client.subflows()[index];
        report.client.of(&subflow).last().unwrap().1.tcp.retransmits
    };
    assert!(retransmits(0) > 0);
}

#[test]
fn ipv6_in_both_directions_with_jitter_and_loss_arrives_unchanged() {
    let _alone = alone();
    let Some(lab) = build(
        Lab::builder()
            .path(
                Path::with(Rate::mbit(20), RTT[0])
                    .ip(IpVersions::V6)
                    .jitter(seconds(0.003))
                    .loss(0.002),
            )
            .path(
                Path::with(Rate::mbit(20), RTT[1])
                    .ip(IpVersions::V6)
                    .queue(Queue::Bytes(60_000)),
            ),
    ) else {
        return;
    };
    let transfer = lab
        .bulk()
        .version(IpVersion::V6)
        .direction(TransferDirection::Both)
        .bytes(4_000_000);
    let report = transfer.run().unwrap();
    for stream in [report.upload.unwrap(), report.download.unwrap()] {
        assert_eq!((stream.sent, stream.received), (4_000_000, 4_000_000));
    }
    assert_eq!(report.client.subflows().len(), 2);
    assert!(report.client.subflows().iter().all(|subflow| subflow.local.is_ipv6()));
    assert!(!report.fallback);
}

#[test]
fn a_transfer_through_a_gateway_uses_both_paths_and_the_gateway_sees_it() {
    let _alone = alone();
    let Some(lab) = build(two_paths().topology(Topology::Gateway)) else {
        return;
    };
    for version in [IpVersion::V4, IpVersion::V6] {
        let report = lab
            .bulk()
            .version(version)
            .direction(TransferDirection::Download)
            .bytes(8_000_000)
            .run()
            .unwrap();
        assert_eq!(report.download.unwrap().received, 8_000_000);
        let used = report
            .client
            .subflows()
            .iter()
            .filter(|key| lab.path_of(key).is_some())
            .count();
        assert_eq!(used, 2, "{version:?}: {:?}", report.client.subflows());
    }
    let gateway = lab.gateway().unwrap();
    assert_eq!(gateway.device(0), "path1");
    assert!(gateway.mib().unwrap().get("Ip", "ForwDatagrams") > 1000);
}

#[test]
fn captures_on_both_hosts_are_clean_with_offloads_on_and_off() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    for (name, offloads) in [("on", Offloads::ON), ("off", Offloads::OFF)] {
        let Some(lab) = build(two_paths().offloads(offloads).dss_checksum(true)) else {
            return;
        };
        let file = |host: &str| folder.path().join(format!("{host}-{name}.pcap"));
        let captures = [lab.client(), lab.server()].map(|host| host.capture("path1", file(host.role())).unwrap());
        lab.bulk()
            .direction(TransferDirection::Both)
            .bytes(2_000_000)
            .run()
            .unwrap();
        for capture in captures {
            let file = capture.stop().unwrap();
            let verdict = file.judge().unwrap();
            assert!(
                verdict.is_clean(),
                "offloads {name}, {}: {verdict:?}",
                file.path.display()
            );
            let longest = file.fields("tcp", &["tcp.len"]).unwrap();
            let longest = longest
                .iter()
                .filter_map(|length| length.parse::<u32>().ok())
                .max()
                .unwrap();
            assert_eq!(
                longest > 1460,
                offloads.tso,
                "offloads {name}: a frame carries {longest} bytes"
            );
        }
    }
}

#[test]
fn the_judge_complains_about_a_wrong_checksum() {
    let _alone = alone();
    let Some(lab) = build(two_paths()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let capture = lab.server().capture("path1", folder.path().join("right.pcap")).unwrap();
    lab.bulk().bytes(100_000).run().unwrap();
    let right = capture.stop().unwrap();
    assert!(right.judge().unwrap().is_clean());
    let mut bytes = std::fs::read(&right.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let wrong = folder.path().join("wrong.pcap");
    std::fs::write(&wrong, bytes).unwrap();
    assert_eq!(emptcp_lab::judge(&wrong).unwrap().complaints.len(), 1);
}

#[test]
fn requests_take_a_round_trip_of_the_first_path() {
    let _alone = alone();
    let Some(lab) = build(two_paths()) else { return };
    for (path, rtt) in RTT.into_iter().enumerate() {
        let times = lab
            .requests()
            .first_path(path)
            .count(20)
            .interval(seconds(0.01))
            .run()
            .unwrap();
        let median = times.median();
        // The scheduler may send a request over the path that joined.
        assert!(
            (RTT[0]..rtt.max(RTT[1]) + seconds(0.03)).contains(&median),
            "{median:?} with {rtt:?}"
        );
    }
}

#[test]
fn a_backup_path_is_joined_as_backup_and_stays_idle() {
    let _alone = alone();
    let Some(lab) = build(
        Lab::builder()
            .path(Path::with(Rate::mbit(20), RTT[0]))
            .path(Path::with(Rate::mbit(20), RTT[1]).backup()),
    ) else {
        return;
    };
    let transfer = lab.bulk().duration(seconds(3.0)).start().unwrap();
    std::thread::sleep(seconds(2.0));
    let series = transfer.series(End::Server);
    let report = transfer.finish().unwrap();
    assert_eq!(series.subflows().len(), 2);
    for subflow in series.subflows() {
        let (_, info) = series.of(&subflow).last().unwrap();
        let joined = lab.path_of(&subflow) == Some(1);
        assert_eq!(series.backup(&subflow).last(), Some(joined), "{subflow}");
        assert_eq!(
            info.tcp.bytes_received == 0,
            joined,
            "{subflow}: {} bytes",
            info.tcp.bytes_received
        );
    }
    assert_eq!(report.upload.unwrap().sent, report.upload.unwrap().received);
}

#[test]
fn plain_tcp_counts_as_fallback_and_a_direct_path_has_nothing_to_change() {
    let _alone = alone();
    let Some(lab) = build(Lab::builder().path(Path::direct())) else {
        return;
    };
    let tcp = lab
        .bulk()
        .protocol(emptcp_lab::Protocol::Tcp)
        .bytes(1_000_000)
        .run()
        .unwrap();
    assert!(tcp.fallback);
    let mptcp = lab.bulk().bytes(1_000_000).run().unwrap();
    assert!(!mptcp.fallback);
    assert!(lab.path(0).set_rate(Rate::mbit(1)).is_err());
    assert_eq!(lab.path(0).counters(), None);
}

#[test]
fn two_paths_carry_their_rates_in_both_directions_at_once() {
    let _alone = alone();
    let Some(lab) = build(two_paths()) else { return };
    let (cpu, begin) = (lab.emulator_cpu().unwrap(), Instant::now());
    let report = lab
        .bulk()
        .duration(seconds(8.0))
        .direction(TransferDirection::Both)
        .run()
        .unwrap();
    let load = (lab.emulator_cpu().unwrap() - cpu).as_secs_f64() / begin.elapsed().as_secs_f64();
    let [up, down] =
        [&report.server, &report.client].map(|series| series.read_throughput(seconds(3.0), seconds(7.8)).unwrap());
    eprintln!(
        "up {up:.1}, down {down:.1} Mbit/s, emulator {:.0} % of a CPU",
        load * 100.0
    );
    // The acknowledgements of each direction take a share of the other and wait in its queue.
    assert!(up > 55.0 && down > 55.0, "up {up:.1}, down {down:.1} Mbit/s");
}

#[test]
fn a_direct_path_is_not_slowed_by_the_lab() {
    let _alone = alone();
    let Some(lab) = build(Lab::builder().path(Path::direct())) else {
        return;
    };
    let mut goodputs = [0.0; 3].map(|_: f64| {
        let report = lab.bulk().duration(seconds(1.5)).verify(false).run().unwrap();
        report.upload.unwrap().goodput()
    });
    goodputs.sort_by(f64::total_cmp);
    let [_, goodput, _] = goodputs;
    eprintln!("{:.1} Gbit/s, median of 3", goodput * 1e-3);
    assert!(goodput > 1000.0, "{goodput:.0} Mbit/s");
}

#[test]
fn the_server_can_announce_its_second_address_and_the_client_joins() {
    let _alone = alone();
    let Some(lab) = build(two_paths().endpoints(EndpointPlan::ServerSignals)) else {
        return;
    };
    let before = lab.client().mib().unwrap();
    let report = lab.bulk().bytes(5_000_000).run().unwrap();
    let paths: Vec<_> = report
        .client
        .subflows()
        .iter()
        .map(|subflow| lab.path_of(subflow))
        .collect();
    assert_eq!(paths, [Some(0), Some(1)]);
    assert!(lab.client().mib().unwrap().since(&before).get("MPTcpExt", "AddAddr") > 0);
}

#[test]
fn an_unplugged_path_stops_and_carries_again_when_plugged_in() {
    let _alone = alone();
    let Some(lab) = build(two_paths()) else { return };
    let transfer = lab.bulk().duration(seconds(10.0)).start().unwrap();
    let wait = |until: f64| std::thread::sleep(seconds(until).saturating_sub(transfer.elapsed()));
    wait(2.0);
    lab.path(1).set_carrier(false).unwrap();
    wait(4.0);
    lab.path(1).set_carrier(true).unwrap();
    let report = transfer.finish().unwrap();
    let [_, without] = rates(&lab, &report.server, 2.5, 4.0);
    let [first, again] = rates(&lab, &report.server, 7.0, 10.0);
    assert!(without < 0.1, "{without:.1} Mbit/s over an unplugged path");
    assert!(
        first > 10.0 && again > 10.0,
        "{first:.1} and {again:.1} Mbit/s after it was plugged in"
    );
}
