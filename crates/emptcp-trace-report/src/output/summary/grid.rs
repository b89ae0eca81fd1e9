//! Aligned rows without borders, each row in its style.

use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Headings.
pub(super) const BOLD: Style = Style::new().bold();
/// Less important.
pub(super) const DIM: Style = Style::new().dimmed();
/// Needs attention.
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Unchanged.
pub(super) const PLAIN: Style = Style::new();

/// Rows under construction.
pub(super) struct Grid {
    table: Table,
    rows: Vec<Row>,
    width: usize,
}

struct Row {
    style: Style,
    /// The text below it, over all columns.
    note: String,
}

impl Grid {
    /// An empty table with these headings. A heading that begins with `>` is for numbers, aligned to the right.
    pub(super) fn new(headings: &[&str], width: usize) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(width).unwrap_or(u16::MAX));
        table.set_header(headings.iter().map(|heading| heading.trim_start_matches('>')));
        for (position, (column, heading)) in table.column_iter_mut().zip(headings).enumerate() {
            let gap = if position + 1 < headings.len() { 2 } else { 0 };
            column.set_padding((0, gap));
            if heading.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self {
            table,
            rows: Vec::new(),
            width,
        }
    }

    /// Adds a row, with a note below it unless that is empty. The first cell must not be empty: it marks the first line
    /// of a row.
    pub(super) fn row(&mut self, style: Style, cells: Vec<String>, note: String) {
        self.table.add_row(cells);
        self.rows.push(Row { style, note });
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        let first = self.table.column_max_content_widths().first().copied().unwrap_or(0);
        let first = usize::from(first);
        let mut rows = self.rows.iter();
        let mut row: Option<&Row> = None;
        let mut text = String::new();
        for (position, line) in self.table.lines().enumerate() {
            // A continuation line of a row has an empty first cell.
            if position > 0 && line.chars().take(first).any(|character| character != ' ') {
                self.note(&mut text, row, first);
                row = rows.next();
            }
            let style = row.map_or(BOLD, |row| row.style);
            text.push_str(&format!("{style}{}{style:#}\n", line.trim_end()));
        }
        self.note(&mut text, row, first);
        text
    }

    fn note(&self, text: &mut String, row: Option<&Row>, first: usize) {
        let Some(Row { style, note }) = row.filter(|row| !row.note.is_empty()) else {
            return;
        };
        let indent = first + 4;
        for line in wrapped(note, self.width.saturating_sub(indent)) {
            text.push_str(&format!("{:indent$}{style}{line}{style:#}\n", ""));
        }
    }
}

/// Wraps the text at this width. A longer word gets its own line.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
