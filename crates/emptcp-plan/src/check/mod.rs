//! Reads an `element.toml` and checks it. `fields`: the words of conditions that it declares.

mod fields;

use crate::diagnostics::{Diagnostics, Reporter};
use crate::expression::vocabulary::KEYWORDS;
use crate::manifest::{Argument, ArgumentType, Manifest};
use crate::{suggest, values};
use std::collections::HashSet;
use std::ops::Range;
use toml::de::DeTable;

impl Manifest {
    /// Most counters that an element may have.
    pub const COUNTERS: usize = emptcp_abi::ELEMENT_COUNTERS as usize;

    /// Names of its counters, in order.
    pub fn counter_names(&self) -> impl Iterator<Item = &str> {
        self.counters.iter().map(|counter| counter.name.as_str())
    }

    /// Reads an `element.toml`.
    ///
    /// # Errors
    /// When it is not TOML; when it has unknown or missing keys, names that are no C identifiers or occur twice, a
    /// default that does not fit its type, a choice without words, no hook or too many counters.
    pub fn parse(file: &str, text: &str) -> Result<Self, Diagnostics> {
        let mut reporter = Reporter::new(file, text);
        match toml::from_str::<Self>(text) {
            Ok(manifest) => {
                check(&manifest, &Places::of(text), &mut reporter);
                reporter.finish().map(|()| manifest)
            }
            Err(error) => {
                let help = "expected an element manifest: `name`, `kind`, `summary`, `hooks`, and optionally `[[argument]]`, `[[field]]`, `counters`, `needs`, `[class]`";
                reporter.report(error.span().unwrap_or(0..0), error.message(), help);
                Err(reporter.finish().expect_err("a mistake was reported"))
            }
        }
    }
}

/// Positions of the values of a manifest.
struct Places<'i>(Option<toml::Spanned<DeTable<'i>>>);

impl<'i> Places<'i> {
    fn of(text: &'i str) -> Self {
        Self(DeTable::parse(text).ok())
    }

    fn key(&self, key: &str) -> Range<usize> {
        self.0
            .as_ref()
            .and_then(|table| table.get_ref().get(key))
            .map_or(0..0, toml::Spanned::span)
    }

    fn argument(&self, position: usize, key: &str) -> Range<usize> {
        self.of_table("argument", position, key)
    }

    /// A key of one of the tables with this name, or the table where it is missing.
    fn of_table(&self, name: &str, position: usize, key: &str) -> Range<usize> {
        let tables = self.0.as_ref().and_then(|table| table.get_ref().get(name));
        let table = tables.and_then(|tables| tables.get_ref().get(position));
        let value = table.and_then(|table| table.get_ref().get(key)).or(table);
        value.map_or(0..0, toml::Spanned::span)
    }
}

