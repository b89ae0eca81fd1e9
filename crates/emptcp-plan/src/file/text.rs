//! A TOML string and the position of each of its characters in the file.

use crate::diagnostics::Instead;
use std::ops::Range;

/// The content of a TOML string.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    decoded: String,
    /// For every byte of `decoded`, and its end: the byte of the file.
    places: Vec<usize>,
    span: Range<usize>,
}

impl Text {
    /// `span` are the bytes of the string in `file`, quotes included.
    pub(crate) fn new(decoded: &str, span: Range<usize>, file: &str) -> Self {
        let raw = file.get(span.clone()).unwrap_or_default();
        let places = places(decoded, raw, span.start)
            // Should not happen, but a caret at a wrong position is better than none.
            .unwrap_or_else(|| vec![span.start; decoded.len() + 1]);
        Self {
            decoded: decoded.to_owned(),
            places,
            span,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.decoded
    }

    /// The position of bytes of the content in the file.
    pub(crate) fn place(&self, inside: Range<usize>) -> Range<usize> {
        let last = self.places.len() - 1;
        self.places[inside.start.min(last)]..self.places[inside.end.min(last)]
    }

    /// What to write in `file` to replace the content by `corrected`. `None` if the content has escapes, the corrected
    /// text would need some, or lines would move.
    pub(crate) fn edit(&self, corrected: String, file: &str) -> Option<Instead> {
        let (start, end) = (*self.places.first()?, *self.places.last()?);
        let quote = file[self.span.clone()].chars().next()?;
        let needs_escapes = corrected.contains(quote) || quote == '"' && corrected.contains('\\');
        let lines = |text: &str| text.matches('\n').count();
        if file.get(start..end)? != self.decoded || needs_escapes || lines(&corrected) != lines(&self.decoded) {
            return None;
        }
        Some(Instead {
            span: start..end,
            text: corrected,
        })
    }

    /// The whole string, quotes included.
    pub(crate) fn whole(&self) -> Range<usize> {
        self.span.clone()
    }
}

/// Walks content and source side by side.
fn places(decoded: &str, raw: &str, start: usize) -> Option<Vec<usize>> {
    let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let long = raw.len() >= 6 && raw.starts_with(&quote.to_string().repeat(3));
    let mut at = if long { 3 } else { 1 };
    if long {
        // A line break right after the opening quotes is not content.
        at += if raw[at..].starts_with("\r\n") {
            2
        } else {
            usize::from(raw[at..].starts_with('\n'))
        };
    }
    let mut places = Vec::with_capacity(decoded.len() + 1);
    for c in decoded.chars() {
        if quote == '"' {
            at += folded_line(raw.get(at..)?);
        }
        let rest = raw.get(at..)?;
        let length = match rest.chars().next()? {
            '\\' if quote == '"' => escape_length(rest)?,
            // A parser may turn CR LF into LF.
            '\r' if c == '\n' && rest.starts_with("\r\n") => 2,
            other if other == c => c.len_utf8(),
            _ => return None,
        };
        places.extend(std::iter::repeat_n(start + at, c.len_utf8()));
        at += length;
    }
    places.push(start + at);
    Some(places)
}

/// Length of backslashes at the end of a line and of all white space after them, which are not content.
fn folded_line(mut rest: &str) -> usize {
    let all = rest.len();
    while let Some(after) = rest.strip_prefix('\\') {
        let kept = after.trim_start();
        if !after[..after.len() - kept.len()].contains('\n') {
            break;
        }
        rest = kept;
    }
    all - rest.len()
}

fn escape_length(rest: &str) -> Option<usize> {
    Some(match rest.as_bytes().get(1)? {
        b'x' => 4,
        b'u' => 6,
        b'U' => 10,
        _ => 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::de::{DeTable, DeValue};

    /// The text of the file where the content has `needle`.
    fn found<'a>(file: &'a str, needle: &str) -> &'a str {
        let table = DeTable::parse(file).unwrap();
        let value = table.get_ref().get("k").unwrap();
        let DeValue::String(decoded) = value.get_ref() else {
            panic!("k is a string")
        };
        let text = Text::new(decoded, value.span(), file);
        let at = text.as_str().find(needle).unwrap();
        &file[text.place(at..at + needle.len())]
    }

    #[test]
    fn every_kind_of_string_keeps_its_places() {
        for file in [
            "k = 'a needle b'",
            "k = \"a needle b\"",
            "k = '''a needle b'''",
            "k = \"\"\"a needle b\"\"\"",
            "k = '''\na\nneedle b'''",
            "k = '''\r\na\r\nneedle b'''",
            "k = \"\\u00e4 \\t\\\"\\\\ needle\"",
            "k = \"\\x41 \\e needle\"",
            "k = \"\"\"\\\n   a \\\n\n   needle\"\"\"",
            "k = \"\"\"a \\\n \\\n needle\"\"\"",
            "k = 'ä€ needle'",
        ] {
            assert_eq!(found(file, "needle"), "needle", "{file}");
        }
    }
}
