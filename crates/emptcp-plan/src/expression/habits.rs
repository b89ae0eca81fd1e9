//! Words of Wireshark, tcpdump, nftables and `ss`, and what they are called here.
//!
//! `arguments` is about how other languages write arguments. A new word for a field of the compiler needs only a row in
//! [`FIELDS`]; words for the field of an element are its `aliases`. A correction is only shown if the corrected
//! condition is right, and a test corrects every word of the tables.

mod arguments;
mod fields;

use super::lexer::Kind;
use super::parser::Cursor;
use super::vocabulary as words;
use crate::fields::Fields;
use crate::values::packet_types;
pub(crate) use fields::Ours;
use fields::{
    FIELDS, LEAVE_OUT, LENGTH,
    Ours::{Either, Nothing, Test, Word},
    RELATIONS, SUBTYPES,
};
use std::ops::Range;

/// What a word of another tool is here.
pub(crate) fn field(word: &str) -> Option<Ours> {
    let lower = word.to_lowercase();
    FIELDS
        .iter()
        .find(|(theirs, _)| theirs.contains(&lower.as_str()))
        .map(|(_, ours)| *ours)
}

/// A comparison in words as a sign.
pub(crate) fn relation(word: &str) -> Option<&'static str> {
    let lower = word.to_lowercase();
    RELATIONS
        .iter()
        .find(|(theirs, _)| *theirs == lower)
        .map(|(_, ours)| *ours)
}

/// A test that was written as one word, such as `syn`, `mp_join` or `backup`.
fn bare(word: &str, fields: &Fields) -> Option<String> {
    let lower = word.to_lowercase();
    let is_in = |known: &[(&str, u32)]| known.iter().any(|(name, _)| *name == lower);
    let direction = words::DIRECTIONS.iter().any(|(name, _)| *name == lower);
    Some(match () {
        () if is_in(packet_types::KINDS) => format!("packet is {lower}"),
        () if is_in(packet_types::OPTIONS) => format!("packet has {lower}"),
        () if direction => format!("direction is {lower}"),
        () => format!("{} is {lower}", fields.with_word(&lower)?.name()),
    })
}

/// The correction of a test that begins with a foreign word.
#[derive(Debug)]
pub(crate) enum Meant {
    /// Write this in place of the first n tokens of the test.
    Instead(usize, String),
    /// There is no such test; what to do, and the bytes to leave out where that is all.
    Advice(&'static str, Option<Range<usize>>),
}

impl Cursor<'_> {
    /// The token that is `ahead` tokens from the first of this test.
    fn token(&self, ahead: usize) -> Option<(Kind, &str)> {
        let token = self.tokens.get(self.test + ahead)?;
        Some((token.kind, &self.text[token.span.clone()]))
    }

    fn word_at(&self, ahead: usize) -> Option<&str> {
        self.token(ahead)
            .filter(|(kind, _)| *kind == Kind::Word)
            .map(|(_, text)| text)
    }

    /// Whether a test may end before this token.
    fn ends_at(&self, ahead: usize) -> bool {
        match self.token(ahead) {
            Some((Kind::Word, word)) => matches!(word, words::AND | words::OR),
            Some((Kind::End | Kind::RightParenthesis, _)) | None => true,
            _ => false,
        }
    }

    /// The correction of this test, whose first word is foreign.
    pub(crate) fn meant(&self) -> Option<Meant> {
        let first = self.word_at(0)?;
        if let Some((tokens, text)) = self.call_like_an_action().or_else(|| self.tcpdump()) {
            return Some(Meant::Instead(tokens, text));
        }
        if first == "tcp.options.mptcp.subtype" {
            let number = self.word_at(2)?.trim_start_matches("0x").parse::<usize>().ok()?;
            let not = match self.token(1)?.1 {
                "==" | "eq" => false,
                "!=" | "ne" => true,
                _ => return None,
            };
            let option = format!("packet has {}", SUBTYPES.get(number)?);
            return Some(Meant::Instead(3, if not { format!("not {option}") } else { option }));
        }
        if let Some(test) = bare(first, self.fields).filter(|_| self.ends_at(1)) {
            return Some(Meant::Instead(1, test));
        }
        let Some(ours) = field(first) else {
            return Some(Meant::Instead(1, self.fields.alias(first)?.to_owned()));
        };
        match ours {
            Word(word) => Some(Meant::Instead(1, word.to_owned())),
            Either(a, b) => self.either(a, b),
            Test(test) => self.flag(test),
            Nothing(advice) if advice == LENGTH => Some(self.length().unwrap_or(Meant::Advice(advice, None))),
            Nothing(advice) if advice == LEAVE_OUT => Some(Meant::Advice(advice, self.to_leave_out())),
            Nothing(advice) => Some(Meant::Advice(advice, None)),
        }
    }

    /// The word and its `and`; nothing if it stands alone, is negated or is an alternative.
    fn to_leave_out(&self) -> Option<Range<usize>> {
        let word = self.tokens.get(self.test)?.span.clone();
        let before = self.test.checked_sub(1).and_then(|at| self.tokens.get(at));
        let is = |span: Option<Range<usize>>, word: &str| span.is_some_and(|span| &self.text[span] == word);
        if !self.ends_at(1) || is(before.map(|token| token.span.clone()), words::NOT) {
            return None;
        }
        if self.word_at(1) == Some(words::AND) {
            return Some(word.start..self.tokens.get(self.test + 2)?.span.start);
        }
        let joined = is(before.map(|token| token.span.clone()), words::AND);
        let last = self.tokens.get(self.test.checked_sub(2)?)?;
        joined.then_some(last.span.end..word.end)
    }

