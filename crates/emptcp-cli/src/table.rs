//! Aligned tables without borders.

use crate::session::BOLD;
use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use emptcp_plan::visible;

/// A table under construction.
pub(crate) struct Table {
    grid: Grid,
    rows: usize,
}

impl Table {
    /// With these headings; one that begins with `>` is for numbers, which stand at the right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING);
        grid.set_content_arrangement(ContentArrangement::Disabled);
        grid.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
        for (column, heading) in grid.column_iter_mut().zip(headings) {
            column.set_padding((0, 2));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { grid, rows: 0 }
    }

    /// Breaks long cells, so that the table fits the terminal.
    pub(crate) fn wrapped(mut self) -> Self {
        if let Some((terminal_size::Width(width), _)) = terminal_size::terminal_size() {
            self.grid
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width.max(60));
        }
        self
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| single_line(&cell));
        self.grid.add_row(cells.collect::<Vec<_>>());
        self.rows += 1;
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The text, every line `indent` to the right, headings emphasised.
    pub(crate) fn render(&self, indent: usize) -> String {
        let text = self.grid.to_string();
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
}

/// Words of others may break no row.
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
}
