//! The policy file as TOML: which keys exist, their types, and the position of each value.

mod size;
mod text;

use crate::diagnostics::Reporter;
use crate::expression::vocabulary as words;
use crate::plan::{Attach, DeviceDirection, Tables};
use crate::suggest;
use crate::values::network;
pub(crate) use size::too_many_policies;
pub use size::{FILE_BYTES, POLICIES};
use std::collections::HashSet;
use std::ops::Range;
pub(crate) use text::Text;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const TOP_KEYS: &[&str] = &["tables", "policy"];
const TABLE_KEYS: &[&str] = &["flows", "half_open", "connections", "state", "events"];
const POLICY_KEYS: &[&str] = &["name", "device", "hook", "attach", "when", "do"];
const ATTACH: &[(&str, Attach)] = &[
    ("auto", Attach::Auto),
    ("tc", Attach::Tc),
    ("xdp-native", Attach::XdpNative),
    ("xdp-generic", Attach::XdpGeneric),
];

/// Every key of a policy file.
pub fn keys() -> Vec<&'static str> {
    [TOP_KEYS, TABLE_KEYS, POLICY_KEYS].concat()
}

/// Every word that is a value of `attach`.
pub fn attach_words() -> Vec<&'static str> {
    ATTACH.iter().map(|(word, _)| *word).collect()
}

/// A policy as written; what is missing or wrong was reported and is `None` or empty.
pub(crate) struct RawPolicy {
    /// The position for mistakes of the whole policy.
    pub(crate) span: Range<usize>,
    pub(crate) name: Option<String>,
    pub(crate) devices: Vec<String>,
    pub(crate) directions: Vec<DeviceDirection>,
    pub(crate) attach: Attach,
    pub(crate) when: Option<Text>,
    pub(crate) actions: Vec<Text>,
}

/// A policy file as written.
pub(crate) struct RawFile {
    pub(crate) tables: Tables,
    pub(crate) policies: Vec<RawPolicy>,
}

type Entry<'i> = Spanned<DeValue<'i>>;

/// Reads the structure of a file; every mistake goes to `reporter`.
pub(crate) fn read(text: &str, reporter: &mut Reporter<'_>) -> RawFile {
    let mut file = RawFile {
        tables: Tables::default(),
        policies: Vec::new(),
    };
    if text.len() > FILE_BYTES {
        size::too_many_bytes(text.len(), reporter);
        return file;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // The recovered part of a broken document is not what the user wrote.
        for error in errors {
            let help = "expected TOML (https://toml.io)";
            reporter.report(error.span().unwrap_or(0..0), error.message(), help);
        }
        return file;
    }
    for (key, value) in document.get_ref() {
        match key.get_ref().as_ref() {
            "tables" => file.tables = tables(value, reporter),
            "policy" => match value.get_ref() {
                // The rest is not checked: it would take long and add nothing.
                DeValue::Array(items) if items.len() > POLICIES => {
                    let first = &items[POLICIES];
                    let name = first
                        .get_ref()
                        .as_table()
                        .and_then(|policy| policy.get("name")?.get_ref().as_str());
                    let name = suggest::shorten(name.unwrap_or_default());
                    too_many_policies(&name, items.len(), first.span(), reporter);
                }
                DeValue::Array(items) => {
                    let mut names = HashSet::new();
                    file.policies = items
                        .iter()
                        .filter_map(|item| policy(item, &mut names, reporter))
                        .collect();
                }
                _ => reporter.report(
                    key.span(),
                    "`policy` is not a list of tables",
                    "expected `[[policy]]` before each policy",
                ),
            },
            other => unknown_key(other, key.span(), "a policy file", TOP_KEYS, reporter),
        }
    }
    if reporter.is_empty() && file.policies.is_empty() {
        let help = "expected at least one `[[policy]]`; `emptcp remove` takes all policies away";
        reporter.report(0..0, "the file has no policy", help);
    }
    file
}