/// Whether `name` can be an element, an argument or a counter: a C identifier of lower-case letters.
fn is_name(name: &str) -> bool {
    const LONGEST: usize = 32;
    name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

const NAME_HELP: &str = "expected at most 32 of the characters `a-z`, `0-9` and `_`, beginning with a letter";

fn check(manifest: &Manifest, places: &Places<'_>, reporter: &mut Reporter<'_>) {
    let name = &manifest.name;
    if !is_name(name) {
        let message = format!("`{}` cannot be the name of an element", suggest::shorten(name));
        reporter.report(places.key("name"), message, NAME_HELP);
    } else if KEYWORDS.contains(&name.as_str()) {
        let message = format!("`{name}` is a word of the policy language");
        reporter.report(places.key("name"), message, "expected another name");
    }
    if manifest.summary.trim().is_empty() || manifest.summary.contains('\n') {
        reporter.report(
            places.key("summary"),
            "the summary is not one line",
            "expected one line of text",
        );
    }
    if manifest.hooks.is_empty() {
        let help = "expected at least one of `xdp`, `tc_ingress` and `tc_egress`";
        reporter.report(places.key("hooks"), "the element has no hook to run at", help);
    }
    if manifest.hooks.iter().collect::<HashSet<_>>().len() != manifest.hooks.len() {
        reporter.report(places.key("hooks"), "a hook is named twice", "expected each hook once");
    }
    let needed_before = |position: usize| manifest.needs[..position].contains(&manifest.needs[position]);
    if (0..manifest.needs.len()).any(needed_before) {
        reporter.report(places.key("needs"), "a need is named twice", "expected each need once");
    }
    let mut known = HashSet::new();
    for (position, argument) in manifest.arguments.iter().enumerate() {
        let span = places.argument(position, "name");
        if !is_name(&argument.name) {
            let message = format!(
                "`{}` cannot be the name of an argument",
                suggest::shorten(&argument.name)
            );
            reporter.report(span, message, NAME_HELP);
        } else if !known.insert(argument.name.as_str()) {
            let message = format!("another argument is named `{}` too", argument.name);
            reporter.report(span, message, "expected each argument once");
        }
        check_bounds(manifest, argument, position, places, reporter);
        check_values(argument, position, places, reporter);
    }
    for name in &manifest.any_of {
        let argument = manifest.arguments.iter().find(|argument| argument.name == *name);
        if argument.is_none_or(|argument| argument.default.is_none()) {
            let message = format!("`{}` in `any_of` is no argument with a default", suggest::shorten(name));
            reporter.report(
                places.key("any_of"),
                message,
                "expected arguments of the element that have a `default`",
            );
        }
    }
    for (position, (key, message, help)) in manifest.field_mistakes() {
        reporter.report(places.of_table("field", position, key), message, help);
    }
    for (key, message, help) in manifest.class_mistakes() {
        reporter.report(places.key(key), message, help);
    }
    if manifest.counters.len() > Manifest::COUNTERS {
        let message = format!("the element has {} counters", manifest.counters.len());
        reporter.report(
            places.key("counters"),
            message,
            format!("expected at most {}", Manifest::COUNTERS),
        );
    }
    let mut known = HashSet::new();
    for counter in manifest.counter_names() {
        if !is_name(counter) {
            let message = format!("`{}` cannot be the name of a counter", suggest::shorten(counter));
            reporter.report(places.key("counters"), message, NAME_HELP);
        } else if !known.insert(counter) {
            reporter.report(
                places.key("counters"),
                format!("the counter `{counter}` is named twice"),
                "expected each once",
            );
        }
    }
}

/// Bounds, and hooks of words, are only allowed for some types.
fn check_bounds(
    manifest: &Manifest,
    argument: &Argument,
    position: usize,
    places: &Places<'_>,
    reporter: &mut Reporter<'_>,
) {
    let is_number = matches!(
        argument.ty,
        ArgumentType::Integer | ArgumentType::Rate | ArgumentType::Size | ArgumentType::Duration | ArgumentType::Range
    );
    for (key, bound) in [("min", argument.min), ("max", argument.max)] {
        if bound.is_some() && !is_number {
            let message = format!("`{}` has `{key}` but is no number", argument.name);
            let help = "expected `min` and `max` only with `integer`, `rate`, `size`, `duration` or `range`";
            reporter.report(places.argument(position, key), message, help);
        }
    }
    if let (Some(low), Some(high)) = (argument.min, argument.max)
        && low > high
    {
        let message = format!("no number lies between the bounds of `{}`", argument.name);
        reporter.report(places.argument(position, "min"), message, "expected `min` below `max`");
    }
    for (word, hooks) in &argument.only_at {
        let span = places.argument(position, "only_at");
        if !argument.values.contains(word) {
            let message = format!("`{}` has no word `{}`", argument.name, suggest::shorten(word));
            reporter.report(
                span,
                message,
                suggest::expected(word, argument.values.iter().map(String::as_str)),
            );
        } else if hooks.is_empty() || hooks.iter().any(|hook| !manifest.hooks.contains(hook)) {
            let message = format!(
                "`{word}` of `{}` is for hooks that the element does not have",
                argument.name
            );
            reporter.report(span, message, "expected some of the element's own `hooks`");
        }
    }
}

fn check_values(argument: &Argument, position: usize, places: &Places<'_>, reporter: &mut Reporter<'_>) {
    let span = places.argument(position, "values");
    let is_choice = argument.ty == ArgumentType::Choice;
    if is_choice && argument.values.is_empty() {
        let message = format!("the choice `{}` has no words", argument.name);
        reporter.report(
            span,
            message,
            "expected `values = [...]` in the order of the C enumeration",
        );
    } else if !is_choice && !argument.values.is_empty() {
        let message = format!("`{}` has `values` but is no choice", argument.name);
        reporter.report(span, message, "expected `type = \"choice\"`, or no `values`");
    } else if argument.values.iter().collect::<HashSet<_>>().len() != argument.values.len() {
        reporter.report(
            span,
            format!("a word of `{}` occurs twice", argument.name),
            "expected each word once",
        );
    } else if let Some(word) = argument.values.iter().find(|word| !is_name(word)) {
        reporter.report(
            span,
            format!("`{}` cannot be a word of a choice", suggest::shorten(word)),
            NAME_HELP,
        );
    } else if let Some(default) = &argument.default
        && let Err(error) = values::parse(argument, default)
    {
        let message = format!(
            "the default of `{}` does not fit its type: {}",
            argument.name, error.message
        );
        reporter.report(places.argument(position, "default"), message, error.help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Unit;

    const GOOD: &str = r#"
name = "rate_limit"
kind = "actor"
summary = "Holds a subflow at a rate."
hooks = ["xdp", "tc_ingress"]
counters = ["dropped"]

[[argument]]
name = "mode"
type = "choice"
values = ["auto", "police"]
default = "auto"
help = "How."
"#;

    fn refused(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        Manifest::parse("element.toml", &GOOD.replace(from, to))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_good_manifest_is_read() {
        let manifest = Manifest::parse("element.toml", GOOD).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.arguments.len()), ("rate_limit", 1));
        assert_eq!(manifest.counters[0].unit, Unit::Segments);
        let changed = GOOD.replace(
            "[\"dropped\"]",
            "[\"a\", { name = \"b\", unit = \"events\" }, { name = \"c\" }]",
        );
        let manifest = Manifest::parse("element.toml", &changed).unwrap();
        let units: Vec<Unit> = manifest.counters.iter().map(|counter| counter.unit).collect();
        assert_eq!(units, [Unit::Segments, Unit::Events, Unit::Segments]);
        assert_eq!(manifest.counter_names().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn mistakes_in_a_manifest_are_found_where_they_stand() {
        for (from, to, wanted) in [
            (
                "\"rate_limit\"",
                "\"Rate\"",
                "element.toml:2:8: `Rate` cannot be the name of an element",
            ),
            (
                "\"rate_limit\"",
                "\"not\"",
                "element.toml:2:8: `not` is a word of the policy language",
            ),
            (
                "\"xdp\", \"tc_ingress\"",
                "",
                "element.toml:5:9: the element has no hook",
            ),
            (
                "\"xdp\", \"tc_ingress\"",
                "\"xdp\", \"xdp\"",
                "element.toml:5:9: a hook is named twice",
            ),
            (
                "counters = [\"dropped\"]",
                "needs = [\"connection\", \"connection\"]",
                "element.toml:6:9: a need is named twice",
            ),
            (
                "\"xdp\", \"tc_ingress\"",
                "\"xpd\"",
                "element.toml:5:10: unknown variant `xpd`",
            ),
            (
                "default = \"auto\"",
                "default = \"none\"",
                "element.toml:12:11: the default of `mode` does not fit",
            ),
            (
                "values = [\"auto\", \"police\"]\n",
                "",
                "the choice `mode` has no words",
            ),
            ("\"choice\"", "\"rate\"", "`mode` has `values` but is no choice"),
            (
                "[\"dropped\"]",
                "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\"]",
                "element.toml:6:12: the element has 9 counters",
            ),
            ("[\"dropped\"]", "[\"a\", \"a\"]", "the counter `a` is named twice"),
            ("counters", "counter", "unknown field `counter`"),
            (
                "counters = [\"dropped\"]",
                "any_of = [\"mode\", \"rate\"]",
                "element.toml:6:10: `rate` in `any_of` is no argument with a default",
            ),
            (
                "[\"dropped\"]",
                "[{ name = \"emitted\", unit = \"event\" }]",
                "element.toml:6:40: unknown variant `event`, expected one of `segments`, `packets`, `events`",
            ),
            (
                "[\"dropped\"]",
                "[{ name = \"emitted\", units = \"events\" }]",
                "unknown field `units`",
            ),
            (
                "[\"dropped\"]",
                "[7]",
                "expected the name of a counter, or `{ name = \"...\", unit = \"events\" }`",
            ),
            (
                "[\"dropped\"]",
                "[\"a\", { name = \"a\", unit = \"events\" }]",
                "the counter `a` is named twice",
            ),
            ("kind = \"actor\"\n", "", "missing field `kind`"),
            (
                "name = \"mode\"",
                "name = \"the mode\"",
                "`the mode` cannot be the name of an argument",
            ),
        ] {
            let shown = refused(from, to);
            assert!(shown.contains(wanted), "{to}: {shown}");
        }
    }

    #[test]
    fn mistakes_in_bounds_and_in_hooks_of_words_are_found_where_they_stand() {
        let number = "type = \"integer\"\nhelp = \"How.\"\n";
        let choice = "type = \"choice\"\nvalues = [\"auto\", \"police\"]\ndefault = \"auto\"\nhelp = \"How.\"\n";
        for (to, wanted) in [
            (
                "type = \"boolean\"\nhelp = \"h\"\nmax = 1\n".to_owned(),
                "element.toml:12:7: `mode` has `max` but is no number",
            ),
            (
                "type = \"ports\"\nhelp = \"h\"\nmin = 1\n".to_owned(),
                "element.toml:12:7: `mode` has `min` but is no number",
            ),
            (
                format!("{number}min = 7\nmax = 6\n"),
                "element.toml:12:7: no number lies between the bounds of `mode`",
            ),
            (
                format!("{number}min = 7\ndefault = \"6\"\n"),
                "element.toml:13:11: the default of `mode` does not fit its type: `6` is out of range",
            ),
            (
                format!("{number}max = 7\ndefault = \"8\"\n"),
                "element.toml:13:11: the default of `mode` does not fit its type: `8` is out of range",
            ),
            (
                format!("{number}max = -1\n"),
                "element.toml:12:7: invalid value: integer `-1`",
            ),
            (
                format!("{number}max = \"9\"\n"),
                "element.toml:12:7: invalid type: string",
            ),
            (
                format!("{choice}only_at = {{ polise = [\"xdp\"] }}\n"),
                "element.toml:14:11: `mode` has no word `polise`",
            ),
            (
                format!("{choice}only_at = {{ police = [\"tc_egress\"] }}\n"),
                "element.toml:14:11: `police` of `mode` is for hooks that the element does not have",
            ),
            (
                format!("{choice}only_at = {{ police = [] }}\n"),
                "element.toml:14:11: `police` of `mode` is for hooks that the element does not have",
            ),
            (
                format!("{choice}only_at = {{ police = [\"egress\"] }}\n"),
                "unknown variant `egress`",
            ),
            (
                format!("{number}only_at = {{ seven = [\"xdp\"] }}\n"),
                "element.toml:12:11: `mode` has no word `seven`",
            ),
        ] {
            let shown = refused(choice_of_the_good_one(), &to);
            assert!(shown.contains(wanted), "{to}: {shown}");
        }
    }

    /// What stands after the name of the argument in `GOOD`.
    fn choice_of_the_good_one() -> &'static str {
        GOOD.split_once("name = \"mode\"\n").unwrap().1
    }
}
