//! Conditions and actions as tokens.

use super::ast::Compare;
use crate::diagnostics::Problem;
use crate::suggest;
use std::ops::Range;

/// What a token is; its text is the span of the source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A name, a number, an address: anything without white space and punctuation.
    Word,
    /// Text in double quotes.
    Quoted,
    LeftParenthesis,
    RightParenthesis,
    LeftBrace,
    RightBrace,
    Comma,
    Bar,
    /// `=`
    Assign,
    /// `<->`
    Between,
    Compare(Compare),
    /// After the last token.
    End,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.:/+-*@%[]#~".contains(c)
}

/// Takes `text` apart; the last token is [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            c if is_word(c) => (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
            '"' => match rest[1..].find('"') {
                Some(end) => (Kind::Quoted, end + 2),
                None => {
                    let message = "this text in quotes has no end";
                    return Err(Problem::new(at..text.len(), message, "expected a closing `\"`"));
                }
            },
            '(' => (Kind::LeftParenthesis, 1),
            ')' => (Kind::RightParenthesis, 1),
            '{' => (Kind::LeftBrace, 1),
            '}' => (Kind::RightBrace, 1),
            ',' => (Kind::Comma, 1),
            '|' if rest.starts_with("||") => return Err(unknown(at, "||", "expected `or`")),
            '|' => (Kind::Bar, 1),
            '&' => {
                return Err(unknown(
                    at,
                    if rest.starts_with("&&") { "&&" } else { "&" },
                    "expected `and`",
                ));
            }
            '<' if rest.starts_with("<->") => (Kind::Between, 3),
            '<' if rest.starts_with("<=") => (Kind::Compare(Compare::LessOrEqual), 2),
            '<' => (Kind::Compare(Compare::Less), 1),
            '>' if rest.starts_with(">=") => (Kind::Compare(Compare::GreaterOrEqual), 2),
            '>' => (Kind::Compare(Compare::Greater), 1),
            '=' if rest.starts_with("==") => (Kind::Compare(Compare::Equal), 2),
            '=' => (Kind::Assign, 1),
            '!' if rest.starts_with("!=") => (Kind::Compare(Compare::NotEqual), 2),
            '!' => return Err(unknown(at, "!", "expected `not`")),
            '\\' if rest.starts_with("\\|") => {
                return Err(unknown(
                    at,
                    "\\|",
                    "expected `|` alone: the source of a table in the documentation has `\\` before it",
                ));
            }
            ';' => return Err(unknown(at, ";", "expected no `;`: nothing has to be ended")),
            other => {
                let help = "expected words, values, parentheses and comparisons";
                return Err(unknown(at, &rest[..other.len_utf8()], help));
            }
        };
        tokens.push(Token {
            kind,
            span: at..at + length,
        });
        at += length;
    }
    tokens.push(Token {
        kind: Kind::End,
        span: text.len()..text.len(),
    });
    Ok(tokens)
}

fn unknown(at: usize, found: &str, help: &str) -> Problem {
    let span = at..at + found.len();
    let problem = Problem::new(span.clone(), format!("unexpected `{}`", suggest::shorten(found)), help);
    match found {
        "&" | "&&" => problem.write_instead(span, " and "),
        "||" => problem.write_instead(span, " or "),
        "!" => problem.write_instead(span, "not "),
        ";" => problem.write_instead(span, " "),
        "\\|" => problem.write_instead(span, "|"),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn values_of_every_kind_are_one_word() {
        for text in [
            "203.0.113.0/24",
            "[2001:db8::1]:443",
            "+0..+64KiB",
            "1000-2000",
            "eth0.100",
            "0x1f",
        ] {
            assert_eq!(kinds(text), [Kind::Word, Kind::End], "{text}");
        }
    }

    #[test]
    fn comparisons_need_no_space_around_them() {
        let compare = Kind::Compare(Compare::GreaterOrEqual);
        assert_eq!(kinds("flow.bytes>=10"), [Kind::Word, compare, Kind::Word, Kind::End]);
        assert_eq!(kinds("a:1<->b:2"), [Kind::Word, Kind::Between, Kind::Word, Kind::End]);
    }

    #[test]
    fn signs_of_other_languages_are_explained() {
        assert_eq!(tokens("a && b").unwrap_err().help, "expected `and`");
        assert_eq!(tokens("a || b").unwrap_err().help, "expected `or`");
        assert_eq!(tokens("!a").unwrap_err().help, "expected `not`");
    }
}