fn unknown_key(key: &str, span: Range<usize>, place: &str, known: &[&str], reporter: &mut Reporter<'_>) {
    let message = format!("unknown key `{}` in {place}", suggest::shorten(key));
    reporter.report(span, message, suggest::expected(key, known.iter().copied()));
}

fn wrong_type(value: &Entry<'_>, key: &str, wanted: &str, reporter: &mut Reporter<'_>) {
    let message = format!("`{key}` is of type {}", value.get_ref().type_str());
    reporter.report(value.span(), message, format!("expected {wanted}"));
}

fn tables(value: &Entry<'_>, reporter: &mut Reporter<'_>) -> Tables {
    const LARGEST: u32 = 1 << 24;
    const LARGEST_EVENTS: u32 = 1 << 30;
    const PAGE: u32 = 4096;
    let mut tables = Tables::default();
    let Some(entries) = value.get_ref().as_table() else {
        wrong_type(value, "tables", "a table: `[tables]`", reporter);
        return tables;
    };
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        let (place, largest, unit) = match name {
            "flows" => (&mut tables.flows, LARGEST, "entries"),
            "half_open" => (&mut tables.half_open, LARGEST, "entries"),
            "connections" => (&mut tables.connections, LARGEST, "entries"),
            "state" => (&mut tables.state, LARGEST, "entries"),
            "events" => (&mut tables.events, LARGEST_EVENTS, "bytes"),
            other => {
                unknown_key(other, key.span(), "`[tables]`", TABLE_KEYS, reporter);
                continue;
            }
        };
        let Some(number) = value.get_ref().as_integer() else {
            wrong_type(
                value,
                name,
                &format!("a number of {unit}, such as `{}`", *place),
                reporter,
            );
            continue;
        };
        let number = u32::from_str_radix(number.as_str(), number.radix()).ok();
        match number.filter(|number| (1..=largest).contains(number)) {
            None => {
                let help = format!("expected a number of {unit} from 1 to {largest}");
                reporter.report(value.span(), format!("`{name}` is out of range"), help);
            }
            Some(number) if name == "events" && !(number.is_power_of_two() && number >= PAGE) => {
                let help = format!("expected a power of two, at least {PAGE}");
                reporter.report(value.span(), format!("the event ring cannot have {number} bytes"), help);
            }
            Some(number) => *place = number,
        }
    }
    tables
}

fn policy(item: &Entry<'_>, names: &mut HashSet<String>, reporter: &mut Reporter<'_>) -> Option<RawPolicy> {
    let Some(entries) = item.get_ref().as_table() else {
        wrong_type(item, "policy", "a table: `[[policy]]`", reporter);
        return None;
    };
    let mut policy = RawPolicy {
        span: item.span(),
        name: None,
        devices: Vec::new(),
        directions: Vec::new(),
        attach: Attach::Auto,
        when: None,
        actions: Vec::new(),
    };
    let mut attach_at = None;
    // Keys that were mistyped: they are not reported as missing too.
    let mut meant: Vec<&str> = Vec::new();
    for (key, value) in entries {
        match key.get_ref().as_ref() {
            "name" => policy.name = name(value, names, reporter),
            "device" => policy.devices = devices(value, reporter),
            "hook" => policy.directions = directions(value, reporter),
            "attach" => {
                attach_at = Some(value.span());
                policy.attach = single(value, "attach", reporter)
                    .and_then(|text| word(&text, "attach mode", ATTACH, reporter))
                    .unwrap_or_default();
            }
            "when" => policy.when = single(value, "when", reporter),
            "do" => policy.actions = several(value, "do", "action", reporter),
            other => {
                unknown_key(other, key.span(), "a policy", POLICY_KEYS, reporter);
                meant.extend(suggest::nearest(other, POLICY_KEYS.iter().copied()));
            }
        }
    }
    for (key, example) in [
        ("name", "name = \"cap-cellular\""),
        ("device", "device = \"eth0\""),
        ("hook", "hook = \"ingress\""),
        ("do", "do = ['count']"),
    ] {
        if !entries.contains_key(key) && !meant.contains(&key) {
            reporter.report(
                item.span(),
                format!("this policy has no `{key}`"),
                format!("expected a line such as `{example}`"),
            );
        }
    }
    if let Some(span) = attach_at
        && policy.directions == [DeviceDirection::Egress]
        && policy.attach != Attach::Auto
    {
        let help = "expected no `attach` here: egress is always at tc";
        reporter.report(
            span,
            "`attach` only concerns ingress, and this policy is for egress",
            help,
        );
    }
    Some(policy)
}

