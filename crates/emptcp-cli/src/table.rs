//! Aligned tables without borders.

use crate::session::BOLD;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table as Grid, presets};
use emptcp::visible;

/// A table under construction.
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    broken: Broken,
}

/// Which cells are wrapped to fit the terminal.
#[derive(Clone, Copy)]
enum Broken {
    None,
    All,
    Last,
}

impl Table {
    /// With these headings; one that begins with `>` is for numbers, which are aligned right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self {
            headings: headings.iter().map(|heading| (*heading).to_owned()).collect(),
            rows: Vec::new(),
            broken: Broken::None,
        }
    }

    /// Wraps long cells, so that the table fits the terminal.
    pub(crate) fn wrapped(mut self) -> Self {
        self.broken = Broken::All;
        self
    }

    /// Wraps only cells of the last column, so that the table fits the terminal if the other columns leave space.
    pub(crate) fn with_last_wrapped(mut self) -> Self {
        self.broken = Broken::Last;
        self
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| single_line(&cell));
        self.rows.push(cells.collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, every line indented by `indent`, headings emphasised.
    pub(crate) fn render(&self, indent: usize) -> String {
        let width = terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| width);
        let text = match (self.broken, width) {
            (Broken::All, Some(width)) => {
                let mut grid = self.grid();
                grid.set_content_arrangement(ContentArrangement::Dynamic)
                    .set_width(width.max(60));
                grid.to_string()
            }
            (Broken::Last, Some(width)) => self.wrapping_last(usize::from(width).saturating_sub(indent)),
            _ => self.plain().unwrap_or_else(|| self.grid().to_string()),
        };
        let lines = text.lines().enumerate().map(|(position, line)| {
            let line = line.trim_end();
            if position == 0 {
                format!("{:indent$}{BOLD}{line}{BOLD:#}\n", "")
            } else {
                format!("{:indent$}{line}\n", "")
            }
        });
        lines.collect()
    }

    /// Without wrapping, if all characters have the same width: a hundred thousand rows in a fraction of a second.
    fn plain(&self) -> Option<String> {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| name(heading).len()).collect();
        for row in &self.rows {
            for (cell, width) in row.iter().zip(&mut widths) {
                if !cell.is_ascii() {
                    return None;
                }
                *width = cell.len().max(*width);
            }
        }
        let headings: Vec<&str> = self.headings.iter().map(|heading| name(heading)).collect();
        let mut text = String::with_capacity((self.rows.len() + 1) * (widths.iter().sum::<usize>() + 2 * widths.len()));
        let mut line = |cells: &mut dyn Iterator<Item = &str>| {
            for ((cell, width), heading) in cells.zip(&widths).zip(&self.headings) {
                let blanks = width - cell.len();
                let (before, after) = if heading.starts_with('>') {
                    (blanks, 0)
                } else {
                    (0, blanks)
                };
                text.extend(std::iter::repeat_n(' ', before));
                text.push_str(cell);
                text.extend(std::iter::repeat_n(' ', after + 2));
            }
            text.push('\n');
        };
        line(&mut headings.into_iter());
        for row in &self.rows {
            line(&mut row.iter().map(String::as_str));
        }
        Some(text)
    }

    fn grid(&self) -> Grid {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_content_arrangement(ContentArrangement::Disabled);
        grid.set_header(self.headings.iter().map(|heading| name(heading)));
        for (column, heading) in grid.column_iter_mut().zip(&self.headings) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        grid.add_rows(&self.rows);
        grid
    }

    /// In `width` columns, or more if the other columns and [`LAST`] need more.
    fn wrapping_last(&self, width: usize) -> String {
        let mut grid = self.grid();
        let widths: Vec<usize> = grid.column_max_content_widths().into_iter().map(usize::from).collect();
        let Some((last, others)) = widths.split_last() else {
            return grid.to_string();
        };
        // Two blanks after each column.
        let left = width
            .saturating_sub(others.iter().map(|width| width + 2).sum())
            .max(LAST);
        if *last <= left {
            return grid.to_string();
        }
        grid.set_content_arrangement(ContentArrangement::Dynamic);
        for column in grid.column_iter_mut().take(others.len()) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        let left = u16::try_from(left).unwrap_or(u16::MAX);
        if let Some(column) = grid.column_mut(others.len()) {
            column.set_constraint(ColumnConstraint::Absolute(comfy_table::Width::Fixed(left)));
        }
        grid.set_width(u16::MAX);
        grid.to_string()
    }
}

/// The narrowest last column: less would be one word per line.
const LAST: usize = 20;

/// A heading as it is shown.
fn name(heading: &str) -> &str {
    heading.trim_start_matches('>')
}

/// Text from outside must not break a row.
fn single_line(cell: &str) -> String {
    visible(cell).replace('\n', "\\n").replace('\t', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right_and_lines_have_no_blanks_at_the_end() {
        let mut table = Table::new(&["name", ">packets", "note"]);
        table.row(["a".to_owned(), "7".to_owned(), String::new()]);
        table.row(["longer".to_owned(), "1234".to_owned(), "x".to_owned()]);
        let text = anstream::adapter::strip_str(&table.render(2)).to_string();
        assert_eq!(
            text,
            "  name    packets  note\n  a             7\n  longer     1234  x\n"
        );
    }

    #[test]
    fn a_table_without_breaks_is_the_same_from_either_way_of_making_it() {
        let mut table = Table::new(&["address", ">bytes", "policies"]);
        for (address, bytes, policies) in [
            ("10.0.0.1:50000", "12", "one, two"),
            ("[::1]:1", "345678901", ""),
            ("", "", "x"),
        ] {
            table.row([address, bytes, policies].map(str::to_owned));
        }
        let ends = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        assert_eq!(ends(&table.plain().unwrap()), ends(&table.grid().to_string()));
        table.row(["\u{4e2d}".to_owned()]);
        assert!(table.plain().is_none(), "its width is not one");
    }

    #[test]
    fn only_the_last_column_is_broken_to_fit_the_terminal() {
        let mut table = Table::new(&["address", "policies"]);
        table.row([
            "10.0.0.1:50000".to_owned(),
            "one, two, three, four, five, six".to_owned(),
        ]);
        let text = table.wrapping_last(40);
        assert!(text.lines().all(|line| line.trim_end().len() <= 40), "{text}");
        assert!(text.contains("10.0.0.1:50000") && text.lines().count() == 3, "{text}");
        // Narrower than the other columns: they are not wrapped.
        assert!(table.wrapping_last(10).contains("10.0.0.1:50000"));
        assert_eq!(table.wrapping_last(200).lines().count(), 2);
    }
}
