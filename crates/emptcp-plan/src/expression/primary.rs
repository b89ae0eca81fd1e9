//! One test: a field of the compiler's own, or a selector by its name.

use super::ast::{CallArgument, Compare, End, PortSide, Primary};
use super::lexer::Kind;
use super::operands::{device, ip_version};
use super::parser::Cursor;
use super::vocabulary as words;
use crate::diagnostics::Problem;
use crate::suggest;
use crate::values::{self, Ports, Prefix, ValueError, packet_types};

pub(super) type Parsed = Result<(Primary, bool), Problem>;

impl Cursor<'_> {
    /// Reads one test; the flag says that its negation was written (`!=`, `not in`).
    pub(crate) fn primary(&mut self) -> Parsed {
        self.test = self.at;
        if self.peek() != Kind::Word {
            return Err(self.surprise(
                "where a condition should be",
                "expected a test, such as `ip.src in 192.0.2.0/24` or `packet is syn`",
            ));
        }
        let (field, span) = (self.slice(), self.span());
        self.advance();
        if self.peek() == Kind::LeftParenthesis && !words::KEYWORDS.contains(&field) {
            return self.call(field).map(affirmed);
        }
        match field {
            words::IP_SRC => self
                .set(field, &Prefix::parse)
                .map(|(set, not)| (Primary::Address(End::Source, set), not)),
            words::IP_DST => self
                .set(field, &Prefix::parse)
                .map(|(set, not)| (Primary::Address(End::Destination, set), not)),
            words::IP_PAIR => self.pair(),
            words::IP_VERSION => self
                .set(field, &ip_version)
                .map(|(set, not)| (Primary::IpVersion(set), not)),
            words::TCP_SRCPORT => self
                .set(field, &Ports::parse)
                .map(|(set, not)| (Primary::Port(PortSide::Source, set), not)),
            words::TCP_DSTPORT => self
                .set(field, &Ports::parse)
                .map(|(set, not)| (Primary::Port(PortSide::Destination, set), not)),
            words::TCP_PORT => self
                .set(field, &Ports::parse)
                .map(|(set, not)| (Primary::Port(PortSide::Either, set), not)),
            words::DEVICE => self.set(field, &device).map(|(set, not)| (Primary::Device(set), not)),
            words::DIRECTION => self.direction().map(affirmed),
            words::SUBFLOW => self.subflow(),
            words::PACKET => self.packet().map(affirmed),
            _ => match self.declared_as(field) {
                Some(declared) => self.declared(declared),
                None => Err(self.unknown(field, span)),
            },
        }
    }

    fn direction(&mut self) -> Result<Primary, Problem> {
        let field = words::DIRECTION;
        if let Kind::Compare(sign @ (Compare::Equal | Compare::NotEqual)) = self.peek() {
            let problem = self.relation(field, &[words::IS]);
            self.advance();
            let value = self.slice().to_owned();
            let fixed = self.is_written(&value, sign == Compare::NotEqual, "");
            return Err(Problem {
                instead: fixed.instead,
                ..problem
            });
        }
        self.expect_word(field, words::IS)?;
        self.not_inside(field, words::IS)?;
        self.named(words::DIRECTIONS).map(Primary::Direction)
    }

    /// `in VALUE`, `in {VALUE, ...}`, `not in ...`, `== VALUE`, `!= VALUE`.
    pub(super) fn set<T>(
        &mut self,
        field: &str,
        read: &impl Fn(&str) -> Result<T, ValueError>,
    ) -> Result<(Vec<T>, bool), Problem> {
        let negated = match self.peek() {
            Kind::Compare(sign @ (Compare::Equal | Compare::NotEqual)) => {
                let negated = sign == Compare::NotEqual;
                let written = self.span();
                self.advance();
                if matches!(self.peek(), Kind::LeftBrace) {
                    let word = if negated { "not in" } else { "in" };
                    let help = "expected one value; a set is written `in {A, B}`";
                    return Err(self.problem("unexpected `{`", help).write_instead(written, word));
                }
                let start = self.span().start;
                let value = self.value(read)?;
                let problem = self.list_without_braces(start, read);
                return match problem {
                    Some(problem) => {
                        let word = if negated { "not in" } else { "in" };
                        let list = problem.instead.as_ref().map_or("", |instead| instead.text.as_str());
                        let text = format!("{word} {list}");
                        let end = self.previous_end();
                        Err(problem.write_instead(written.start..end, text))
                    }
                    None => Ok((vec![value], negated)),
                };
            }
            _ if self.take_word(words::NOT) => true,
            _ => false,
        };
        if !self.take_word(words::IN) {
            return Err(self.relation(field, &["in", "==", "!=", "not in"]));
        }
        let opened = self.span();
        if matches!(self.peek(), Kind::LeftParenthesis) || self.slice().starts_with('[') && read(self.slice()).is_err()
        {
            return Err(self.other_brackets());
        }
        if !self.take(Kind::LeftBrace) {
            let value = self.value(read)?;
            return match self.list_without_braces(opened.start, read) {
                Some(problem) => Err(problem),
                None => Ok((vec![value], negated)),
            };
        }
        let mut values = vec![self.value(read)?];
        while self.take(Kind::Comma) {
            values.push(self.value(read)?);
        }
        if self.take(Kind::RightBrace) {
            return Ok((values, negated));
        }
        Err(match self.peek() {
            Kind::End => Problem::new(opened, "this `{` is never closed", "expected `}` after the last value"),
            // Wireshark's sets may have white space alone.
            Kind::Word => {
                let end = self.tokens.get(self.at - 1).map_or(opened.end, |token| token.span.end);
                self.surprise("in a set", "expected `,` or `}`")
                    .write_instead(end..end, ",")
            }
            _ => self.surprise("in a set", "expected `,` or `}`"),
        })
    }

    fn pair(&mut self) -> Parsed {
        let negated = self.equality(words::IP_PAIR)?;
        let source = self.value(Prefix::parse)?;
        if !self.take(Kind::Comma) {
            return Err(self.surprise(
                "in a pair of addresses",
                "expected `,` and the receiver: `ip.pair == SENDER, RECEIVER`",
            ));
        }
        Ok((Primary::Pair(source, self.value(Prefix::parse)?), negated))
    }

    fn subflow(&mut self) -> Parsed {
        let declared = self.fields.named(words::SUBFLOW, true).cloned();
        if let Some(declared) = declared.filter(|_| self.is_word(words::IS)) {
            return self.declared(declared);
        }
        if !matches!(self.peek(), Kind::Compare(Compare::Equal | Compare::NotEqual)) {
            return Err(self.relation(words::SUBFLOW, &["==", "!=", "is"]));
        }
        let negated = self.equality(words::SUBFLOW)?;
        if let Some(word) = self.word_of(words::SUBFLOW) {
            return Err(self.is_written(&word, negated, "a role is tested by `is`"));
        }
        let start = self.span().start;
        let a = self.value(values::endpoint)?;
        if !self.take(Kind::Between) {
            return Err(self.surprise(
                "in a subflow",
                "expected `<->` and the other end: `subflow == ADDRESS:PORT <-> ADDRESS:PORT`",
            ));
        }
        let b = self.value(values::endpoint)?;
        if a.ip().is_ipv4() != b.ip().is_ipv4() {
            let message = "the ends of the subflow have different IP versions";
            return Err(Problem::new(
                start..self.previous_end(),
                message,
                "expected two IPv4 or two IPv6 addresses",
            ));
        }
        Ok((Primary::Subflow(a, b), negated))
    }

    fn packet(&mut self) -> Result<Primary, Problem> {
        let (word, known, other) = if self.take_word(words::IS) {
            (words::IS, packet_types::KINDS, words::HAS)
        } else if self.take_word(words::HAS) {
            (words::HAS, packet_types::OPTIONS, words::IS)
        } else {
            return Err(self.packet_relation());
        };
        self.not_inside(words::PACKET, word)?;
        let mut bits = 0;
        loop {
            let name = self.slice();
            match known.iter().find(|(known, _)| *known == name) {
                Some((_, bit)) => bits |= bit,
                None if packet_types::bit(name).is_some() => {
                    let message = format!("`packet {word} {name}` mixes up types and options");
                    let problem = self.problem(message, format!("expected `packet {other} {name}`"));
                    let written = self.tokens.get(self.test + 1).map(|token| token.span.clone());
                    // The names before a bar have been checked.
                    return Err(match written.filter(|_| bits == 0) {
                        Some(written) => problem.write_instead(written, other),
                        None => problem,
                    });
                }
                None => {
                    let help = suggest::expected(name, known.iter().map(|(name, _)| *name));
                    let problem = self.unknown_value(help);
                    let meant = packet_types::meant(name).filter(|_| self.peek() == Kind::Word);
                    return Err(match meant {
                        Some(meant) => problem.write_instead(self.span(), meant),
                        None => problem,
                    });
                }
            }
            self.advance();
            if !self.take(Kind::Bar) {
                break;
            }
        }
        Ok(if word == words::IS {
            Primary::PacketIs(bits)
        } else {
            Primary::PacketHas(bits)
        })
    }

    fn call(&mut self, name: &str) -> Result<Primary, Problem> {
        let opened = self.span();
        self.advance();
        let mut arguments: Vec<CallArgument> = Vec::new();
        while self.peek() != Kind::RightParenthesis {
            if !arguments.is_empty() && !self.take(Kind::Comma) {
                return Err(match self.peek() {
                    Kind::End => Problem::new(
                        opened,
                        "this `(` is never closed",
                        "expected `)` after the last argument",
                    ),
                    _ => self.comma_is_missing(self.surprise("between arguments", "expected `,` or `)`")),
                });
            }
            if self.peek() == Kind::End {
                return Err(Problem::new(
                    opened,
                    "this `(` is never closed",
                    "expected `)` after the last argument",
                ));
            }
            arguments.push(self.argument()?);
        }
        self.advance();
        Ok(Primary::Call {
            name: name.to_owned(),
            arguments,
        })
    }

    /// `key=value`; a value may be in quotes, or words joined by `|`. A value alone has an empty name.
    pub(crate) fn argument(&mut self) -> Result<CallArgument, Problem> {
        const HELP: &str = "expected an argument, written `name=value`";
        if !matches!(self.peek(), Kind::Word | Kind::Quoted) {
            return Err(self.surprise("where an argument should be", HELP));
        }
        if let Some(problem) = self.argument_of_elsewhere() {
            return Err(problem);
        }
        let mut name = String::new();
        let name_span = self.span();
        let next = self.tokens.get(self.at + 1).map(|token| token.kind);
        if self.peek() == Kind::Word && next == Some(Kind::Assign) {
            name = self.slice().to_owned();
            self.advance();
            self.advance();
        }
        let mut value_span = self.span();
        if self.take(Kind::Quoted) {
            let value = self.text[value_span.start + 1..value_span.end - 1].to_owned();
            return Ok(CallArgument {
                name,
                value,
                name_span,
                value_span,
            });
        }
        loop {
            if self.peek() != Kind::Word {
                let place = match name.as_str() {
                    "" => "where a value should be".to_owned(),
                    name => format!("where the value of `{name}` should be"),
                };
                return Err(self.surprise(&place, HELP));
            }
            self.advance();
            if !self.take(Kind::Bar) {
                break;
            }
        }
        value_span.end = self.previous_end();
        Ok(CallArgument {
            value: self.text[value_span.clone()].to_owned(),
            name,
            name_span,
            value_span,
        })
    }

    pub(super) fn value<T>(&mut self, read: impl Fn(&str) -> Result<T, ValueError>) -> Result<T, Problem> {
        let text = match self.peek() {
            Kind::Word => self.slice(),
            Kind::Quoted => self.slice().trim_matches('"'),
            Kind::LeftBrace => {
                return Err(self.problem("unexpected `{`", "expected one value; a set is written `in {A, B}`"));
            }
            // The error of an empty value says what kind of value is wanted.
            _ => {
                let help = read("")
                    .err()
                    .map_or_else(|| "expected a value".to_owned(), |error| error.help);
                return Err(self.surprise("where a value should be", help));
            }
        };
        if let Some(problem) = self.split_value(text, &read) {
            return Err(problem);
        }
        match read(text) {
            Ok(value) => {
                self.advance();
                Ok(value)
            }
            Err(error) => {
                let problem = self.problem(error.message, error.help);
                Err(match error.meant {
                    Some(meant) => problem.write_instead(self.span(), meant),
                    None => problem,
                })
            }
        }
    }

    fn named<T: Copy>(&mut self, known: &[(&'static str, T)]) -> Result<T, Problem> {
        let name = self.slice();
        let Some((_, meaning)) = known.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let problem = self.unknown_value(suggest::expected(name, names.clone()));
            return Err(problem.nearest_instead(name, names));
        };
        self.advance();
        Ok(*meaning)
    }

    pub(super) fn comparison(&mut self, field: &str) -> Result<Compare, Problem> {
        let Kind::Compare(compare) = self.peek() else {
            return Err(self.relation(field, &Compare::ALL.map(Compare::symbol)));
        };
        self.advance();
        Ok(compare)
    }

    pub(super) fn equality(&mut self, field: &str) -> Result<bool, Problem> {
        match self.peek() {
            Kind::Compare(Compare::Equal) => self.advance(),
            Kind::Compare(Compare::NotEqual) => {
                self.advance();
                return Ok(true);
            }
            _ => return Err(self.relation(field, &["==", "!="])),
        }
        Ok(false)
    }

    pub(super) fn expect_word(&mut self, field: &str, word: &str) -> Result<(), Problem> {
        if self.take_word(word) {
            Ok(())
        } else {
            Err(self.relation(field, &[word]))
        }
    }

    pub(super) fn unknown_value(&self, help: String) -> Problem {
        match self.peek() {
            Kind::Word => self.problem(format!("unknown word `{}`", suggest::shorten(self.slice())), help),
            _ => self.surprise("where a name should be", help),
        }
    }
}

pub(super) fn affirmed(primary: Primary) -> (Primary, bool) {
    (primary, false)
}
