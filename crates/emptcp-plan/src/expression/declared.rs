//! One test of a field that an element declares, and unknown words.

use super::ast::{Compare, Primary, Wanted};
use super::lexer::Kind;
use super::operands::sequence_range;
use super::parser::Cursor;
use super::primary::Parsed;
use super::vocabulary as words;
use crate::diagnostics::Problem;
use crate::fields::Field;
use crate::manifest::Form;
use crate::suggest;
use crate::values;
use std::ops::Range;
use std::sync::Arc;

impl Cursor<'_> {
    /// The declared field of this name; of two, the one that the next word chooses.
    pub(super) fn declared_as(&self, name: &str) -> Option<Arc<Field>> {
        let chosen = self.fields.named(name, self.is_word(words::IS));
        let field = chosen.or_else(|| self.fields.get(name))?;
        (field.form() != Form::Core).then(|| field.clone())
    }

    /// The next word, if it is one of the words of a field that is written with `is`.
    pub(super) fn word_of(&self, name: &str) -> Option<String> {
        let field = self.fields.named(name, true)?;
        field.words().iter().find(|word| self.is_word(word)).cloned()
    }

    /// A test of this field, whose name was just read; the flag says that its negation was written.
    pub(super) fn declared(&mut self, field: Arc<Field>) -> Parsed {
        let name = field.name();
        let (wanted, negated) = match field.form() {
            Form::Set => self.one_of(&field)?,
            Form::Number => (self.numbers(&field)?, false),
            Form::Compare => {
                let compare = self.comparison(name)?;
                let number = self.value(|text| field.read_number(text))?;
                (Wanted::Compare(compare, number), false)
            }
            Form::Is => (self.word(&field)?, false),
            Form::Flag => (self.flagged(name)?, false),
            Form::Range => self.range(name, field.declaration.relative.is_some())?,
            Form::OneIn => (self.one_in(&field)?, false),
            // A word of the compiler's own is read by the compiler.
            Form::Core => return Err(self.surprise(&format!("after `{name}`"), "expected another test")),
        };
        Ok((Primary::Field(field, wanted), negated))
    }

    fn one_of(&mut self, field: &Field) -> Result<(Wanted, bool), Problem> {
        let (values, negated) = self.set(field.name(), &|text: &str| field.read(text))?;
        Ok(match (negated, &field.declaration.inside) {
            (true, Some(_)) => (Wanted::NoneOf(values), false),
            (negated, _) => (Wanted::OneOf(values), negated),
        })
    }

    /// `< 3`, `== 3`, `in {1, 5-7}` and the like.
    fn numbers(&mut self, field: &Field) -> Result<Wanted, Problem> {
        match self.peek() {
            Kind::Compare(Compare::Equal | Compare::NotEqual) => {}
            Kind::Compare(compare) => {
                self.advance();
                return Ok(Wanted::Compare(compare, self.value(|text| field.read_number(text))?));
            }
            _ if self.is_word(words::IN) || self.is_word(words::NOT) => {}
            _ => {
                let accepted = ["in", "==", "!=", "not in", "<", "<=", ">", ">="];
                return Err(self.relation(field.name(), &accepted));
            }
        }
        let (ranges, none) = self.set(field.name(), &|text: &str| field.read_numbers(text))?;
        Ok(match (ranges.as_slice(), none) {
            ([(low, high)], false) if low == high => Wanted::Compare(Compare::Equal, *low),
            ([(low, high)], true) if low == high => Wanted::Compare(Compare::NotEqual, *low),
            (_, false) => Wanted::Within(ranges),
            (_, true) => Wanted::Outside(ranges),
        })
    }

    /// `is WORD`.
    fn word(&mut self, field: &Field) -> Result<Wanted, Problem> {
        self.expect_word(field.name(), words::IS)?;
        self.not_inside(field.name(), words::IS)?;
        let word = self.slice();
        let Some(position) = field.words().iter().position(|known| known == word) else {
            let known: Vec<&str> = field.words().iter().map(String::as_str).collect();
            let problem = self.unknown_value(suggest::expected(word, known.clone()));
            return Err(problem.nearest_instead(word, known));
        };
        self.advance();
        Ok(Wanted::Word(position))
    }

    /// Alone, or `== yes`, `== no`, `!= yes`, `!= no`.
    fn flagged(&mut self, name: &str) -> Result<Wanted, Problem> {
        self.flag_without_relation(name)?;
        if !matches!(self.peek(), Kind::Compare(_) | Kind::Assign) {
            return Ok(Wanted::Flag(true));
        }
        let negated = self.equality(name)?;
        let set = self.value(values::boolean)? != 0;
        Ok(Wanted::Flag(set != negated))
    }

    fn range(&mut self, name: &str, from_start: bool) -> Result<(Wanted, bool), Problem> {
        let negated = self.take_word(words::NOT);
        if !self.take_word(words::IN) {
            let problem = self.relation(name, &["in", "not in"]);
            return Err(self.as_range(problem, |low, high| match (low, high) {
                (low, Some(high)) => format!("{low}..{high}"),
                (low, None) => format!("{low}.."),
            }));
        }
        let (relative, low, high) = match from_start {
            true => self.value(sequence_range)?,
            false => self.value(|text| values::range(text).map(|(low, high)| (false, low, high)))?,
        };
        Ok((Wanted::Range { relative, low, high }, negated))
    }

    fn one_in(&mut self, field: &Field) -> Result<Wanted, Problem> {
        let name = field.name();
        if !self.take_word("1") || !self.take_word(words::IN) {
            let help = format!("expected `{name} 1 in N`, such as `{name} 1 in 100`");
            return Err(self.surprise(&format!("after `{name}`"), help));
        }
        self.value(|text| field.read_number(text)).map(Wanted::OneIn)
    }

    /// The mistake for a word that begins no test.
    pub(super) fn unknown(&self, word: &str, span: Range<usize>) -> Problem {
        if let Some(meant) = self.meant() {
            return self.said_elsewhere(word, span, meant);
        }
        let message = format!("unknown word `{}`", suggest::shorten(word));
        let names = self.fields.names();
        // For a known group only its members are listed: `flow.size`.
        let group = word.split_once('.').map(|(group, _)| format!("{group}."));
        let members: Vec<&str> = group.map_or_else(Vec::new, |group| {
            names.iter().copied().filter(|name| name.starts_with(&group)).collect()
        });
        if members.is_empty() {
            let known = || names.iter().copied().chain([words::NOT]);
            let help = suggest::expected(word, known().collect::<Vec<_>>()) + ", or a selector as `name(...)`";
            return Problem::new(span, message, help).nearest_instead(word, known());
        }
        let near = member_near(word, &members);
        let list = suggest::expected("", members.iter().copied());
        match near {
            Some(near) => {
                let help = format!("did you mean `{near}`? {list}");
                let problem = Problem::new(span.clone(), message, help);
                match suggest::has_digits_of(word, near) {
                    true => problem.write_instead(span, near),
                    false => problem,
                }
            }
            None => Problem::new(span, message, list),
        }
    }
}

/// What follows the group in the name of a field.
fn member(name: &str) -> &str {
    name.split_once('.').map_or(name, |(_, member)| member)
}

/// The nearest field to `word` in its group: by the part after the dot, or as a whole if at least the first letter
/// after the dot is the same.
fn member_near<'a>(word: &str, members: &[&'a str]) -> Option<&'a str> {
    let own = member(word);
    if let Some(near) = suggest::nearest(own, members.iter().map(|name| member(name))) {
        return members.iter().copied().find(|name| member(name) == near);
    }
    let first = |name: &str| member(name).chars().next();
    suggest::nearest(word, members.iter().copied().filter(|name| first(name) == first(word)))
}
