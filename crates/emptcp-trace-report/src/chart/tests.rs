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
