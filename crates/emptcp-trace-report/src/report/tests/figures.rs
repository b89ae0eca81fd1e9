//! What is said of connections.

use super::*;
use emptcp_trace::record::Fallback;
use std::collections::BTreeSet;

#[test]
fn durations_and_sizes_are_those_of_complete_connections() {
    let mut connections: Vec<_> = [(0.5, 2), (1.0, 1000), (100.0, 10_000), (101.0, 2_000_000)]
        .into_iter()
        .zip(0..)
        .map(|((duration, size), id)| {
            let mut connection = connection(id, 1);
            lasts(&mut connection, duration);
            connection.size = size;
            connection
        })
        .collect();
    let mut incomplete = connection(4, 1);
    incomplete.complete = false;
    connections.push(incomplete);
    let page = report(vec![], connections);

    let duration = figure(&page, "F3.2");
    assert_eq!(duration.n, 4);
    assert_eq!(row(duration, 0, "1 s to 100 s")[0], Cell::Share(0.5));
    assert_eq!(row(duration, 0, "> 100 s")[0], Cell::Share(0.25));
    assert_eq!(
        column(duration, "cumulative")[..4],
        ["0.250000", "0.500000", "0.750000", "1.000000"]
    );
    assert_eq!(column(duration, "value")[..4], ["0.5", "1", "100", "101"]);

    let size = figure(&page, "F3.3");
    let shares = ["2 B: no data", "≤ 1 kB", "≤ 10 kB", "≤ 100 kB", "≤ 1 MB"].map(|name| row(size, 0, name)[0].clone());
    assert_eq!(shares, [0.25, 0.5, 0.75, 0.75, 0.75].map(Cell::Share));

    let fallback = figure(&page, "Fallback");
    assert_eq!(fallback.n, 5, "complete or not");
}

#[test]
fn ports_are_counted_by_connections_and_by_volume() {
    let connections = [(80, 100), (80, 200), (21, 100), (443, 600)]
        .into_iter()
        .zip(0..)
        .map(|((port, size), id)| {
            let mut connection = connection(id, 1);
            (connection.port, connection.size) = (port, size);
            connection.ip_bytes = PerDirection([1000, 1000]);
            connection
        });
    let page = report(vec![], connections.collect());
    let ports = figure(&page, "T3.1");
    let http = [
        number("2"),
        Cell::Share(0.5),
        number("300 B"),
        Cell::Share(0.3),
        number("4.00 kB"),
    ];
    assert_eq!(row(ports, 0, "80 (HTTP)"), http);
    let names: Vec<_> = ports.tables[0].rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(
        names,
        ["80 (HTTP)", "443 (HTTPS)", "21 (FTP)", "all"].map(Cell::text),
        "no port that nobody used"
    );
    assert_eq!(column(ports, "port"), ["80", "443", "21"], "the busiest first");
}

#[test]
fn the_ports_with_the_most_connections_and_the_most_volume_are_listed_and_the_others_are_one_row() {
    // Port 2000 has few connections and most of the volume; 3128 has neither, and is always listed.
    let ports = (0..30).flat_map(|number| std::iter::repeat_n(1000 + number, 40 - usize::from(number)));
    let connections = ports.chain([2000, 3128]).zip(0..).map(|(port, id)| {
        let mut connection = connection(id, 1);
        connection.port = port;
        connection.size = if port == 2000 { 1_000_000 } else { 10 };
        connection
    });
    let page = report(vec![], connections.collect());
    let ports = figure(&page, "T3.1");
    let names: Vec<_> = ports.tables[0].rows.iter().map(|row| row[0].clone()).collect();
    let mut expected: Vec<_> = (1000..1010).map(|port| Cell::Text(port.to_string())).collect();
    expected.extend(["2000", "3128 (Squid)", "20 other ports", "all"].map(Cell::text));
    assert_eq!(names, expected);
    let connections: u64 = (10..30).map(|number| 40 - number).sum();
    assert_eq!(row(ports, 0, "20 other ports")[0], number(&connections.to_string()));
    assert_eq!(ports.rows.count(), 32, "the CSV has all");
}

