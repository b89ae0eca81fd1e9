//! The story as text.

use super::{Sentence, SentenceKind, why};
use emptcp_trace::record::Connection;
use std::io::{self, Write};

/// Columns before the text: the time.
const MARGIN: usize = 12;

/// What is written of each sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// The sentence alone.
    #[default]
    Sentences,
    /// Under each one, what it rests on: how sure it is, the packets, the causes that remain and those that do not.
    Why,
}

/// Writes the story, `width` columns wide: one paragraph for each sentence, with its time and packet numbers.
///
/// # Errors
/// Those of the writer.
pub fn write_text(
    to: &mut impl Write,
    connection: &Connection,
    story: &[Sentence],
    width: usize,
    detail: Detail,
) -> io::Result<()> {
    writeln!(
        to,
        "Connection {} of {}: {} -> {}, port {}\n",
        connection.conn_id, connection.trace, connection.client, connection.server, connection.port
    )?;
    let empty = " ".repeat(MARGIN);
    for sentence in story {
        let verdict = sentence.kind == SentenceKind::Verdict;
        if verdict {
            writeln!(to)?;
        }
        let time = match sentence.kind {
            SentenceKind::Verdict => "Verdict".to_owned(),
            SentenceKind::Capture => "Note".to_owned(),
            _ => format!("{:.3} s", sentence.t.seconds()),
        };
        let label = format!("{time:>width$}  ", width = MARGIN - 2);
        let packets = match sentence.packets {
            Some([first, last]) if first == last => format!(" [packet\u{a0}{first}]"),
            Some([first, last]) => format!(" [packets\u{a0}{first}-{last}]"),
            None => String::new(),
        };
        let text = format!("{}{packets}", unbroken(&sentence.text));
        paragraph(to, &text, &label, &empty, width)?;
        if detail == Detail::Why {
            for line in why::lines(sentence) {
                let (label, rest) = (format!("{empty}- "), format!("{empty}  "));
                paragraph(to, &unbroken(&line), &label, &rest, width)?;
            }
        }
    }
    Ok(())
}

fn paragraph(to: &mut impl Write, text: &str, first: &str, rest: &str, width: usize) -> io::Result<()> {
    let options = textwrap::Options::new(width.max(40))
        .initial_indent(first)
        .subsequent_indent(rest)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    for line in textwrap::wrap(text, options) {
        writeln!(to, "{}", line.replace('\u{a0}', " ").trim_end())?;
    }
    Ok(())
}

/// Replaces the spaces inside numbers by non-breaking ones.
fn unbroken(text: &str) -> String {
    let mut characters = text.chars().peekable();
    let mut before = None;
    let mut unbroken = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        let within = before.is_some_and(|before: char| before.is_ascii_digit())
            && characters.peek().is_some_and(char::is_ascii_digit);
        unbroken.push(if character == ' ' && within {
            '\u{a0}'
        } else {
            character
        });
        before = Some(character);
    }
    unbroken
}
