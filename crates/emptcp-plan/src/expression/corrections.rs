//! Tests that are nearly right: what is wrong with them, and how they are written.

use super::ast::Compare;
use super::habits::{self, Meant};
use super::lexer::Kind;
use super::parser::Cursor;
use super::vocabulary as words;
use crate::diagnostics::Problem;
use crate::suggest;
use crate::values::{self, ValueError, packet_types, quantity};
use std::ops::Range;

impl Cursor<'_> {
    /// `80, 443` or `80 443`, where a set must be in braces: the value at `start` was just read.
    pub(super) fn list_without_braces<T>(
        &mut self,
        start: usize,
        read: &impl Fn(&str) -> Result<T, ValueError>,
    ) -> Option<Problem> {
        let is_value = |cursor: &Self| {
            cursor.peek() == Kind::Word && !words::KEYWORDS.contains(&cursor.slice()) && read(cursor.slice()).is_ok()
        };
        // Without a comma only numbers and addresses are certainly values: a name may be anything.
        let next_is_value =
            |cursor: &Self| is_value(cursor) && cursor.slice().starts_with(|first: char| first.is_ascii_digit());
        if self.peek() != Kind::Comma && !next_is_value(self) {
            return None;
        }
        let problem = self.surprise("after one value", "expected a set of values in braces: `in {A, B}`");
        let mut list = self.text[start..self.previous_end()].to_owned();
        loop {
            let comma = self.take(Kind::Comma);
            if !is_value(self) {
                // Not a list of such values: no correction is known.
                return comma.then_some(problem);
            }
            list = format!("{list}, {}", self.slice());
            self.advance();
            if self.peek() != Kind::Comma && !next_is_value(self) {
                break;
            }
        }
        let end = self.previous_end();
        Some(problem.write_instead(start..end, format!("{{{list}}}")))
    }

    /// `in (80, 443)`, `in [80, 443]`.
    pub(super) fn other_brackets(&self) -> Problem {
        let problem = self.surprise("where a value should be", "expected a set in braces: `in {A, B}`");
        let start = self.span().start;
        let Some(end) = self.text[start..].find([')', ']']).map(|end| start + end) else {
            return problem;
        };
        let inside = self.text[start + 1..end].trim().to_owned();
        problem.write_instead(start..end + 1, format!("{{{inside}}}"))
    }

    /// `join.backup yes`, `join.backup is yes`: a flag stands alone, or is compared by `==` or `!=`.
    pub(super) fn flag_without_relation(&self, field: &str) -> Result<(), Problem> {
        if self.peek() != Kind::Word {
            return Ok(());
        }
        let problem = || self.relation(field, &["==", "!="]);
        if values::boolean(self.slice()).is_ok() {
            let start = self.span().start;
            return Err(problem().write_instead(start..start, "== "));
        }
        match self.is_word(words::IN) || habits::relation(self.slice()).is_some() {
            true => Err(problem()),
            false => Ok(()),
        }
    }

    /// `packet syn`, `packet == syn`, `packet contains dss`.
    pub(super) fn packet_relation(&mut self) -> Problem {
        let problem = self.relation(words::PACKET, &[words::IS, words::HAS]);
        let negated = self.peek() == Kind::Compare(Compare::NotEqual);
        let named = |name: &str| packet_types::bit(name).is_some();
        if self.peek() != Kind::Word || !named(self.slice()) {
            self.advance();
        }
        let name = self.slice().to_owned();
        let Some(bit) = packet_types::bit(&name) else {
            return problem;
        };
        let is = packet_types::KINDS.iter().any(|(_, kind)| *kind == bit);
        let word = if is { words::IS } else { words::HAS };
        let end = self.span().end;
        let not = if negated { "not " } else { "" };
        problem.write_instead(self.test_span().start..end, format!("{not}packet {word} {name}"))
    }

    /// `packet is not syn`: here `not` stands before the test.
    pub(super) fn not_inside(&mut self, field: &str, word: &str) -> Result<(), Problem> {
        if !self.is_word(words::NOT) && !self.is_word("no") {
            return Ok(());
        }
        let help = format!("expected `not` before the test: `not {field} {word} ...`");
        let problem = self.problem(format!("unexpected `{}` after `{field} {word}`", self.slice()), help);
        self.advance();
        let start = self.span().start;
        while self.peek() == Kind::Word {
            self.advance();
            if !self.take(Kind::Bar) {
                break;
            }
        }
        let names = self.text.get(start..self.previous_end()).unwrap_or_default();
        let text = format!("not {field} {word} {names}");
        Err(problem.write_instead(self.test_span(), text))
    }

    /// A test that is written with `is`: `FIELD is VALUE`, the next token being the value.
    pub(super) fn is_written(&mut self, value: &str, negated: bool, help: &str) -> Problem {
        let problem = self.problem(format!("unexpected `{}`", suggest::shorten(value)), help);
        self.advance();
        let span = self.test_span();
        let field = self.text[span.clone()].split_whitespace().next().unwrap_or_default();
        let not = if negated { "not " } else { "" };
        let text = format!("{not}{field} is {value}");
        problem.write_instead(span, text)
    }

    /// A word of another tool.
    pub(super) fn said_elsewhere(&self, field: &str, span: Range<usize>, meant: Meant) -> Problem {
        let message = format!("unknown word `{}`", suggest::shorten(field));
        match meant {
            Meant::Advice(advice, None) => Problem::new(span, message, advice),
            Meant::Advice(advice, Some(out)) => Problem::new(span, message, advice).write_instead(out, ""),
            Meant::Instead(tokens, text) => {
                let last = self.tokens.get(self.test + tokens - 1);
                let all = span.start..last.map_or(span.end, |token| token.span.end);
                Problem::new(
                    span,
                    message,
                    format!("here it is written `{}`", suggest::shorten(&text)),
                )
                .write_instead(all, text)
            }
        }
    }

    /// `tcp.port < 1024`, `dsn >= 5`: as a range, which `write` writes from its ends, both inclusive; the second one
    /// may be missing. The next token is the comparison.
    pub(super) fn as_range(&self, problem: Problem, write: impl Fn(u64, Option<u64>) -> String) -> Problem {
        let Kind::Compare(compare) = self.peek() else {
            return problem;
        };
        let Some(value) = self.after_next().and_then(|(_, text)| quantity::size(text).ok()) else {
            return problem;
        };
        let range = match compare {
            Compare::Less if value > 0 => write(0, Some(value)),
            Compare::LessOrEqual => write(0, Some(value.saturating_add(1))),
            Compare::Greater => write(value.saturating_add(1), None),
            Compare::GreaterOrEqual => write(value, None),
            Compare::Equal => write(value, Some(value.saturating_add(1))),
            Compare::Less | Compare::NotEqual => return problem,
        };
        let end = self
            .tokens
            .get(self.at + 1)
            .map_or(self.span().end, |token| token.span.end);
        problem.write_instead(self.span().start..end, format!("in {range}"))
    }

    /// `1 MB`, `80 - 90`, `100 ms`: one value in several words.
    pub(super) fn split_value<T>(&self, text: &str, read: &impl Fn(&str) -> Result<T, ValueError>) -> Option<Problem> {
        let mut joined = text.to_owned();
        let mut found = None;
        for token in self.tokens.get(self.at + 1..)?.iter().take(2) {
            let word = &self.text[token.span.clone()];
            let joins = word.starts_with(|c: char| c.is_ascii_alphabetic() || "-./".contains(c))
                || joined.ends_with(['-', '.', '/']);
            if token.kind != Kind::Word || !joins || words::KEYWORDS.contains(&word) {
                break;
            }
            joined.push_str(word);
            let meant = match read(&joined) {
                Ok(_) => Some(joined.clone()),
                Err(error) => error.meant.filter(|meant| read(meant).is_ok()),
            };
            if let Some(meant) = meant {
                found = Some((meant, token.span.end));
            }
        }
        let (meant, end) = found?;
        let span = self.span().start..end;
        let written = suggest::shorten(&self.text[span.clone()]);
        let help = format!("expected one value without spaces: `{}`", suggest::shorten(&meant));
        Some(Problem::new(span.clone(), format!("`{written}` is not one value"), help).write_instead(span, meant))
    }

    pub(super) fn relation(&self, field: &str, accepted: &[&str]) -> Problem {
        let mut help = format!("expected {} after `{field}`", suggest::one_of(accepted.iter().copied()));
        let is_port = self.fields.has_ports(field);
        match self.peek() {
            Kind::Assign if accepted.contains(&"==") => help.push_str("; did you mean `==`?"),
            Kind::Compare(_) if is_port => help.push_str("; a range of ports is written `in LOW-HIGH`"),
            _ => {}
        }
        let problem = self.surprise(&format!("after `{field}`"), help);
        let span = self.span();
        let takes = |sign: &str| accepted.contains(&sign);
        match self.peek() {
            Kind::Assign if takes("==") => problem.write_instead(span, "=="),
            Kind::Compare(_) if is_port => self.as_range(problem, |low, high| {
                let last = high.map_or(u64::from(u16::MAX), |high| high - 1);
                format!("{low}-{last}")
            }),
            Kind::Word if self.is_word(words::IN) && takes("==") && !takes("in") => problem.write_instead(span, "=="),
            Kind::Word => match habits::relation(self.slice()).filter(|sign| takes(sign)) {
                Some("==") if self.after_next().is_some_and(|(_, word)| word == words::NOT) && takes("!=") => {
                    let end = self.tokens.get(self.at + 1).map_or(span.end, |token| token.span.end);
                    problem.write_instead(span.start..end, "!=")
                }
                Some(sign) => problem.write_instead(span, sign),
                // `ip.src 10.0.0.1`, `direction ingress`: a value without a comparison.
                None => match accepted {
                    ["in", "==", ..] => problem.write_instead(span.start..span.start, "== "),
                    ["is"] => problem.write_instead(span.start..span.start, "is "),
                    _ => problem,
                },
            },
            _ => problem,
        }
    }
}
