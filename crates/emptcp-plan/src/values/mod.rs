//! Values: every [`ArgumentType`], from text to [`Value`] and back.
//!
//! * `quantity`: numbers, rates, sizes, durations.
//! * `network`: prefixes, ports, endpoints, tokens, device names.
//! * `packet_types`: names of packet types and options.

pub(crate) mod network;
pub(crate) mod packet_types;
pub(crate) mod quantity;

use crate::manifest::{Argument, ArgumentType};
use crate::plan::Value;
use crate::suggest;
pub use network::{Ports, Prefix, endpoint, token};
use quantity::{DURATION_UNITS, RATE_UNITS, SIZE_UNITS};

/// The error of a refused value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message} ({help})")]
pub struct ValueError {
    /// What was found.
    pub message: String,
    /// What would be accepted.
    pub help: String,
    /// The intended value, if known.
    pub meant: Option<String>,
}

impl ValueError {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
            meant: None,
        }
    }

    /// Adds the intended value.
    pub(crate) fn meant(mut self, value: impl Into<String>) -> Self {
        self.meant = Some(value.into());
        self
    }

    /// The same, if it is known.
    pub(crate) fn perhaps_meant(mut self, value: Option<String>) -> Self {
        self.meant = self.meant.or(value);
        self
    }
}

/// Reads the value of `argument` as it is written in a policy.
///
/// # Errors
/// When the text does not fit the argument's type; the error says what would.
pub fn parse(argument: &Argument, text: &str) -> Result<Value, ValueError> {
    let value = read(argument, text)?;
    match (within(argument), &value) {
        (Some((low, high)), Value::Integer(number)) if !(low..=high).contains(number) => {
            Err(out_of_range(argument, text))
        }
        // A range may be open above: then its end is the largest number, and every number is below it.
        (Some((low, high)), Value::Pair(from, to))
            if argument.ty == ArgumentType::Range && (*from < low || *to > high && *to != u64::MAX) =>
        {
            Err(out_of_range(argument, text))
        }
        _ => Ok(value),
    }
}

/// The bounds of a number, when the manifest gives any.
fn within(argument: &Argument) -> Option<(u64, u64)> {
    (argument.min.is_some() || argument.max.is_some())
        .then(|| (argument.min.unwrap_or(0), argument.max.unwrap_or(u64::MAX)))
}

fn out_of_range(argument: &Argument, text: &str) -> ValueError {
    ValueError::new(
        format!("`{}` is out of range", suggest::shorten(text)),
        format!("expected {}", describe(argument)),
    )
}

fn read(argument: &Argument, text: &str) -> Result<Value, ValueError> {
    Ok(match argument.ty {
        ArgumentType::Integer => Value::Integer(quantity::integer(text)?),
        ArgumentType::Boolean => Value::Integer(boolean(text)?),
        ArgumentType::Rate => Value::Integer(quantity::rate(text)?),
        ArgumentType::Size => Value::Integer(quantity::size(text)?),
        ArgumentType::Duration => Value::Integer(quantity::duration(text)?),
        ArgumentType::Prefix => {
            let prefix = Prefix::parse(text)?;
            Value::Prefix {
                address: prefix.address,
                length: u32::from(prefix.length),
            }
        }
        ArgumentType::Ports => {
            let ports = Ports::parse(text)?;
            Value::Pair(u64::from(ports.low), u64::from(ports.high))
        }
        ArgumentType::Range => {
            let (low, high) = range(text)?;
            Value::Pair(low, high)
        }
        ArgumentType::PacketTypes => Value::Integer(u64::from(packet_types::parse(text)?)),
        ArgumentType::Device => {
            network::device(text)?;
            Value::Device(text.to_owned())
        }
        ArgumentType::Token => Value::Integer(u64::from(token(text)?.0)),
        ArgumentType::Choice => Value::Integer(choice(text, &argument.values)?),
    })
}

