//! The Parquet tables as a database reads them. DuckDB comes as a package of Python; without it the test is skipped,
//! unless `EMPTCP_PYTHON` names a Python that must have it (`cargo xtask test` makes one).

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// Sums, types and rows of each table, as one JSON document.
const PROGRAM: &str = r#"
import duckdb, json, sys
folder = sys.argv[1]
def ask(question):
    return duckdb.sql(question.replace("TABLE", f"'{folder}/{table}.parquet'")).fetchall()
answer = {}
for table in ("connections", "subflows", "events"):
    columns = ask("select column_name, column_type from (describe select * from TABLE)")
    sums = [f'sum("{name}")::double' for name, kind in columns if kind in ("BIGINT", "DOUBLE")]
    names = [name for name, kind in columns if kind in ("BIGINT", "DOUBLE")]
    answer[table] = {
        "columns": dict(columns),
        "rows": ask("select count(*) from TABLE")[0][0],
        "sums": dict(zip(names, ask(f"select {', '.join(sums)} from TABLE")[0])),
    }
table = "connections"
answer["t0"] = [row[0] for row in ask("select epoch_ns(t0) from TABLE order by conn_id")]
answer["marks"] = [row[0] for row in ask("select events from TABLE order by conn_id")]
answer["dss"] = [row[0] for row in ask("select options['DSS'] from TABLE order by conn_id")]
table = "subflows"
answer["joined"] = ask(f"select count(*) from TABLE join '{folder}/connections.parquet' using (trace, conn_id)")[0][0]
print(json.dumps(answer))
"#;

/// A Python that has DuckDB.
fn python() -> Option<String> {
    let named = std::env::var("EMPTCP_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let has_duckdb = Command::new(&python)
        .args(["-c", "import duckdb"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if has_duckdb {
        return Some(python);
    }
    assert!(named.is_none(), "{python}, which EMPTCP_PYTHON names, has no DuckDB");
    eprintln!("skipped: no DuckDB for {python} (EMPTCP_PYTHON can name a Python that has it)");
    None
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The sum of what stands in a field of all records, by the name of its column.
fn sum(records: &[&Value], column: &str) -> Option<f64> {
    let (field, part) = match column.rsplit_once('_') {
        Some((field, "c2s")) => (field, Some(0)),
        Some((field, "s2c")) => (field, Some(1)),
        _ => (column, None),
    };
    records
        .iter()
        .map(|record| {
            let value = record.get(field)?;
            part.map_or(Some(value), |part: usize| value.get(part))?.as_f64()
        })
        .sum()
}

#[test]
fn a_database_reads_the_figures_that_the_json_has() {
    let Some(python) = python() else { return };
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../emptcp-trace/tests/captures/reuse.pcap.zst");
    let folder = tempfile::tempdir().expect("a folder");
    let mut analyze = Command::new(env!("CARGO_BIN_EXE_emptcp-trace"));
    analyze
        .args(["analyze", "--json", "--events", "--parquet"])
        .args([folder.path(), &capture]);
    let lines: Vec<Value> = output(&mut analyze)
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let with = |key: &str| -> Vec<&Value> { lines.iter().filter(|line| line.get(key).is_some()).collect() };
    let (events, connections) = (with("kind"), with("subflows"));
    assert_eq!(with("totals").len(), 1);
    assert_eq!(
        events.len() + connections.len() + 1,
        lines.len(),
        "this capture has no strays"
    );
    let subflows: Vec<&Value> = connections
        .iter()
        .filter_map(|connection| connection["subflows"].as_array())
        .flatten()
        .collect();

    let answer = output(Command::new(python).args(["-c", PROGRAM]).arg(folder.path()));
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let mut compared = 0;
    for (table, records) in [
        ("connections", &connections),
        ("subflows", &subflows),
        ("events", &events),
    ] {
        assert_eq!(answer[table]["rows"], records.len(), "{table}");
        for (column, total) in answer[table]["sums"].as_object().expect("sums") {
            let Some(expected) = sum(records, column) else { continue };
            let total = total.as_f64().expect(column);
            assert!(
                (total - expected).abs() <= 1e-9 * expected.abs(),
                "{table}.{column}: {total} {expected}"
            );
            compared += 1;
        }
    }
    assert!(compared > 60, "only {compared} columns compared");

    let kind = |table: &str, column: &str| answer[table]["columns"][column].as_str().unwrap_or_default().to_owned();
    assert!(
        kind("connections", "t0").starts_with("TIMESTAMP"),
        "{}",
        kind("connections", "t0")
    );
    assert_eq!(kind("connections", "dur"), "DOUBLE");
    assert_eq!(kind("connections", "client"), "VARCHAR");
    assert_eq!(kind("connections", "events"), "VARCHAR[]");
    assert_eq!(kind("connections", "options"), "MAP(VARCHAR, BIGINT)");
    assert_eq!(kind("subflows", "established"), "BOOLEAN");
    assert_eq!(kind("events", "detail_gap"), "DOUBLE");

    let mut in_order = connections;
    in_order.sort_by_key(|connection| connection["conn_id"].as_u64());
    for (position, connection) in in_order.iter().enumerate() {
        let nanoseconds = answer["t0"][position].as_f64().expect("a time");
        let seconds = connection["t0"].as_f64().expect("a time");
        assert!((nanoseconds / 1e9 - seconds).abs() < 1e-6, "{nanoseconds} {seconds}");
        assert_eq!(answer["marks"][position], connection["events"]);
        assert_eq!(answer["dss"][position], connection["options"]["DSS"]);
    }
    assert_eq!(answer["joined"], subflows.len());
}
