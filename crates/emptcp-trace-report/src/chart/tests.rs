//! Charts as XML: what is in them, and where.

use super::{Axis, Chart, Marker, Quartiles, Series, Shape, Unit};

/// A chart with everything.
fn full() -> Chart {
    let mut chart = Chart::new(
        "All <kinds> & \"more\"",
        Axis::time("time"),
        Axis::linear("rate", Unit::BitsPerSecond),
    );
    let line = (0..100).map(|at| (f64::from(at), f64::from(at * at))).collect();
    let points = vec![(5.0, 5000.0), (6.0, f64::NAN), (7.0, 100.0)];
    let quartiles = Quartiles {
        from: 40.0,
        to: 50.0,
        low: 100.0,
        q1: 1000.0,
        median: 2000.0,
        q3: 4000.0,
        high: 6000.0,
        max: 8000.0,
        n: 12,
    };
    chart.series = vec![
        Series::new("a line", Shape::Line(line)),
        Series::new("steps", Shape::Step(vec![(0.0, 10.0), (50.0, 9000.0)])).colour(8),
        Series::new("points", Shape::Points(points, Marker::Cross)).colour(2),
        Series::new("<script>\u{1}", Shape::Marks(vec![(30.0, "</svg><b>".to_owned())])).colour(3),
        Series::new("boxes", Shape::Boxes(vec![quartiles])).colour(4),
    ];
    chart
}

#[test]
fn the_picture_is_well_formed_and_asks_for_nothing_outside() {
    for svg in [full().to_svg(), full().to_inline_svg()] {
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        assert_eq!(document.root_element().tag_name().name(), "svg");
        assert!(
            document
                .root_element()
                .attribute("aria-label")
                .is_some_and(|name| name.contains("<kinds>"))
        );
        assert!(!document.descendants().any(|node| node.has_tag_name("script")));
        assert!(!svg.contains("href") && !svg.contains("url(") && !svg.contains("NaN") && !svg.contains("inf"));
        for name in ["a line", "steps", "points", "boxes"] {
            assert!(document.descendants().any(|node| node.text() == Some(name)), "{name}");
        }
    }
}

#[test]
fn charts_without_values_are_drawn_too() {
    for y in [Axis::log("y", Unit::Bytes), Axis::linear("y", Unit::Number)] {
        let mut chart = Chart::new("", Axis::log("x", Unit::Seconds), y);
        chart.series = vec![
            Series::new("", Shape::Line(vec![])),
            Series::new("", Shape::Step(vec![])),
            Series::new("", Shape::Points(vec![(-1.0, 0.0)], Marker::Dot)),
            Series::new("", Shape::Boxes(vec![])),
        ];
        chart.size = (f64::NAN, 0.0);
        roxmltree::Document::parse(&chart.to_svg()).expect("well-formed");
    }
}

#[test]
fn a_million_points_make_a_picture_of_bearable_size() {
    let mut chart = Chart::new("many", Axis::time("time"), Axis::linear("number", Unit::Number));
    let many: Vec<_> = (0_u32..1_000_000)
        .map(|at| (f64::from(at), f64::from(at % 10_007 * 7919 % 10_007)))
        .collect();
    chart
        .series
        .push(Series::new("points", Shape::Points(many.clone(), Marker::Dot)));
    chart.series.push(Series::new("line", Shape::Line(many)));
    let size = chart.to_svg().len();
    assert!(size < 2_500_000, "{size}");
}

/// Left, top, right, bottom.
type Box4 = [f64; 4];

fn number(node: roxmltree::Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name).and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

/// The boxes of the labels of marks, and the poles, relative to the upper left corner of the data.
fn labels(svg: &str) -> (Vec<(String, Box4)>, Vec<Box4>) {
    let document = roxmltree::Document::parse(svg).expect("well-formed");
    let of_class = |class: &'static str| {
        document
            .descendants()
            .filter(move |node| node.attribute("class") == Some(class))
    };
    let labels = of_class("flag").map(|node| {
        let words = node.text().unwrap_or_default().to_owned();
        let (x, y, width) = (
            number(node, "x"),
            number(node, "y"),
            super::style::text_width(&words, 11.0),
        );
        let left = if node.attribute("text-anchor") == Some("end") {
            x - width
        } else {
            x
        };
        (words, [left, y - 9.0, left + width, y + 2.5])
    });
    let poles = of_class("pole").map(|node| {
        let path = node.attribute("d").expect("a path");
        let (x, rest) = path.trim_start_matches('M').split_once(' ').expect("a point");
        let top: f64 = rest.split_once('V').expect("a line").1.parse().expect("a number");
        let x: f64 = x.parse().expect("a number");
        [x, top, x, 0.0]
    });
    (labels.collect(), poles.collect())
}