fn name(value: &Entry<'_>, names: &mut HashSet<String>, reporter: &mut Reporter<'_>) -> Option<String> {
    const LONGEST: usize = 40;
    let text = single(value, "name", reporter)?;
    let name = text.as_str();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > LONGEST || !name.chars().all(fits) {
        let message = format!("`{}` cannot be the name of a policy", suggest::shorten(name));
        reporter.report(
            value.span(),
            message,
            "expected 1 to 40 of the characters `a-z`, `0-9` and `-`",
        );
        return None;
    }
    if !names.insert(name.to_owned()) {
        let message = format!("another policy before this one is named `{name}` too");
        reporter.report(
            value.span(),
            message,
            "expected a name that no other policy of the file has",
        );
        return None;
    }
    Some(name.to_owned())
}

fn devices(value: &Entry<'_>, reporter: &mut Reporter<'_>) -> Vec<String> {
    let mut devices: Vec<String> = Vec::new();
    let mut known = HashSet::new();
    for text in several(value, "device", "device", reporter) {
        let name = text.as_str();
        if let Err(error) = network::device(name) {
            reporter.report(text.whole(), error.message, error.help);
        } else if !known.insert(name.to_owned()) {
            reporter.report(
                text.whole(),
                format!("the device `{name}` is named twice"),
                "expected each device once",
            );
        } else {
            devices.push(name.to_owned());
        }
    }
    devices
}

fn directions(value: &Entry<'_>, reporter: &mut Reporter<'_>) -> Vec<DeviceDirection> {
    let mut directions = Vec::new();
    for text in several(value, "hook", "hook", reporter) {
        match word(&text, "hook", words::DIRECTIONS, reporter) {
            Some(direction) if directions.contains(&direction) => {
                let message = format!("the hook `{}` is named twice", text.as_str());
                reporter.report(text.whole(), message, "expected each hook once");
            }
            Some(direction) => directions.push(direction),
            None => {}
        }
    }
    directions
}

fn word<T: Copy>(text: &Text, what: &str, known: &[(&'static str, T)], reporter: &mut Reporter<'_>) -> Option<T> {
    let found = known
        .iter()
        .find(|(word, _)| *word == text.as_str())
        .map(|(_, meaning)| *meaning);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let message = format!("`{}` is no {what}", suggest::shorten(text.as_str()));
        reporter.report(text.whole(), message, suggest::expected(text.as_str(), names));
    }
    found
}

fn single(value: &Entry<'_>, key: &str, reporter: &mut Reporter<'_>) -> Option<Text> {
    let DeValue::String(decoded) = value.get_ref() else {
        wrong_type(value, key, "text in quotes", reporter);
        return None;
    };
    Some(Text::new(decoded, value.span(), reporter.text()))
}

/// Text, or a list of texts that is not empty.
fn several(value: &Entry<'_>, key: &str, what: &str, reporter: &mut Reporter<'_>) -> Vec<Text> {
    match value.get_ref() {
        DeValue::String(_) => single(value, key, reporter).into_iter().collect(),
        DeValue::Array(items) if items.is_empty() => {
            reporter.report(
                value.span(),
                format!("`{key}` is an empty list"),
                format!("expected at least one {what}"),
            );
            Vec::new()
        }
        DeValue::Array(items) => items.iter().filter_map(|item| single(item, key, reporter)).collect(),
        _ => {
            wrong_type(
                value,
                key,
                &format!("one {what} in quotes, or a list of them"),
                reporter,
            );
            Vec::new()
        }
    }
}