    /// `ip.addr == A`: the sender or the receiver.
    fn either(&self, a: &str, b: &str) -> Option<Meant> {
        let end = (1..self.tokens.len()).find(|ahead| self.ends_at(*ahead))?;
        let from = self.tokens.get(self.test + 1)?.span.start;
        let to = self.tokens.get(self.test + end - 1)?.span.end;
        let rest = self.text.get(from..to)?;
        // Two negations are joined by `and`: neither of them.
        let not = rest.starts_with("!=") || rest.starts_with("ne ") || rest.starts_with("not ");
        let join = if not { words::AND } else { words::OR };
        Some(Meant::Instead(end, format!("({a} {rest} {join} {b} {rest})")))
    }

    /// `tcp.flags.syn == 1`, or without a comparison.
    fn flag(&self, test: &str) -> Option<Meant> {
        let not = format!("not {test}");
        if self.ends_at(1) {
            return Some(Meant::Instead(1, test.to_owned()));
        }
        let set = match self.word_at(2)?.to_lowercase().as_str() {
            "1" | "true" | "set" | "yes" => true,
            "0" | "false" | "unset" | "no" => false,
            _ => return None,
        };
        let equal = match self.token(1)?.1 {
            "==" | "=" | "eq" => true,
            "!=" | "ne" => false,
            _ => return None,
        };
        Some(Meant::Instead(3, if set == equal { test.to_owned() } else { not }))
    }

    /// `tcp.len > 0`: a segment with payload.
    fn length(&self) -> Option<Meant> {
        let (field, relation, value) = (self.word_at(0)?, self.token(1)?.1, self.word_at(2)?);
        let data = match (field, relation, value) {
            ("tcp.len", ">" | "gt" | "!=" | "ne", "0") | ("tcp.len", ">=" | "ge", "1") => "packet is data",
            ("tcp.len", "==" | "eq", "0") | ("tcp.len", "<" | "lt", "1") => "not packet is data",
            _ => return None,
        };
        Some(Meant::Instead(3, data.to_owned()))
    }

    /// `src host A`, `tcp dst port N`, `net A/B`, `portrange N-M` (tcpdump); `ip saddr A`, `tcp dport N` (nftables).
    fn tcpdump(&self) -> Option<(usize, String)> {
        let mut at = 0;
        let protocol = self
            .word_at(at)
            .filter(|word| matches!(*word, "tcp" | "ip" | "ip6" | "ipv6" | "inet"));
        at += usize::from(protocol.is_some());
        let direction = self.word_at(at).filter(|word| matches!(*word, "src" | "dst"));
        at += usize::from(direction.is_some());
        if protocol.is_some_and(|word| matches!(word, "ip" | "ip6" | "ipv6")) && self.ends_at(1) {
            let version = if protocol == Some("ip") { 4 } else { 6 };
            return Some((1, format!("{} == {version}", words::IP_VERSION)));
        }
        let kind = self.word_at(at).filter(|word| {
            matches!(
                *word,
                "host" | "net" | "port" | "portrange" | "saddr" | "daddr" | "sport" | "dport"
            )
        });
        at += usize::from(kind.is_some());
        if protocol.is_none() && direction.is_none() && kind.is_none() {
            return None;
        }
        let value = self
            .word_at(at)
            .filter(|word| !matches!(*word, words::AND | words::OR | words::NOT | words::IN))?;
        let is = if value.contains('/') || kind == Some("portrange") || value.contains('-') {
            words::IN
        } else {
            "=="
        };
        let text = match (kind, direction) {
            (None | Some("host" | "net"), Some("src")) | (Some("saddr"), None) => {
                format!("{} {is} {value}", words::IP_SRC)
            }
            (None | Some("host" | "net"), Some("dst")) | (Some("daddr"), None) => {
                format!("{} {is} {value}", words::IP_DST)
            }
            (Some("host" | "net"), None) => {
                format!("({} {is} {value} or {} {is} {value})", words::IP_SRC, words::IP_DST)
            }
            (Some("port" | "portrange"), Some("src")) | (Some("sport"), None) => {
                format!("{} {is} {value}", words::TCP_SRCPORT)
            }
            (Some("port" | "portrange"), Some("dst")) | (Some("dport"), None) => {
                format!("{} {is} {value}", words::TCP_DSTPORT)
            }
            (Some("port" | "portrange"), None) => format!("{} {is} {value}", words::TCP_PORT),
            _ => return None,
        };
        Some((at + 1, text))
    }
}

/// Every word of [`FIELDS`], for tests.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = (&'static str, Ours)> {
    FIELDS
        .iter()
        .flat_map(|(theirs, ours)| theirs.iter().map(|word| (*word, *ours)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_word_of_another_tool_is_one_of_ours_or_stands_twice() {
        let is_core = |word: &str| crate::fields::CORE.iter().any(|(core, _)| *core == word);
        let mut known = HashSet::new();
        for (word, ours) in all() {
            assert!(!is_core(word), "{word} is ours");
            assert!(known.insert(word), "{word} stands twice");
            let targets: &[&str] = match &ours {
                Word(word) => &[word],
                Either(a, b) => &[a, b],
                Test(test) => {
                    assert!(super::super::parse(test, &Fields::default()).is_ok(), "{test}");
                    &[]
                }
                Nothing(_) => &[],
            };
            assert!(targets.iter().all(|target| is_core(target)), "{ours:?}");
        }
    }
}
