//! The page itself.

use super::*;
use emptcp_trace::record::Totals;

/// The page as XML, for a parser that is strict: the elements that HTML leaves open are closed.
fn as_xml(html: &str) -> String {
    let html = html.strip_prefix("<!DOCTYPE html>").expect("a document type");
    let mut parts = html.split("<meta");
    let mut xml = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (meta, rest) = part.split_once('>').expect("an end of the element");
        xml += &format!("<meta{meta}/>{rest}");
    }
    xml
}

fn check(html: &str) {
    let xml = as_xml(html);
    let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}"));
    let mut names = Vec::new();
    for node in document.descendants() {
        assert!(!node.has_tag_name("script") && !node.has_tag_name("link") && !node.has_tag_name("img"));
        assert!(node.attribute("src").is_none());
        names.extend(node.attribute("id"));
    }
    for target in document.descendants().filter_map(|node| node.attribute("href")) {
        match target.strip_prefix('#') {
            Some(name) => assert!(names.contains(&name), "{name} is nowhere"),
            None => assert!(target.starts_with("data:text/csv"), "{target}"),
        }
    }
    assert!(!html.contains("url(") && !html.contains("@import"));
}

#[test]
fn the_page_is_well_formed_and_asks_for_nothing() {
    let mut large = connection(0, 2);
    large.data = PerDirection([0, 200_000]);
    for (subflow, mean) in large.subflows.iter_mut().zip([10.0, 50.0]) {
        subflow.payload = PerDirection([0, 100_000]);
        subflow.rtt = rtt(9, mean);
    }
    let marks = vec![
        mark(&large, 1.0, MarkKind::Retransmission),
        mark(&large, 2.0, MarkKind::MakeBeforeBreak),
    ];
    let mut page = report(marks, vec![large, connection(1, 3)]);
    // The one figure that needs packets.
    page.figures.remove(0);
    let html = page.to_html().expect("a page");
    check(&html);
    assert!(!html.contains("None in these captures"), "every figure has data");
}

#[test]
fn figures_without_data_say_so() {
    let page = report(vec![], vec![]);
    let html = page.to_html().expect("a page");
    check(&html);
    assert_eq!(html.matches("None in these captures").count(), page.figures.len());
    assert!(!html.contains("<svg"));
}

#[test]
fn names_from_outside_are_text() {
    let mut report = Report::new(Options {
        title: "<b>\"&'".to_owned(),
        ..Options::default()
    });
    report.begin("<script>alert(1)</script>.pcap".into());
    report.note("<i>".to_owned());
    let totals = Totals {
        packets: 1,
        ..Totals::default()
    };
    for event in [
        Event::Connection(Box::new(connection(0, 2))),
        Event::End(Box::new(totals)),
    ] {
        report.add(&event).expect("a temporary file");
    }
    let html = report.finish().expect("a report").to_html().expect("a page");
    check(&html);
    assert!(html.contains("&lt;script&gt;alert(1)") && !html.contains("<script") && !html.contains("<b>\""));
}

#[test]
fn long_lists_are_thinned_in_the_page_only() {
    let page = report(vec![], (0..5000).map(|id| connection(id, 1)).collect());
    let figure = figure(&page, "F3.3");
    let lines = |every| {
        let mut csv = Vec::new();
        figure.write_csv(&mut csv, every).expect("a vector");
        String::from_utf8(csv)
            .expect("text")
            .lines()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(1).len(), 5001);
    let thinned = lines(3);
    assert_eq!(thinned.len(), 1 + 1667 + 1);
    assert_eq!(thinned.last(), lines(1).last(), "the last is at 1");
}

#[test]
fn each_cell_of_a_wide_table_has_its_heading_and_each_picture_a_small_form() {
    let html = report(vec![], vec![connection(0, 2)]).to_html().expect("a page");
    let xml = as_xml(&html);
    let document = roxmltree::Document::parse(&xml).expect("well-formed");
    let has_class = |node: &roxmltree::Node<'_, '_>, class: &str| {
        node.attribute("class")
            .is_some_and(|classes| classes.split(' ').any(|one| one == class))
    };
    let tables: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("table") && has_class(node, "wide"))
        .collect();
    assert!(tables.len() >= 2, "{}", tables.len());
    for table in tables {
        let rows = table.descendants().filter(|node| node.has_tag_name("tr"));
        let rows: Vec<Vec<_>> = rows.map(|row| row.children().collect()).collect();
        let (head, body) = rows.split_first().expect("a head");
        for row in body {
            for (cell, heading) in row.iter().zip(head).skip(1) {
                assert_eq!(cell.attribute("data-label"), heading.text(), "{cell:?}");
            }
        }
    }
    let figures: Vec<_> = document
        .descendants()
        .filter(|node| node.has_tag_name("figure"))
        .collect();
    assert!(!figures.is_empty());
    for figure in figures {
        let widths: Vec<f64> = figure
            .descendants()
            .filter(|node| node.has_tag_name("svg") && node.attribute("role").is_some())
            .filter_map(|svg| svg.attribute("width")?.parse().ok())
            .collect();
        let [large, small] = widths[..] else {
            panic!("{widths:?}")
        };
        assert!(large > 400.0 && small <= 360.0, "{widths:?}");
    }
}

#[test]
fn the_page_has_rules_for_narrow_and_wide_screens_dark_settings_and_paper() {
    let html = report(vec![], vec![]).to_html().expect("a page");
    for rule in [
        "@container (max-width:",
        "@media (min-width:",
        "prefers-color-scheme:dark",
        "@media print",
        "@page",
    ] {
        assert!(html.contains(rule), "{rule}");
    }
}