/// Writes `value` as it would be written in a policy; [`parse`] reads it back.
///
/// A value that does not fit the argument's type is written in Rust's notation: that only serves messages.
pub fn format(argument: &Argument, value: &Value) -> String {
    match (argument.ty, value) {
        (ArgumentType::Integer, Value::Integer(number)) => number.to_string(),
        (ArgumentType::Boolean, Value::Integer(number)) => if *number == 0 { "no" } else { "yes" }.to_owned(),
        (ArgumentType::Rate, Value::Integer(number)) => quantity::format(*number, RATE_UNITS),
        (ArgumentType::Size, Value::Integer(number)) => quantity::format(*number, SIZE_UNITS),
        (ArgumentType::Duration, Value::Integer(number)) => quantity::format(*number, DURATION_UNITS),
        (ArgumentType::Prefix, Value::Prefix { address, length }) => Prefix {
            address: *address,
            length: u8::try_from(*length).unwrap_or(u8::MAX).min(128),
        }
        .to_string(),
        (ArgumentType::Ports, Value::Pair(low, high)) => {
            if low == high {
                low.to_string()
            } else {
                format!("{low}-{high}")
            }
        }
        (ArgumentType::Range, Value::Pair(low, high)) => format_range(*low, *high),
        (ArgumentType::PacketTypes, Value::Integer(bits)) => {
            packet_types::format(u32::try_from(*bits).unwrap_or(u32::MAX))
        }
        (ArgumentType::Token, Value::Integer(token)) => format!("0x{token:08x}"),
        (ArgumentType::Choice, Value::Integer(position)) => {
            let word = usize::try_from(*position)
                .ok()
                .and_then(|position| argument.values.get(position));
            word.cloned().unwrap_or_else(|| position.to_string())
        }
        (ArgumentType::Device, Value::Device(name)) => name.clone(),
        (_, other) => format!("{other:?}"),
    }
}

/// What a value of this type looks like, for messages and documentation.
pub fn describe(argument: &Argument) -> String {
    let what = describe_type(argument);
    let show = |number| format(argument, &Value::Integer(number));
    match (argument.min, argument.max) {
        (None, None) => what,
        (low, Some(high)) => format!("{what}, from {} to {}", show(low.unwrap_or(0)), show(high)),
        (Some(low), None) => format!("{what}, at least {}", show(low)),
    }
}

fn describe_type(argument: &Argument) -> String {
    match argument.ty {
        ArgumentType::Integer => "a whole number".to_owned(),
        ArgumentType::Boolean => "`yes` or `no`".to_owned(),
        ArgumentType::Rate => "a rate, such as `4mbit`".to_owned(),
        ArgumentType::Size => "a size, such as `220kB`".to_owned(),
        ArgumentType::Duration => "a duration, such as `100ms`".to_owned(),
        ArgumentType::Prefix => "an address or prefix, such as `192.0.2.0/24`".to_owned(),
        ArgumentType::Ports => "a port or a range of ports, such as `443` or `1000-2000`".to_owned(),
        ArgumentType::Range => "a range, such as `0..64KiB`".to_owned(),
        ArgumentType::PacketTypes => "packet types, such as `syn|mp_join`".to_owned(),
        ArgumentType::Device => "the name of a device, such as `eth0`".to_owned(),
        ArgumentType::Token => "a token, such as `0x1234abcd`".to_owned(),
        ArgumentType::Choice => suggest::one_of(argument.values.iter().map(String::as_str)),
    }
}

/// The member of `struct arguments` that a value of this type takes.
pub fn describe_member(ty: ArgumentType) -> &'static str {
    match ty {
        ArgumentType::Integer => "a `__u64` or another number",
        ArgumentType::Boolean => "a `__u8`",
        ArgumentType::Rate | ArgumentType::Size | ArgumentType::Duration => "a `__u64`",
        ArgumentType::Prefix => "a `struct emptcp_prefix`, which has 20 bytes",
        ArgumentType::Ports => "`__u16 [2]`",
        ArgumentType::Range => "`__u64 [2]`",
        ArgumentType::PacketTypes | ArgumentType::Device | ArgumentType::Token | ArgumentType::Choice => "a `__u32`",
    }
}

pub(crate) fn boolean(text: &str) -> Result<u64, ValueError> {
    match text {
        "yes" | "on" | "true" => Ok(1),
        "no" | "off" | "false" => Ok(0),
        _ => Err(ValueError::new(
            format!("`{}` is neither yes nor no", suggest::shorten(text)),
            "expected `yes` or `no` (also `on` / `off`, `true` / `false`)",
        )
        .perhaps_meant(match text.to_lowercase().as_str() {
            "1" | "y" | "yes" | "on" | "true" | "enable" | "enabled" => Some("yes".to_owned()),
            "0" | "n" | "no" | "off" | "false" | "disable" | "disabled" => Some("no".to_owned()),
            _ => None,
        })),
    }
}

