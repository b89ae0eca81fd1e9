use super::super::sample;
use super::Summary;
use std::sync::Arc;

fn summary(connections: u64, top: usize) -> Summary {
    let mut summary = Summary::new(top);
    for conn_id in 0..connections {
        summary.connection(&sample::connection(conn_id));
    }
    summary.trace(&Arc::from("a.pcap"), &sample::totals());
    summary
}

/// Without the colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\x1b') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    plain + rest
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [80, 100, 159, 160, 240] {
        for line in plain(&summary(7, 3).text(width)).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn of_several_traces_each_connection_names_its_own() {
    let mut several = summary(2, 5);
    several.append(summary(1, 5));
    for width in [80, 160] {
        let text = plain(&several.text(width));
        assert!(text.starts_with("2 traces, from a.pcap on"), "{text}");
        assert_eq!(text.matches(" a.pcap").count(), 4, "{text}");
    }
}

#[test]
fn lower_bounds_are_marked() {
    let text = plain(&summary(1, 20).text(160));
    assert!(text.contains(">=10.0 MB"), "{text}");
    assert!(text.contains("lower bounds"), "{text}");
}

#[test]
fn the_largest_are_shown_and_the_others_counted() {
    let text = plain(&summary(30, 2).text(160));
    let shown: Vec<_> = text
        .lines()
        .filter(|line| line.contains("->"))
        .skip(1)
        .filter_map(|line| line.split(' ').next())
        .filter(|number| !number.contains('.'))
        .collect();
    assert_eq!(shown, ["29", "28"]);
    assert!(text.contains("the 2 largest of 30 connections"), "{text}");
}

#[test]
fn traces_one_after_the_other_are_the_same_as_side_by_side() {
    let mut one = Summary::new(4);
    let mut other = Summary::new(4);
    for trace in 0..3_u64 {
        let mut part = Summary::new(4);
        for conn_id in 0..5 {
            one.connection(&sample::connection(conn_id));
            part.connection(&sample::connection(conn_id));
        }
        let name = Arc::from(format!("{trace}.pcap"));
        one.trace(&name, &sample::totals());
        part.trace(&name, &sample::totals());
        other.append(part);
    }
    assert_eq!(one.text(160), other.text(160));
}
