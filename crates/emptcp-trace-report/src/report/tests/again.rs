//! What is said of data that was sent again.

use super::*;

fn with(id: u64, subflows: u32, data: [u64; 2], retx: [u64; 2], reinj: [u64; 2]) -> Connection {
    let mut connection = connection(id, subflows);
    connection.data = PerDirection(data);
    connection.retx = PerDirection(retx);
    connection.reinj = PerDirection(reinj);
    connection
}

#[test]
fn ratios_are_of_the_payload_and_may_exceed_it() {
    let page = report(
        vec![],
        vec![
            with(0, 2, [100, 900], [100, 0], [0, 0]),
            with(1, 2, [0, 100], [0, 0], [0, 150]),
            with(2, 2, [0, 0], [0, 0], [0, 0]),
            with(3, 1, [0, 100], [0, 50], [0, 0]),
        ],
    );
    let ratio = figure(&page, "F3.8");
    assert_eq!(ratio.n, 2);
    assert_eq!(row(ratio, 1, "> 0"), [Cell::Share(0.5), Cell::Share(0.5)]);
    assert_eq!(row(ratio, 1, "≤ 10 %"), [Cell::Share(1.0), Cell::Share(0.5)]);
    assert_eq!(row(ratio, 1, "largest"), [number("10.0 %"), number("150.0 %")]);
    // Of client to server there is one, and all of it was sent twice.
    assert_eq!(row(ratio, 2, "n"), [number("1"), number("1")]);
    assert_eq!(row(ratio, 2, "largest"), [number("100.0 %"), number("0 %")]);
    assert_eq!(
        row(ratio, 0, "payload")[..3],
        ["100 B", "1.00 kB", "1.10 kB"].map(number)
    );
    assert_eq!(row(ratio, 0, "reinjected")[2], number("150 B"));
}

#[test]
fn times_are_shares_of_the_duration_and_those_outside_are_counted() {
    let life = with(0, 2, [0, 100], [0, 0], [0, 0]);
    let single = with(1, 1, [0, 100], [0, 0], [0, 0]);
    let mut short = with(2, 2, [0, 100], [0, 0], [0, 0]);
    lasts(&mut short, 0.001);
    let syn = Mark {
        dir: C2S,
        ..mark(&life, 0.0, MarkKind::SynRetransmission)
    };
    let marks = vec![
        syn,
        mark(&life, 5.0, MarkKind::Retransmission),
        mark(&life, 10.0, MarkKind::Retransmission),
        mark(&life, 10.1, MarkKind::Retransmission),
        mark(&life, -1.0, MarkKind::Reinjection),
        mark(&life, 2.5, MarkKind::Reinjection),
        mark(&life, 3.0, MarkKind::SameDsn),
        mark(&single, 5.0, MarkKind::Retransmission),
        mark(&short, 0.0005, MarkKind::Retransmission),
    ];
    let page = report(marks, vec![life, single, short]);
    let times = figure(&page, "F3.9");
    assert_eq!(
        column(times, "share_of_duration"),
        ["0", "0.5", "1", "1.01", "-0.1", "0.25"]
    );
    assert_eq!(column(times, "syn")[..2], ["true", "false"]);
    assert_eq!(row(times, 0, "n"), [number("4"), number("2")]);
    assert_eq!(row(times, 0, "outside of the connection"), [number("1"), number("1")]);
    assert_eq!(row(times, 0, "in the first half"), [Cell::Share(0.5), Cell::Share(0.5)]);
    assert_eq!(row(times, 1, "n"), [number("1"), number("0")], "client to server");
    assert!(times.notes[1].starts_with("2 points are before"), "{:?}", times.notes);
}

#[test]
fn connections_of_two_traces_are_not_taken_for_each_other() {
    let mut report = Report::new(Options::default());
    let life = with(0, 2, [0, 100], [0, 0], [0, 0]);
    for name in ["a.pcap", "b.pcap"] {
        report.begin(name.into());
        let point = Event::Mark(mark(&life, 5.0, MarkKind::Retransmission));
        let events = [
            point,
            Event::Connection(Box::new(life.clone())),
            Event::End(Box::default()),
        ];
        // The connection of the second trace is not emitted: its point has no place.
        for event in events
            .iter()
            .filter(|event| name == "a.pcap" || !matches!(event, Event::Connection(_)))
        {
            report.add(event).expect("a temporary file");
        }
    }
    let page = report.finish().expect("a temporary file");
    assert_eq!(column(figure(&page, "F3.9"), "trace"), ["a.pcap"]);
}
