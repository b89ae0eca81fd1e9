//! Arguments as other languages write them: `(rate=4mbit, mode=police)`, `rate: 4mbit`, `--rate 4mbit`,
//! `rate == 4mbit`.

use super::super::ast::Compare;
use super::super::lexer::Kind;
use super::super::parser::Cursor;
use crate::diagnostics::Problem;

/// The name in `name:`, `--name` or `-name`. A single letter is the short form of an option, and ambiguous.
fn named(word: &str) -> Option<&str> {
    let dashes = word.len() - word.trim_start_matches('-').len();
    let name = word.get(dashes..)?;
    let name = match dashes {
        0 => name.strip_suffix(':')?,
        1 | 2 => name.strip_suffix(':').unwrap_or(name),
        _ => return None,
    };
    let is_name = name.len() > 1 && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    is_name.then_some(name)
}

impl Cursor<'_> {
    /// An argument in the notation of another language, if this is one.
    pub(crate) fn argument_of_elsewhere(&self) -> Option<Problem> {
        let here = self.tokens.get(self.at).filter(|token| token.kind == Kind::Word)?;
        let next = self.tokens.get(self.at + 1)?;
        let word = &self.text[here.span.clone()];
        let (name, upto) = match (named(word), next.kind) {
            (Some(name), Kind::Word | Kind::Quoted) => (name, next.span.start),
            (Some(name), Kind::Assign) => (name, next.span.end),
            (_, Kind::Compare(Compare::Equal)) => (word, next.span.end),
            (None, Kind::Word) if next.span.len() == 1 && &self.text[next.span.clone()] == ":" => (word, next.span.end),
            _ => return None,
        };
        let value = self.tokens.iter().find(|token| token.span.start >= upto)?;
        if !matches!(value.kind, Kind::Word | Kind::Quoted) {
            return None;
        }
        let written = self.text[here.span.start..upto].trim_end();
        let message = format!("unexpected `{written}` where an argument should be");
        let help = format!("expected arguments written `name=value`: `{name}=`");
        let span = here.span.start..here.span.start + written.len();
        Some(Problem::new(span, message, help).write_instead(here.span.start..value.span.start, format!("{name}=")))
    }

    /// Punctuation of arguments in other languages: parentheses or braces around them, commas between them.
    pub(crate) fn separator_of_elsewhere(&self) -> Option<Problem> {
        let closes = match self.peek() {
            Kind::LeftParenthesis => Kind::RightParenthesis,
            Kind::LeftBrace => Kind::RightBrace,
            Kind::Comma => Kind::Comma,
            _ => return None,
        };
        let problem = self.surprise(
            "in an action",
            "expected arguments written `name=value`, with spaces between them",
        );
        let opened = self.span();
        if closes == Kind::Comma {
            return Some(problem.write_instead(opened, " "));
        }
        let inner = self.tokens.get(self.at + 1..)?;
        let end = inner
            .iter()
            .find(|token| matches!(token.kind, Kind::End) || token.kind == closes)?;
        let mut text = String::from(" ");
        let mut done = opened.end;
        for comma in inner
            .iter()
            .filter(|token| token.kind == Kind::Comma && token.span.end <= end.span.start)
        {
            text += self.text[done..comma.span.start].trim();
            text.push(' ');
            done = comma.span.end;
        }
        text += self.text[done..end.span.start].trim();
        text.push(' ');
        Some(problem.write_instead(opened.start..end.span.end, text))
    }

    /// A comma that is missing between two arguments of a call, before this token.
    pub(crate) fn comma_is_missing(&self, problem: Problem) -> Problem {
        match self.peek() {
            Kind::Word | Kind::Quoted => problem.write_instead(self.previous_end()..self.previous_end(), ","),
            _ => problem,
        }
    }

    /// `src prefix=10.0.0.0/8`: a selector by name, its arguments as those of an action. Returns the number of tokens,
    /// and the correction.
    pub(super) fn call_like_an_action(&self) -> Option<(usize, String)> {
        let name = self.word_at(0)?;
        let mut arguments = Vec::new();
        let mut at = 1;
        while !self.ends_at(at) {
            let (key, Kind::Assign) = (self.word_at(at)?, self.token(at + 1)?.0) else {
                return None;
            };
            let (Kind::Word | Kind::Quoted, value) = self.token(at + 2)? else {
                return None;
            };
            arguments.push(format!("{key}={value}"));
            at += 3;
            at += usize::from(matches!(self.token(at), Some((Kind::Comma, _))));
        }
        (!arguments.is_empty()).then(|| (at, format!("{name}({})", arguments.join(", "))))
    }
}