fn choice(text: &str, values: &[String]) -> Result<u64, ValueError> {
    let words = || values.iter().map(String::as_str);
    match words().position(|word| word == text) {
        Some(position) => Ok(u64::try_from(position).unwrap_or(u64::MAX)),
        None => Err(ValueError::new(
            format!("`{}` is not one of the choices", suggest::shorten(text)),
            suggest::expected(text, words()),
        )
        .perhaps_meant(suggest::meant(text, words()).map(str::to_owned))),
    }
}

/// Reads `low..high`, low inclusive, high exclusive; a missing low is 0, a missing high the largest number.
pub(crate) fn range(text: &str) -> Result<(u64, u64), ValueError> {
    const HELP: &str = "expected `LOW..HIGH` (HIGH not included; either may be missing), such as `0..64KiB`";
    let shown = suggest::shorten(text);
    let (low, high) = text.split_once("..").ok_or_else(|| {
        let meant = text.split_once('-').map(|(low, high)| format!("{low}..{high}"));
        ValueError::new(format!("`{shown}` is not a range"), HELP)
            .perhaps_meant(meant.filter(|meant| range(meant).is_ok()))
    })?;
    if low.is_empty() && high.is_empty() {
        return Err(ValueError::new("the range `..` has no bound", HELP));
    }
    let bound = |text: &str, missing: u64| match text {
        "" => Ok(missing),
        _ if text.starts_with("0x") => quantity::integer(text),
        _ => quantity::size(text),
    };
    let (low, high) = (bound(low, 0)?, bound(high, u64::MAX)?);
    if low >= high {
        return Err(ValueError::new(
            format!("the range `{shown}` is empty"),
            "expected LOW below HIGH",
        ));
    }
    Ok((low, high))
}

/// Writes a range so that [`range`] reads it back.
pub(crate) fn format_range(low: u64, high: u64) -> String {
    let high = if high == u64::MAX {
        String::new()
    } else {
        high.to_string()
    };
    format!("{low}..{high}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn argument(ty: ArgumentType) -> Argument {
        let values = vec!["auto".to_owned(), "police".to_owned(), "shape".to_owned()];
        Argument {
            name: "a".into(),
            ty,
            help: "h".into(),
            default: None,
            min: None,
            max: None,
            only_at: Default::default(),
            values,
        }
    }

    const ALL: [ArgumentType; 12] = [
        ArgumentType::Integer,
        ArgumentType::Boolean,
        ArgumentType::Rate,
        ArgumentType::Size,
        ArgumentType::Duration,
        ArgumentType::Prefix,
        ArgumentType::Ports,
        ArgumentType::Range,
        ArgumentType::PacketTypes,
        ArgumentType::Device,
        ArgumentType::Token,
        ArgumentType::Choice,
    ];

    #[test]
    fn every_type_reads_back_what_it_writes() {
        let texts = [
            "7",
            "yes",
            "4mbit",
            "64KiB",
            "100ms",
            "10.0.0.0/8",
            "1-9",
            "0..100",
            "syn|dss",
            "eth0",
            "0x0000001f",
            "police",
        ];
        for (ty, text) in ALL.into_iter().zip(texts) {
            let value = parse(&argument(ty), text).unwrap();
            assert_eq!(format(&argument(ty), &value), text);
        }
    }

    #[test]
    fn ranges_may_be_open_on_one_side() {
        assert_eq!(range("1kB..").unwrap(), (1000, u64::MAX));
        assert_eq!(range("..64KiB").unwrap(), (0, 65_536));
        assert_eq!(range("0x10..0x20").unwrap(), (16, 32));
        for text in ["..", "5..5", "6..5", "5", "a..b", "1..2..3"] {
            assert!(range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_choice_names_the_choices() {
        let error = parse(&argument(ArgumentType::Choice), "polise").unwrap_err();
        assert_eq!(
            error.help,
            "did you mean `police`? expected `auto`, `police` or `shape`"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_a_value_panic(text: String, tidy in "[0-9a-z./:x|-]{0,12}") {
            for ty in ALL {
                for text in [&text, &tidy] {
                    if let Ok(value) = parse(&argument(ty), text) {
                        prop_assert_eq!(parse(&argument(ty), &format(&argument(ty), &value)), Ok(value));
                    }
                }
            }
        }
    }
}
