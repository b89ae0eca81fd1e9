//! Mistakes in a file: what is wrong, where, and what would be accepted.

use crate::suggest;
use crate::visible::{excerpt, visible};
use serde::Serialize;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

/// One mistake.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Diagnostic {
    /// Name of the file, as given by the caller.
    pub source: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters that the mistake spans on its line, at least 1.
    pub width: usize,
    /// What was found.
    pub message: String,
    /// What would be accepted.
    pub help: String,
    /// The line of the file, as it is.
    pub text: String,
    /// That line with all mistakes corrected, if the corrections are known: the file then has no mistake on this line.
    pub corrected: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let at = self.column.saturating_sub(1);
        let (text, below) = excerpt(&self.text, at, self.width);
        let (source, message, help) = (visible(&self.source), visible(&self.message), visible(&self.help));
        writeln!(out, "{source}:{}:{}: {message}", self.line, self.column)?;
        writeln!(out, "{margin} |")?;
        writeln!(out, "{number} | {text}")?;
        writeln!(out, "{margin} | {below}")?;
        write!(out, "{margin} = {help}")?;
        match &self.corrected {
            Some(corrected) => write!(out, "\n{number} + {}", excerpt(corrected, at, self.width).0),
            None => Ok(()),
        }
    }
}

/// All mistakes of one file; never empty, in the order of the file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// The mistakes, in the order of the file.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// How many mistakes there are; at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, diagnostic) in self.iter().enumerate() {
            if position > 0 {
                write!(out, "\n\n")?;
            }
            write!(out, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// A mistake inside a text whose position in the file is not known yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What was found.
    pub message: String,
    /// What would be accepted.
    pub help: String,
    /// What to write instead, if known.
    pub instead: Option<Instead>,
}

/// What to write in place of some bytes of a text.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Instead {
    /// Bytes of the text.
    pub span: Range<usize>,
    /// What to write there.
    pub text: String,
}

impl Problem {
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: help.into(),
            instead: None,
        }
    }

    /// Says what to write in place of these bytes.
    pub(crate) fn write_instead(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.instead = Some(Instead {
            span,
            text: text.into(),
        });
        self
    }

    /// Adds the intended word as the correction of the one that was found here, if it is known.
    pub(crate) fn nearest_instead<'a>(self, found: &str, words: impl IntoIterator<Item = &'a str>) -> Self {
        let span = self.span.clone();
        match suggest::meant(found, words) {
            Some(word) => self.write_instead(span, word),
            None => self,
        }
    }
}

/// Most mistakes that are kept for one file: each has a copy of its line.
const MOST: usize = 100;

/// Collects mistakes of one file.
pub(crate) struct Reporter<'a> {
    source: &'a str,
    text: &'a str,
    lines: Vec<usize>,
    found: Vec<Diagnostic>,
    /// What to write in place of bytes of the file.
    edits: HashSet<Instead>,
}

impl<'a> Reporter<'a> {
    pub(crate) fn new(source: &'a str, text: &'a str) -> Self {
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            source,
            text,
            lines,
            found: Vec::new(),
            edits: HashSet::new(),
        }
    }

    /// Records a mistake at these bytes of the file.
    pub(crate) fn report(&mut self, span: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        if self.found.len() >= MOST {
            return;
        }
        let start = self.boundary(span.start);
        let line = self.line(start);
        let first = self.lines[line];
        let content = self.text[first..]
            .split('\n')
            .next()
            .unwrap_or_default()
            .trim_end_matches('\r');
        let column = self.text[first..start].chars().count().min(content.chars().count());
        let end = self.boundary(span.end).clamp(start, (first + content.len()).max(start));
        let width = self.text[start..end].chars().count().max(1);
        self.found.push(Diagnostic {
            source: self.source.to_owned(),
            line: line + 1,
            column: column + 1,
            width,
            message: message.into(),
            help: help.into(),
            text: content.to_owned(),
            corrected: None,
        });
    }

    /// Records the correction of some bytes of the file. It has as many lines as these.
    pub(crate) fn edit(&mut self, edit: Instead) {
        self.edits.insert(edit);
    }

    /// Shows the lines with an edit after all edits of the file, if `check` then finds no mistake.
    pub(crate) fn correct(&mut self, check: impl FnOnce(&str) -> Vec<Diagnostic>) {
        let mut edits: Vec<&Instead> = self.edits.iter().collect();
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end, &edit.text));
        let mut text = String::with_capacity(self.text.len());
        let mut done = 0;
        let mut edited = HashSet::new();
        for edit in edits {
            let Some(before) = self.text.get(done..edit.span.start) else {
                return;
            };
            text.push_str(before);
            text.push_str(&edit.text);
            done = edit.span.end;
            edited.extend(self.line(edit.span.start)..=self.line(edit.span.end));
        }
        text.push_str(self.text.get(done..).unwrap_or_default());
        if edited.is_empty() {
            return;
        }
        let left = check(&text);
        // Mistakes beyond that number were not checked.
        if left.len() >= MOST {
            return;
        }
        let lines: Vec<&str> = text.split('\n').collect();
        for found in &mut self.found {
            let line = found.line - 1;
            if edited.contains(&line) && left.iter().all(|other| other.line != found.line) {
                let corrected = lines.get(line).map(|line| line.trim_end_matches('\r').to_owned());
                found.corrected = corrected.filter(|corrected| *corrected != found.text);
            }
        }
    }

    /// The mistakes so far.
    pub(crate) fn found(self) -> Vec<Diagnostic> {
        self.found
    }

    /// The line that holds this byte, from 0.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|first| *first <= at) - 1
    }

    /// `Err` with everything that was reported, or `Ok` when nothing was.
    pub(crate) fn finish(mut self) -> Result<(), Diagnostics> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found
            .sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
        self.found.dedup();
        Err(Diagnostics(self.found))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    fn boundary(&self, at: usize) -> usize {
        (0..=at.min(self.text.len()))
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str, span: Range<usize>) -> Diagnostic {
        let mut reporter = Reporter::new("p.toml", text);
        reporter.report(span, "found", "wanted");
        reporter.finish().unwrap_err().0.remove(0)
    }

    #[test]
    fn columns_count_characters_and_not_bytes() {
        let found = only("a\nüü x", 7..8);
        assert_eq!((found.line, found.column, found.width), (2, 4, 1));
    }

    #[test]
    fn a_span_beyond_the_file_points_at_its_end() {
        let found = only("ab", 90..99);
        assert_eq!((found.line, found.column, found.width), (1, 3, 1));
        assert_eq!(only("", 0..0).column, 1);
    }

    #[test]
    fn a_mistake_is_printed_with_its_line_and_a_caret() {
        let shown = only("x\n\tkey = 1\n", 3..6).to_string();
        assert_eq!(shown, "p.toml:2:2: found\n  |\n2 | \tkey = 1\n  | \t^^^\n  = wanted");
    }

    #[test]
    fn a_flood_of_mistakes_is_cut_off() {
        let mut reporter = Reporter::new("p.toml", "x");
        (0..10_000).for_each(|number| reporter.report(0..1, format!("{number}"), "wanted"));
        assert_eq!(reporter.finish().unwrap_err().count(), MOST);
    }

    #[test]
    fn a_span_over_several_lines_is_cut_at_the_end_of_the_first() {
        assert_eq!(only("abc\ndef", 1..6).width, 2);
    }
}
