//! The columns of CSV and Parquet equal the fields of JSON: checked with records that have a value in every field.

use super::{connections, events, strays, subflows};
use crate::output::column::{Column, Value};
use crate::output::sample;
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What the parts of an array are called.
fn parts(field: &str) -> [&'static str; 2] {
    match field {
        "tokens" | "address_ids" => ["client", "server"],
        "hs_rtt" => ["syn", "syn_ack"],
        _ => ["c2s", "s2c"],
    }
}

/// The columns that the fields of a record make, by the rule that `columns` states.
fn flat(prefix: &str, json: &Json, into: &mut BTreeMap<String, Json>) {
    let join = |part: &str| match prefix {
        "" => part.to_owned(),
        prefix => format!("{prefix}_{part}"),
    };
    match json {
        Json::Object(fields) if prefix != "options" => {
            for (name, value) in fields {
                flat(&join(name), value, into);
            }
        }
        Json::Array(values) if values.len() == 2 && !is_set(prefix) => {
            for (part, value) in parts(prefix).into_iter().zip(values) {
                flat(&join(part), value, into);
            }
        }
        value => {
            into.insert(prefix.to_owned(), value.clone());
        }
    }
}

fn is_set(field: &str) -> bool {
    ["fallback", "events", "detail_address_ids"].contains(&field)
}

fn as_json(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => (*value).into(),
        Value::Integer(value) => (*value).into(),
        Value::Real(value) => (*value).into(),
        Value::Time(time) => time.seconds().into(),
        Value::Text(text) => text.as_ref().into(),
        Value::Words(words) => words.iter().map(AsRef::as_ref).collect(),
        Value::Counts(counts) => counts
            .iter()
            .map(|(word, count)| ((*word).to_owned(), *count))
            .collect(),
    }
}

fn check<R: Serialize>(columns: &[Column<R>], record: &R, not_columns: &[&str]) -> BTreeMap<String, Json> {
    let mut record_fields = serde_json::to_value(record).expect("JSON");
    if let Json::Object(record_fields) = &mut record_fields {
        record_fields.retain(|name, value| value.is_object() || !not_columns.contains(&name.as_str()));
    }
    let mut fields = BTreeMap::new();
    flat("", &record_fields, &mut fields);
    for column in columns {
        let value = column.value(record);
        assert!(fits(column, &value), "{}: {value:?}", column.name);
    }
    fields
}

fn fits<R>(column: &Column<R>, value: &Value<'_>) -> bool {
    use crate::output::column::Type;
    match value {
        Value::Null => !matches!(column.kind, Type::Words | Type::Counts),
        Value::Boolean(_) => column.kind == Type::Boolean,
        Value::Integer(_) => column.kind == Type::Integer,
        Value::Real(_) => column.kind == Type::Real,
        Value::Time(_) => column.kind == Type::Time,
        Value::Text(_) => column.kind == Type::Text,
        Value::Words(_) => column.kind == Type::Words,
        Value::Counts(_) => column.kind == Type::Counts,
    }
}

fn made<R>(columns: &[Column<R>], record: &R) -> BTreeMap<String, Json> {
    columns
        .iter()
        .map(|column| (column.name.clone(), as_json(&column.value(record))))
        .collect()
}

#[test]
fn the_columns_of_connections_are_the_fields_of_the_json() {
    let connection = sample::connection(3);
    let fields = check(&connections(), &connection, &["trace", "subflows"]);
    assert_eq!(made(&connections(), &connection), fields);
}

#[test]
fn the_columns_of_subflows_are_the_fields_of_the_json() {
    for subflow in &sample::connection(3).subflows {
        let fields = check(&subflows(), subflow, &[]);
        assert_eq!(made(&subflows(), subflow), fields);
    }
}

#[test]
fn the_columns_of_events_are_the_fields_of_the_json() {
    let mut names: Vec<_> = events().into_iter().map(|column| column.name).collect();
    for mark in sample::marks(3) {
        let mut fields = check(&events(), &mark, &["detail"]);
        // Numbers of a list are words of a set in the table.
        for list in ["detail_address_ids", "evidence_proof"] {
            if let Some(Json::Array(numbers)) = fields.get_mut(list) {
                numbers
                    .iter_mut()
                    .for_each(|number| *number = number.to_string().into());
            }
        }
        let made = made(&events(), &mark);
        for (name, value) in &fields {
            assert_eq!(made.get(name), Some(value), "{name}");
            names.retain(|left| left != name);
        }
        let others = made.iter().filter(|(name, _)| !fields.contains_key(*name));
        for (name, value) in others {
            assert!(*value == Json::Null || *value == Json::Array(Vec::new()), "{name}");
        }
    }
    assert!(names.is_empty(), "columns that no field fills: {names:?}");
}

#[test]
fn the_columns_of_strays_are_the_fields_of_the_json() {
    let stray = sample::stray();
    let fields = check(&strays(), &stray, &[]);
    assert_eq!(made(&strays(), &stray), fields);
}

/// The lines of the manual about a table.
fn manual(table: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trace-tables.md");
    let text = std::fs::read_to_string(path).expect("the manual of the tables");
    let (_, chapter) = text.split_once(&format!("\n## `{table}`\n")).expect("a chapter");
    chapter.split("\n## ").next().unwrap_or_default().to_owned()
}

fn is_described(column: &str, manual: &str) -> bool {
    let starred = column.replace("_c2s", "_*").replace("_s2c", "_*");
    // Parts of a round-trip time are named once, by their endings.
    let (name, part) = match starred.split_once("_*_") {
        Some((name, part)) if part != "n" => (format!("{name}_*_n"), Some(format!("`_{part}`"))),
        _ => (starred, None),
    };
    manual.contains(&format!("`{name}`")) && part.is_none_or(|part| manual.contains(&part))
}

#[test]
fn the_manual_describes_every_column() {
    let check = |table: &str, names: Vec<String>| {
        let manual = manual(table);
        for name in names {
            assert!(is_described(&name, &manual), "{table}: {name}");
        }
    };
    check(
        "connections",
        connections().into_iter().map(|column| column.name).collect(),
    );
    check("subflows", subflows().into_iter().map(|column| column.name).collect());
    check("strays", strays().into_iter().map(|column| column.name).collect());
    check("events", events().into_iter().map(|column| column.name).collect());
}
