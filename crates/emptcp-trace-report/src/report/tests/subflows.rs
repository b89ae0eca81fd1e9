//! What is said of subflows.

use super::*;
use emptcp_trace::record::{Opener, Vantage};

#[test]
fn subflows_are_counted_and_those_from_several_addresses() {
    let mut meshed = connection(1, 3);
    meshed.subflows[2].client.set_ip([10, 9, 9, 9].into());
    let mut attempted = connection(2, 1);
    attempted.sf_att = 4;
    let page = report(vec![], vec![connection(0, 2), meshed, attempted, connection(3, 1)]);
    let subflows = figure(&page, "T3.2");
    assert_eq!(
        row(subflows, 0, "1"),
        [Cell::Share(0.5), Cell::Share(0.25), Cell::Share(0.5)]
    );
    assert_eq!(row(subflows, 0, "2")[0], Cell::Share(0.25));
    assert_eq!(row(subflows, 0, "> 2")[..2], [Cell::Share(0.25), Cell::Share(0.5)]);
    assert_eq!(
        row(subflows, 0, "largest number"),
        [number("3"), number("4"), number("3")]
    );
    let meshed = row(subflows, 1, "several client addresses, as full-mesh does");
    assert_eq!(meshed, [number("1"), Cell::Share(0.5)]);
}

#[test]
fn join_delays_leave_out_what_the_rules_say() {
    let mut connection = connection(0, 7);
    let start = connection.t0;
    let mut delay = |sf_id: usize, delay: f64| {
        let subflow = &mut connection.subflows[sf_id];
        subflow.join_delay = seconds(delay);
        subflow.t_syn = start + subflow.join_delay;
    };
    // The first in time is not the first in the list.
    delay(1, 70.0);
    delay(2, 0.15);
    delay(3, 0.0);
    delay(4, 0.3);
    delay(5, 0.4);
    delay(6, 90.5);
    for (sf_id, acknowledged) in [(4, false), (5, true)] {
        let subflow = &mut connection.subflows[sf_id];
        subflow.rst = PerDirection([false, true]);
        subflow.established = acknowledged;
        subflow.t_est = subflow.t_est.filter(|_| acknowledged);
    }
    let end = mark(&connection, 90.0, MarkKind::End);
    let alone = super::connection(1, 1);
    let page = report(vec![end], vec![connection, alone]);
    let delays = figure(&page, "F3.4");
    assert_eq!(
        column(delays, "curve"),
        [
            "all further subflows",
            "all further subflows",
            "all further subflows",
            "the first further one"
        ]
    );
    assert_eq!(column(delays, "value"), ["0.15", "0.4", "70", "0.15"]);
    assert_eq!(row(delays, 0, "≤ 0.2 s"), [Cell::Share(1.0 / 3.0), Cell::Share(1.0)]);
    assert_eq!(row(delays, 0, "≥ 60 s"), [Cell::Share(1.0 / 3.0), Cell::Share(0.0)]);
    assert!(delays.notes[0].contains("1 subflow reset"), "{:?}", delays.notes);
    assert!(delays.notes[0].contains("1 not later"), "{:?}", delays.notes);
    assert!(delays.notes[0].contains("1 opened after"), "{:?}", delays.notes);
}

#[test]
fn the_share_of_the_initial_subflow_is_by_class_of_size() {
    let with = |id: u64, size: u64, initial: [u64; 2], other: [u64; 2]| {
        let mut connection = connection(id, 2);
        connection.size = size;
        connection.subflows[0].payload = PerDirection(initial);
        connection.subflows[1].payload = PerDirection(other);
        connection
    };
    let mut three = connection(7, 3);
    three.subflows[0].payload = PerDirection([1, 1]);
    let page = report(
        vec![],
        vec![
            with(0, 49_999, [10, 90], [0, 0]),
            with(1, 50_000, [10, 20], [0, 10]),
            with(2, 5_000_000, [0, 10], [0, 10]),
            with(3, 5_000_001, [0, 0], [0, 10]),
            with(4, 2, [0, 0], [0, 0]),
            three,
        ],
    );
    let share = figure(&page, "F3.7");
    assert_eq!(share.n, 4);
    assert_eq!(row(share, 0, "n"), ["1", "2", "1"].map(number));
    assert_eq!(row(share, 0, "all: share = 1"), [1.0, 0.0, 0.0].map(Cell::Share));
    assert_eq!(row(share, 0, "more than half"), [1.0, 0.5, 0.0].map(Cell::Share));
    assert_eq!(column(share, "value")[..4], ["1", "0.5", "0.75", "0"]);
    // Of client to server only two had any.
    assert_eq!(row(share, 1, "n"), ["1", "1", "0"].map(number));
    assert_eq!(
        row(share, 2, "all: share = 1"),
        [Cell::Share(1.0), Cell::Share(0.0), Cell::Share(0.0)]
    );
}

#[test]
fn unused_subflows_are_compared_with_all_used_ones() {
    let with = |id: u64, times: [Option<f64>; 3], payload: [u64; 3]| {
        let mut connection = connection(id, 3);
        connection.vantage = Vantage::Server;
        for ((subflow, time), payload) in connection.subflows.iter_mut().zip(times).zip(payload) {
            // Near the server what it does itself takes no time.
            subflow.hs_rtt = [Some(0.01), time];
            subflow.opened_by = Opener::Client;
            subflow.payload = PerDirection([0, payload]);
        }
        connection
    };
    let mut faster = with(0, [Some(20.0), Some(30.0), Some(10.0)], [5, 5, 0]);
    faster.subflows[2].backup = true;
    faster.size = 999;
    let mut slower = with(1, [Some(20.0), Some(30.0), Some(25.0)], [5, 0, 5]);
    slower.size = 20_000;
    let unknown = with(2, [None, Some(5.0), Some(25.0)], [5, 0, 5]);
    let page = report(vec![], vec![faster, slower, unknown]);
    let unused = figure(&page, "Unused");
    let line = |name| row(unused, 0, name).to_vec();
    assert_eq!(line("established")[0], number("6"));
    assert_eq!(line("unused, of the established"), [number("3"), Cell::Share(0.5)]);
    assert_eq!(line("backup, of the unused")[0], number("1"));
    assert_eq!(line("round-trip time comparable, of the unused")[0], number("2"));
    assert_eq!(
        line("faster than every used one, of the comparable"),
        [number("1"), Cell::Share(0.5)]
    );
    assert_eq!(row(unused, 1, "< 1000 B"), [Cell::Share(2.0 / 3.0)]);
    assert_eq!(row(unused, 1, "< 20 kB"), [Cell::Share(2.0 / 3.0)]);
}
