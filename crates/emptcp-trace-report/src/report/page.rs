//! The page: one HTML file without scripts and external resources.

use super::{Cell, Figure, Panel, Table};
use crate::chart::{Chart, STYLE, Unit};
use crate::output::units;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const PAGE_STYLE: &str = include_str!("page.css");

/// The most rows of each figure on a page; when there are more, the page has every n-th.
const ROWS: u64 = 2000;

/// The size of a picture on a narrow screen, pixels.
const SMALL: (f64, f64) = (350.0, 270.0);
/// Tables with more columns become lists where there is no room for them.
const COLUMNS: usize = 4;
/// Tables with more rows may continue on the next sheet of paper.
const LONG: usize = 12;

/// Characters that need no encoding in a data URI.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b',')
    .remove(b'-')
    .remove(b'_')
    .remove(b':')
    .remove(b'/');

/// A complete report.
#[derive(Debug)]
pub struct Page {
    title: String,
    /// The figures, in order.
    pub figures: Vec<Figure>,
}

impl Page {
    pub(super) fn new(title: String, figures: Vec<Figure>) -> Self {
        Self { title, figures }
    }

    /// The page, for light and dark settings and for print.
    ///
    /// # Errors
    /// The temporary file that holds the times of retransmissions cannot be read.
    pub fn to_html(&self) -> std::io::Result<String> {
        let figures = self.figures.iter().map(figure).collect::<std::io::Result<Vec<_>>>()?;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(concat!("emptcp-trace ", env!("CARGO_PKG_VERSION")));
                    // Blocks external requests, even if text from a capture were not escaped.
                    meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                    title { (self.title) }
                    style { (PreEscaped(PAGE_STYLE)) (PreEscaped(STYLE)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        p { "Made by emptcp trace report, version " (env!("CARGO_PKG_VERSION")) "." }
                    }
                    nav aria-label="Contents" {
                        h2 { "Contents" }
                        ol {
                            @for figure in &self.figures {
                                li {
                                    a href={ "#" (figure.name) } {
                                        span.id { (figure.id) } " " (figure.title)
                                        @if figure.n == 0 { span.none { " none" } }
                                    }
                                }
                            }
                        }
                    }
                    main { @for figure in figures { (figure) } }
                }
            }
        };
        Ok(page.into_string())
    }
}

fn figure(figure: &Figure) -> std::io::Result<Markup> {
    let count = figure.rows.count();
    let every = count.div_ceil(ROWS).max(1);
    let mut csv = Vec::new();
    figure.write_csv(&mut csv, every)?;
    let csv = String::from_utf8_lossy(&csv);
    let file = format!("{}.csv", figure.name);
    let beside = is_beside(figure);
    // About as large as shown, so that text has the size of the page's text.
    let size = match figure.panels.len() {
        1 if beside => (560.0, 340.0),
        1 => (860.0, 420.0),
        _ => (440.0, 300.0),
    };
    let notes = html! { @for note in &figure.notes { p.note { (note) } } };
    Ok(html! {
        section id=(figure.name) {
            div.intro {
                h2 { span.id { (figure.id) } " " (figure.title) }
                p.says { (figure.says) }
                p.population { b { "n = " (units::number(figure.n)) } " · " (figure.population) }
            }
            @if figure.n == 0 {
                p.empty { "None in these captures." }
                (notes)
            } @else {
                @if !figure.facts.is_empty() {
                    dl { @for (name, value) in &figure.facts { div { dt { (name) } dd { (value) } } } }
                }
                div.beside[beside] {
                    @if !figure.panels.is_empty() {
                        div.panels { @for one in &figure.panels { (panel(one, size)) } }
                    }
                    div.tables { @for one in &figure.tables { (table(one)) } }
                }
                (notes)
                details.values {
                    summary { "Underlying values" }
                    p {
                        a download=(file) href={ "data:text/csv;charset=utf-8," (utf8_percent_encode(&csv, PLAIN).to_string()) } {
                            (file)
                        }
                        @if every > 1 {
                            ": every " (every) "th of " (units::number(count)) " rows and the last; "
                            code { "--csv" } " writes all"
                        } @else {
                            ": " (units::number(count)) " rows"
                        }
                    }
                }
            }
        }
    })
}

/// Whether the table is next to the picture: there is one picture, and the table is narrow.
fn is_beside(figure: &Figure) -> bool {
    let mut rows = figure.tables.iter().flat_map(|table| &table.rows);
    figure.panels.len() == 1 && rows.all(|row| row.len() <= COLUMNS)
}

/// A picture in two sizes: the second is for narrow screens, where text of the first would be too small to read.
fn panel(panel: &Panel, size: (f64, f64)) -> Markup {
    let sized = |size| {
        let chart = Chart {
            size,
            ..panel.chart.clone()
        };
        PreEscaped(chart.to_inline_svg())
    };
    html! {
        figure {
            div.large { (sized(size)) }
            div.small { (sized(SMALL)) }
            @if !panel.caption.is_empty() { figcaption { (panel.caption) } }
        }
    }
}

/// A table. Roles are said, because a table that is shown as a list is no table to some browsers.
fn table(table: &Table) -> Markup {
    let columns = table.rows.iter().map(Vec::len).max().unwrap_or(0);
    let label = |column| table.head.get(column).map_or("", String::as_str);
    html! {
        div.table.long[table.rows.len() > LONG] {
            table.wide[columns > COLUMNS] role="table" {
                @if !table.caption.is_empty() { caption { (table.caption) } }
                @if !table.head.is_empty() {
                    thead role="rowgroup" { tr role="row" {
                        @for (column, name) in table.head.iter().enumerate() {
                            @if name.is_empty() { td role="cell" {} } @else {
                                th.number[is_number(table, column)] scope="col" role="columnheader" { (name) }
                            }
                        }
                    } }
                }
                tbody role="rowgroup" {
                    @for row in &table.rows {
                        tr role="row" {
                            @for (column, one) in row.iter().enumerate() { (cell(one, column == 0, label(column))) }
                        }
                    }
                }
            }
        }
    }
}

/// Whether a column has numbers, which are aligned to the right.
fn is_number(table: &Table, column: usize) -> bool {
    let mut cells = table.rows.iter().filter_map(|row| row.get(column));
    cells.any(|cell| matches!(cell, Cell::Number(_) | Cell::Share(_)))
}

fn cell(cell: &Cell, first: bool, label: &str) -> Markup {
    match cell {
        Cell::Text(words) if first => html! { th scope="row" role="rowheader" { (words) } },
        Cell::Text(words) => html! { td.words role="cell" data-label=(label) { (words) } },
        Cell::Number(number) => html! { td.number role="cell" data-label=(label) { (number) } },
        Cell::Time(time) => {
            // Date and time may be below each other.
            let (date, rest) = time.split_once(' ').unwrap_or((time, ""));
            html! { td.time role="cell" data-label=(label) { span { (date) } " " span { (rest) } } }
        }
        Cell::Share(share) => {
            let width = (share * 100.0).clamp(0.0, 100.0);
            html! {
                td.number.share role="cell" data-label=(label) style=(format!("--share:{width:.1}%")) {
                    @if *share > 0.0 && *share < 0.000_05 { "< 0.01 %" } @else { (Unit::Share.show(*share)) }
                }
            }
        }
        Cell::None => html! { td.number role="cell" data-label=(label) { span.none { "-" } } },
    }
}