fn overlap(a: &Box4, b: &Box4) -> bool {
    a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3]
}

#[test]
fn labels_of_marks_are_struck_by_no_line_and_by_no_data() {
    let events = [
        (0.01, "JOIN 1"),
        (0.012, "ADD_ADDR 2"),
        (0.4, "JOIN 2"),
        (3.0, "PRIO 1 backup"),
        (3.02, "PRIO 2 regular"),
        (3.04, "RST 1"),
        (9.9, "FASTCLOSE"),
        (9.97, "DATA_FIN client"),
        (10.0, "DATA_FIN server"),
    ];
    for width in [240.0, 350.0, 560.0, 1000.0, 2000.0] {
        let mut chart = Chart::new("marks", Axis::time("time"), Axis::linear("data", Unit::Bytes));
        // Data at every place of the picture.
        let data = (0..1000)
            .map(|at| (f64::from(at) / 100.0, f64::from(at % 50) * 2e4))
            .collect();
        chart.series.push(Series::new("data", Shape::Line(data)));
        let marks = events.map(|(t, words)| (t, words.to_owned())).to_vec();
        chart.series.push(Series::new("", Shape::Marks(marks)));
        chart.size = (width, 400.0);
        for svg in [chart.to_svg(), chart.to_inline_svg()] {
            let (labels, poles) = labels(&svg);
            for kind in ["JOIN", "ADD_ADDR", "PRIO", "RST", "FASTCLOSE", "DATA_FIN"] {
                assert!(
                    labels.iter().any(|(words, _)| words.starts_with(kind)),
                    "{width}: {kind}"
                );
            }
            for (index, (words, place)) in labels.iter().enumerate() {
                // The data begins at height 0, below.
                assert!(place[3] < 0.0, "{width}: {words} is over the data: {place:?}");
                let struck = poles.iter().find(|pole| overlap(pole, place));
                assert!(struck.is_none(), "{width}: {words} {place:?} is struck by {struck:?}");
                for (other, at) in &labels[index + 1..] {
                    assert!(!overlap(place, at), "{width}: {words} {place:?} is over {other} {at:?}");
                }
            }
        }
    }
}

#[test]
fn title_and_subtitle_are_within_the_picture_however_long_they_are() {
    let mut chart = Chart::new(
        "Connection 0, server to client: data sequence numbers",
        Axis::time("time"),
        Axis::linear("data", Unit::Bytes),
    );
    chart.subtitle = format!(
        "client fd00:1:1::2, server [fd00:1:1::1]:5001\n/{}/one.pcap",
        "folder/".repeat(60)
    );
    for width in [300.0, 1000.0] {
        chart.size = (width, 300.0);
        let svg = chart.to_svg();
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        let mut lines = 0;
        for node in document.descendants() {
            let size = match node.attribute("class") {
                Some("title") => 15.0,
                Some("subtitle") => 12.0,
                _ => continue,
            };
            lines += 1;
            let end = number(node, "x") + super::style::text_width(node.text().unwrap_or_default(), size);
            assert!(end <= width, "{width}: {node:?}");
        }
        assert!(lines >= 3, "{lines}");
        assert!(svg.contains("one.pcap</text>"), "the end of the path stays");
    }
}

#[test]
fn a_picture_says_what_it_is_to_those_who_cannot_see_it() {
    let mut chart = full();
    chart.description = "two subflows".to_owned();
    for svg in [chart.to_svg(), chart.to_inline_svg()] {
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let about = root.children().find(|node| node.has_tag_name("desc"));
        assert_eq!(about.and_then(|node| node.text()), Some("two subflows"));
    }
}
