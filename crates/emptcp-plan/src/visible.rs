//! Text from files, made safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// How a character is shown that is not shown unchanged: characters that control a terminal, that change the direction
/// of the text, or that are invisible.
pub(crate) fn escaped(c: char) -> Option<String> {
    let hidden = c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
    match c {
        '\n' | '\r' => Some(c.escape_default().to_string()),
        _ => hidden.then(|| c.escape_unicode().to_string()),
    }
}

/// The same text with such characters as Rust and TOML write them: `\u{1b}`. Line ends and tabs stay.
///
/// ```
/// assert_eq!(emptcp_plan::visible("tab\t\u{1b}[31mred\u{202e}\n"), "tab\t\\u{1b}[31mred\\u{202e}\n");
/// ```
pub fn visible(text: &str) -> Cow<'_, str> {
    let stays = |c: char| c == '\n' || c == '\t' || escaped(c).is_none();
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) || text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match escaped(c).filter(|_| !stays(c)) {
            Some(words) => shown.push_str(&words),
            None => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// Columns of a line that are shown.
const COLUMNS: usize = 200;
/// Those of them before the marked part.
const BEFORE: usize = 80;

/// A part of a line around `width` characters from the character `at` on, and the line of carets below it.
pub(crate) fn excerpt(line: &str, at: usize, width: usize) -> (String, String) {
    let length = line.chars().count();
    let start = match length {
        ..=COLUMNS => 0,
        _ => at.saturating_sub(BEFORE).min(length - COLUMNS),
    };
    let mut text = String::new();
    let mut below = String::new();
    if start > 0 {
        text.push_str("...");
        below.push_str("   ");
    }
    let mut carets = 0;
    for (position, c) in line.chars().enumerate().skip(start).take(COLUMNS) {
        let shown = escaped(c).filter(|_| c != '\t').unwrap_or_else(|| c.to_string());
        let columns = shown.chars().count();
        text.push_str(&shown);
        if position < at {
            // Tabs stay tabs, so that the caret stands below what it means at any tab width.
            let blank = if c == '\t' {
                "\t".to_owned()
            } else {
                " ".repeat(columns)
            };
            below.push_str(&blank);
        } else if position - at < width {
            carets += columns;
        }
    }
    if start + COLUMNS < length {
        text.push_str("...");
    }
    let _ = write!(below, "{}", "^".repeat(carets.max(1)));
    (text, below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_what_it_means_wherever_the_line_is_cut() {
        let long = format!("{}{}", "a".repeat(5_000), "b".repeat(5_000));
        for (line, at, width, meant) in [
            ("\tkey = 1", 1, 3, "key"),
            ("\u{1b}\u{202e}key = 1", 2, 3, "key"),
            (long.as_str(), 4_999, 2, "ab"),
            (long.as_str(), 0, 1, "a"),
            (long.as_str(), 9_999, 1, "b"),
        ] {
            let (text, below) = excerpt(line, at, width);
            let place = below.find('^').unwrap();
            assert_eq!(&text[place..place + below.len() - place], meant);
            assert!(text.len() <= COLUMNS + 6);
        }
    }

    #[test]
    fn what_a_span_of_a_million_characters_points_at_is_cut_too() {
        let (text, below) = excerpt(&"x".repeat(1_000_000), 10, 999_990);
        assert!(text.len() < 220 && below.len() < 220);
        assert!(excerpt("", 0, 1).1 == "^");
    }
}
