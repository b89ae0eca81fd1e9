//! A table as plain text.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::fmt;

/// A table as plain text, without borders, its columns as wide as their content.
///
/// ```
/// use emptcp_trace_report::output::TextTable;
///
/// let mut table = TextTable::new(&["subflow", ">bytes"]);
/// table.row(["0", "1000"]);
/// table.row(["1", "20"]);
/// assert_eq!(table.to_string(), "  subflow  bytes\n  0         1000\n  1           20");
/// ```
#[derive(Debug)]
pub struct TextTable {
    table: Table,
}

impl TextTable {
    /// An empty table. A heading that begins with `>` is that of a column of numbers, aligned to the right. A heading
    /// may have several lines.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
        for (column, heading) in table.column_iter_mut().zip(headings) {
            column.set_padding((2, 0));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { table }
    }

    /// Adds a row: a text for each heading.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.table.add_row(cells.into_iter().map(Into::into));
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.row_iter().next().is_none()
    }
}

impl fmt::Display for TextTable {
    /// The headings, then one line for each row, without spaces or a newline at the end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.table.to_string();
        let lines: Vec<_> = text.lines().map(str::trim_end).collect();
        formatter.write_str(&lines.join("\n"))
    }
}
