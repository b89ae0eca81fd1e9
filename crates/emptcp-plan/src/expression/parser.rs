//! Tokens to syntax tree: recursive descent, bounded in depth, going on after a mistake at the next `and` or `or`.

use super::ast::{Expression, Test};
use super::lexer::{self, Kind, Token};
use super::vocabulary as words;
use crate::diagnostics::Problem;
use crate::fields::Fields;
use crate::suggest;
use std::ops::Range;

/// How deep parentheses and `not` may be nested.
pub const DEEPEST: usize = 200;

/// Reads a condition that may use these fields and the compiler's own.
///
/// # Errors
/// Every mistake that is independent of its neighbours; never an empty list.
pub fn parse(text: &str, fields: &Fields) -> Result<Expression, Vec<Problem>> {
    let tokens = lexer::tokens(text).map_err(|problem| vec![problem])?;
    let mut parser = Parser {
        cursor: Cursor {
            text,
            fields,
            tokens: &tokens,
            at: 0,
            test: 0,
        },
        depth: 0,
        problems: Vec::new(),
    };
    if parser.cursor.peek() == Kind::End {
        let help = "expected a condition; leave the key out to match every MPTCP packet";
        return Err(vec![Problem::new(0..text.len(), "the condition is empty", help)]);
    }
    let expression = parser.disjunction();
    if parser.problems.is_empty() && parser.cursor.peek() != Kind::End {
        parser.problems.push(
            parser
                .cursor
                .surprise("after a complete condition", "expected `and`, `or` or the end"),
        );
    }
    if parser.problems.is_empty() {
        Ok(expression)
    } else {
        Err(parser.problems)
    }
}

struct Parser<'a> {
    cursor: Cursor<'a>,
    depth: usize,
    problems: Vec<Problem>,
}

impl Parser<'_> {
    fn disjunction(&mut self) -> Expression {
        self.joined(words::OR, Self::conjunction, Expression::Or)
    }

    fn conjunction(&mut self) -> Expression {
        self.joined(words::AND, Self::unary, Expression::And)
    }

    fn joined(
        &mut self,
        word: &str,
        operand: fn(&mut Self) -> Expression,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Expression {
        let first = operand(self);
        if !self.cursor.is_word(word) {
            return first;
        }
        let mut parts = vec![first];
        while self.cursor.take_word(word) {
            parts.push(operand(self));
        }
        join(parts)
    }

    fn unary(&mut self) -> Expression {
        if self.depth >= DEEPEST {
            let message = format!("the condition is nested more than {DEEPEST} levels deep");
            return self.failed(self.cursor.problem(message, "expected fewer parentheses and `not`"));
        }
        self.depth += 1;
        let expression = self.unary_inside();
        self.depth -= 1;
        expression
    }

    fn unary_inside(&mut self) -> Expression {
        if self.cursor.take_word(words::NOT) {
            return Expression::Not(Box::new(self.unary()));
        }
        let opened = self.cursor.span();
        if !self.cursor.take(Kind::LeftParenthesis) {
            let start = opened.start;
            return match self.cursor.primary() {
                // `!=` and `not in` are read as the test and its negation.
                Ok((primary, negated)) => {
                    let test = Expression::Test(Test {
                        primary,
                        span: start..self.cursor.previous_end(),
                    });
                    if negated { Expression::Not(Box::new(test)) } else { test }
                }
                Err(problem) => self.failed(problem),
            };
        }
        let inner = self.disjunction();
        if self.cursor.take(Kind::RightParenthesis) {
            return inner;
        }
        let problem = match self.cursor.peek() {
            Kind::End => Problem::new(
                opened,
                "this `(` is never closed",
                "expected `)` before the end of the condition",
            ),
            _ => self
                .cursor
                .surprise("inside parentheses", "expected `and`, `or` or `)`"),
        };
        let inner = self.failed(problem);
        self.cursor.take(Kind::RightParenthesis);
        inner
    }

    /// Records the problem and continues before the next `and`, `or` or `)` of the same level. The returned value is
    /// never used, as there is a problem.
    fn failed(&mut self, problem: Problem) -> Expression {
        self.problems.push(problem);
        let mut open = 0usize;
        loop {
            match self.cursor.peek() {
                Kind::End => break,
                Kind::LeftParenthesis => open += 1,
                Kind::RightParenthesis if open == 0 => break,
                Kind::RightParenthesis => open -= 1,
                _ if open == 0 && (self.cursor.is_word(words::AND) || self.cursor.is_word(words::OR)) => break,
                _ => {}
            }
            self.cursor.advance();
        }
        Expression::And(Vec::new())
    }
}

/// A position among the tokens.
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a str,
    pub(crate) fields: &'a Fields,
    pub(crate) tokens: &'a [Token],
    pub(crate) at: usize,
    /// The first token of the test that is being read.
    pub(crate) test: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn peek(&self) -> Kind {
        self.tokens.get(self.at).map_or(Kind::End, |token| token.kind)
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.tokens
            .get(self.at)
            .map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    /// From the first token of this test to the last that was taken.
    pub(crate) fn test_span(&self) -> Range<usize> {
        let start = self.tokens.get(self.test).map_or(0, |token| token.span.start);
        start..self.previous_end().max(start)
    }

    /// The token after the next one.
    pub(crate) fn after_next(&self) -> Option<(Kind, &'a str)> {
        let token = self.tokens.get(self.at + 1)?;
        Some((token.kind, &self.text[token.span.clone()]))
    }

    /// The text of the next token.
    pub(crate) fn slice(&self) -> &'a str {
        &self.text[self.span()]
    }

    pub(crate) fn advance(&mut self) {
        if self.at < self.tokens.len() {
            self.at += 1;
        }
    }

    /// The end of the last token that was taken.
    pub(crate) fn previous_end(&self) -> usize {
        self.at
            .checked_sub(1)
            .and_then(|at| self.tokens.get(at))
            .map_or(0, |token| token.span.end)
    }

    pub(crate) fn take(&mut self, kind: Kind) -> bool {
        let found = self.peek() == kind;
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.peek() == Kind::Word && self.slice() == word
    }

    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    pub(crate) fn problem(&self, message: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem::new(self.span(), message, help)
    }

    /// The next token is not what was expected.
    pub(crate) fn surprise(&self, place: &str, help: impl Into<String>) -> Problem {
        let help = help.into();
        if self.peek() == Kind::End {
            return self.problem(format!("the text ends {place}"), help);
        }
        let found = self.slice();
        let near = suggest::meant(found, [words::AND, words::OR]).filter(|word| help.contains(&format!("`{word}`")));
        let hint = near.map(|word| format!("; did you mean `{word}`?")).unwrap_or_default();
        let problem = self.problem(
            format!("unexpected `{}` {place}", suggest::shorten(found)),
            help + &hint,
        );
        match near {
            Some(word) => problem.write_instead(self.span(), word),
            None => problem,
        }
    }
}
