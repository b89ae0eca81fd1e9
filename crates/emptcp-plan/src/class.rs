//! What a use of an element with `needs = ["class"]` requests from the queue of its devices.

use crate::manifest::{ArgumentType, ClassWords, Hook, Manifest, Need};
use crate::plan::Value;
use crate::suggest;

/// What one use of an element requests from the queue of its devices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClassRequest<'m> {
    /// Nothing.
    None,
    /// Departure times, if they need no set-up.
    IfFree {
        /// Bits per second.
        rate: u64,
    },
    /// Departure times, or a class.
    Required {
        /// Bits per second.
        rate: u64,
        /// Subflows on several devices share the rate.
        shared: bool,
        /// Arguments that need no class, for messages.
        instead: Option<&'m str>,
    },
}

impl Manifest {
    /// What a use of this element with these arguments requests.
    pub fn class_request(&self, arguments: &[(String, Value)]) -> ClassRequest<'_> {
        let Some(class) = self.class.as_ref().filter(|_| self.needs.contains(&Need::Class)) else {
            return ClassRequest::None;
        };
        let number = |name: &str| {
            arguments.iter().find_map(|(known, value)| match value {
                Value::Integer(number) if known == name => Some(*number),
                _ => None,
            })
        };
        let word = |name: &str| {
            let argument = self.arguments.iter().find(|argument| argument.name == name)?;
            argument.values.get(usize::try_from(number(name)?).ok()?)
        };
        let hold = |words: &ClassWords| {
            words
                .iter()
                .all(|(name, among)| word(name).is_some_and(|word| among.contains(word)))
        };
        let rate = number(&class.rate).unwrap_or_default();
        if class.required.as_ref().map_or(class.if_free.is_none(), hold) {
            return ClassRequest::Required {
                rate,
                shared: class.shared.as_ref().is_some_and(hold),
                instead: class.instead.as_deref(),
            };
        }
        match class.if_free.as_ref().is_some_and(hold) {
            true => ClassRequest::IfFree { rate },
            false => ClassRequest::None,
        }
    }

    /// Checks `[class]` and `needs = ["class"]`. Returns the key, what is wrong with it, and what is expected.
    pub(crate) fn class_mistakes(&self) -> Vec<(&'static str, String, String)> {
        let needed = self.needs.contains(&Need::Class);
        let class = match (&self.class, needed) {
            (None, false) => return Vec::new(),
            (None, true) => {
                let message = "the element needs a class, but does not say which rate it has";
                let help = "expected a table `[class]` with `rate`, the name of an argument";
                return vec![("needs", message.to_owned(), help.to_owned())];
            }
            (Some(_), false) => {
                let message = "`[class]` without `needs = [\"class\"]`";
                let help = "expected both, or neither";
                return vec![("class", message.to_owned(), help.to_owned())];
            }
            (Some(class), true) => class,
        };
        let mut found = Vec::new();
        let mut mistake = |key, message, help: &str| found.push((key, message, help.to_owned()));
        let rate = self.arguments.iter().find(|argument| argument.name == class.rate);
        if rate.is_none_or(|rate| rate.ty != ArgumentType::Rate || rate.default.is_some()) {
            let message = format!("`{}` is no argument with a rate", suggest::shorten(&class.rate));
            mistake(
                "class",
                message,
                "expected an argument of type `rate` without `default`",
            );
        }
        for words in [&class.required, &class.if_free, &class.shared].into_iter().flatten() {
            for (name, among) in words {
                let argument = self.arguments.iter().find(|argument| argument.name == *name);
                let known = argument.map_or(&[][..], |argument| &argument.values);
                if let Some(word) = among.iter().find(|word| !known.contains(word)) {
                    let message = format!("`{}` has no word `{}`", suggest::shorten(name), suggest::shorten(word));
                    mistake(
                        "class",
                        message,
                        "expected an argument of type `choice`, and words of it",
                    );
                }
            }
        }
        let always = class.required.is_none() && class.if_free.is_none();
        if always && self.hooks.iter().any(|hook| *hook != Hook::TcEgress) {
            let message = "the element always needs a class, which there is at tc egress only".to_owned();
            mistake(
                "hooks",
                message,
                "expected `hooks = [\"tc_egress\"]`, or `required` in `[class]`",
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::ClassNeed;

    const GOOD: &str = r#"
name = "lane"
kind = "actor"
summary = "Holds to a rate."
hooks = ["tc_ingress", "tc_egress"]
needs = ["class"]

[class]
rate = "rate"
required = { mode = ["hard"] }
if_free = { mode = ["soft"] }
shared = { per = ["all"] }

[[argument]]
name = "rate"
type = "rate"
help = "h"

[[argument]]
name = "mode"
type = "choice"
help = "h"
values = ["none", "soft", "hard"]

[[argument]]
name = "per"
type = "choice"
help = "h"
values = ["one", "all"]
"#;

    fn lane() -> Manifest {
        Manifest::parse("element.toml", GOOD).unwrap()
    }

    fn arguments(mode: u64, per: u64) -> Vec<(String, Value)> {
        let named = [("rate", 4_000_000), ("mode", mode), ("per", per)];
        named
            .map(|(name, value)| (name.to_owned(), Value::Integer(value)))
            .into()
    }

    #[test]
    fn the_words_of_its_arguments_say_what_a_use_wants() {
        let lane = lane();
        let rate = 4_000_000;
        let required = |shared| ClassRequest::Required {
            rate,
            shared,
            instead: None,
        };
        assert_eq!(lane.class_request(&arguments(0, 1)), ClassRequest::None);
        assert_eq!(lane.class_request(&arguments(1, 1)), ClassRequest::IfFree { rate });
        assert_eq!(lane.class_request(&arguments(2, 0)), required(false));
        assert_eq!(lane.class_request(&arguments(2, 1)), required(true));
        let mut always = lane.clone();
        always.class = Some(ClassNeed {
            required: None,
            if_free: None,
            ..always.class.unwrap()
        });
        assert_eq!(always.class_request(&arguments(0, 0)), required(false));
    }

    #[test]
    fn a_class_without_a_rate_or_with_unknown_words_is_refused() {
        for (from, to, wanted) in [
            (
                "rate = \"rate\"",
                "rate = \"mode\"",
                "8:1: `mode` is no argument with a rate",
            ),
            ("[\"hard\"]", "[\"hart\"]", "`mode` has no word `hart`"),
            ("needs = [\"class\"]", "", "`[class]` without `needs"),
            (
                "required = { mode = [\"hard\"] }\nif_free = { mode = [\"soft\"] }\n",
                "",
                "always needs a class, which there is at tc egress only",
            ),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let found = Manifest::parse("element.toml", &GOOD.replace(from, to)).unwrap_err();
            assert!(found.to_string().contains(wanted), "{found}");
        }
        let without = GOOD.split("[class]").next().unwrap();
        let found = Manifest::parse("element.toml", without).unwrap_err().to_string();
        assert!(found.contains("does not say which rate it has"), "{found}");
    }
}
