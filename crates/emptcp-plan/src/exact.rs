//! 64-bit numbers in JSON, as decimal strings: a reader that keeps numbers as doubles would change those above 2^53.
//! Numbers are read as well.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Number(u64),
    Text(String),
}

/// Writes one.
pub(crate) fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Reads one.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Value;

    #[test]
    fn great_numbers_are_strings_and_plain_numbers_are_still_read() {
        for value in [Value::Integer(u64::MAX), Value::Pair(1, (1 << 63) + 1)] {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value, "{text}");
        }
        assert_eq!(
            serde_json::to_string(&Value::Integer(u64::MAX)).unwrap(),
            format!("{{\"integer\":\"{}\"}}", u64::MAX)
        );
        assert_eq!(
            serde_json::from_str::<Value>("{\"pair\":[1,2]}").unwrap(),
            Value::Pair(1, 2)
        );
    }
}