#[test]
fn fallback_is_counted_by_class_port_side_and_client() {
    let mut failed = connection(0, 1);
    failed.fallback = BTreeSet::from([Fallback::MpFail, Fallback::WrongChecksum]);
    let mut infinite = connection(1, 1);
    infinite.fallback = BTreeSet::from([Fallback::InfiniteMapping]);
    infinite.port = 21;
    let mut stripped = connection(2, 1);
    (stripped.complete, stripped.fallback) = (false, BTreeSet::from([Fallback::SynAckWithoutOption]));
    let mut partial = connection(3, 1);
    (partial.partial, partial.fallback) = (true, BTreeSet::from([Fallback::MpFail]));
    let mut shown = mark(&failed, 1.0, MarkKind::Fallback);
    shown.detail = Some(Detail::Fallback(Fallback::MpFail));
    let page = report(vec![shown], vec![failed, infinite, stripped, partial, connection(4, 1)]);

    let fallback = figure(&page, "Fallback");
    assert_eq!(fallback.n, 4);
    let failed = [
        number("1"),
        Cell::Share(0.25),
        Cell::text("5001 (1)"),
        number("0"),
        number("1"),
        number("1"),
    ];
    assert_eq!(row(fallback, 0, "MP_FAIL (explicit)"), failed);
    assert_eq!(row(fallback, 0, "SYN+ACK without option")[0], number("1"));
    assert_eq!(
        row(fallback, 1, "explicit: MP_FAIL or infinite mapping"),
        [number("2"), Cell::Share(0.5)]
    );
    assert_eq!(
        column(fallback, "class"),
        [
            "MP_FAIL",
            "WRONG_CHECKSUM",
            "INFINITE_MAPPING",
            "SYN_ACK_WITHOUT_OPTION"
        ]
    );
}

#[test]
fn round_trip_times_are_compared_where_there_are_enough() {
    let with = |id: u64, data: u64, means: &[(u64, f64)]| {
        let mut connection = connection(id, means.len() as u32);
        connection.data = PerDirection([0, data]);
        for (subflow, (n, mean)) in connection.subflows.iter_mut().zip(means) {
            subflow.rtt = rtt(*n, *mean);
        }
        connection
    };
    let page = report(
        vec![],
        vec![
            with(0, 100_000, &[(3, 50.0), (9, 10.0), (5, 90.0)]),
            with(1, 99_999, &[(3, 50.0), (9, 10.0)]),
            with(2, 100_000, &[(2, 50.0), (9, 10.0)]),
            with(3, 100_000, &[(3, 20.0), (9, 25.0)]),
            with(4, 500_000, &[(3, 40.0), (9, 2040.0)]),
        ],
    );
    let difference = figure(&page, "F3.5");
    assert_eq!(column(difference, "value"), ["0.005000000000000001", "0.08", "2"]);
    let shares = ["≤ 10 ms", "≤ 100 ms", "≥ 1 s"].map(|name| row(difference, 0, name)[0].clone());
    assert_eq!(shares, [1.0, 2.0, 1.0].map(|count| Cell::Share(count / 3.0)));

    let second = figure(&page, "F3.6");
    assert_eq!(column(second, "best"), ["0.01", "0.02", "0.04"]);
    assert_eq!(column(second, "second"), ["0.05", "0.025", "2.04"]);
    assert_eq!(
        column(second, "bin_from"),
        ["0.000000", "0.000000", "0.040000"],
        "40 ms are in the second bin"
    );
    let times = |times: [&str; 6]| times.map(number).to_vec();
    let quartiles = times(["25.0 ms", "25.0 ms", "25.0 ms", "50.0 ms", "50.0 ms", "50.0 ms"]);
    assert_eq!(row(second, 0, "0 s to 40.0 ms")[1..], quartiles);
}

#[test]
fn round_trip_times_of_both_directions_are_compared() {
    let mut connection = connection(0, 2);
    connection.data = PerDirection([200_000, 200_000]);
    for (subflow, up, down) in [(0, 10.0, 50.0), (1, 30.0, 51.0)] {
        let of = |mean| rtt(3, mean)[S2C];
        connection.subflows[subflow].rtt = PerDirection([of(up), of(down)]);
    }
    let page = report(vec![], vec![connection]);
    let difference = figure(&page, "F3.5");
    assert_eq!(column(difference, "dir"), ["s2c", "c2s"]);
    let values = column(difference, "value")
        .into_iter()
        .map(|value| value.parse::<f64>());
    for (value, right) in values.zip([0.001, 0.02]) {
        assert!((value.expect("a number") - right).abs() < 1e-9);
    }
    assert_eq!(difference.n, 1, "one connection");
    let second = figure(&page, "F3.6");
    assert_eq!(column(second, "dir"), ["s2c", "c2s"]);
    assert_eq!(second.panels.len(), 2);
    assert_eq!(second.tables.len(), 2);
}

#[test]
fn handovers_have_their_gap_and_what_was_reinjected() {
    let connection = connection(0, 2);
    let mut handover = mark(&connection, 2.0, MarkKind::BreakBeforeMake);
    handover.detail = Some(Detail::Gap(seconds(1.5)));
    let of_other = Mark {
        conn_id: ConnectionId(9),
        ..mark(&connection, 3.0, MarkKind::MakeBeforeBreak)
    };
    let page = report(vec![handover, of_other], vec![connection]);
    let handovers = figure(&page, "Handover");
    assert_eq!(handovers.n, 1);
    assert_eq!(column(handovers, "reinjected_5s"), ["100"]);
    assert_eq!(column(handovers, "gap"), ["1.500000"]);
    assert_eq!(column(handovers, "after_start"), ["2.000000"]);
    assert_eq!(row(handovers, 0, "break before make"), [number("1"), Cell::Share(1.0)]);
}
