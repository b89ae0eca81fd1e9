use super::{Folders, Tables};
use crate::output::{Names, sample};
use emptcp_trace::Event;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

fn both(folder: &Path) -> Folders {
    Folders {
        csv: Some(folder.join("csv")),
        parquet: Some(folder.join("parquet")),
        names: Names::Short,
    }
}

fn fill(tables: &mut Tables, trace: &str, connections: std::ops::Range<u64>) -> io::Result<()> {
    for conn_id in connections {
        for mark in sample::marks(conn_id) {
            tables.write(trace, &Event::Mark(mark))?;
        }
        tables.write(trace, &Event::Connection(Box::new(sample::connection(conn_id))))?;
        tables.write(trace, &Event::Stray(Box::new(sample::stray())))?;
    }
    Ok(())
}

/// Rows of a Parquet file, column by column.
fn rows(path: &Path) -> Vec<BTreeMap<String, Field>> {
    let reader = SerializedFileReader::new(File::open(path).expect("a file")).expect("Parquet");
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|row| {
        let row = row.expect("a row");
        row.get_column_iter()
            .map(|(name, field)| (name.clone(), field.clone()))
            .collect()
    })
    .collect()
}

#[test]
fn the_files_hold_every_row_under_the_same_names() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let folders = both(folder.path());
    let mut tables = Tables::create(&folders)?;
    fill(&mut tables, "a.pcap", 0..3)?;
    let written = tables.finish()?;
    let counts: Vec<_> = written.iter().map(|written| written.rows).collect();
    assert_eq!(counts, [3, 3, 6, 6, 33, 33, 3, 3]);

    for table in ["connections", "subflows", "events", "strays"] {
        let csv = fs::read_to_string(folder.path().join(format!("csv/{table}.csv")))?;
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let names: Vec<_> = reader.headers()?.iter().map(str::to_owned).collect();
        let rows = rows(&folder.path().join(format!("parquet/{table}.parquet")));
        assert_eq!(reader.records().count(), rows.len());
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), names.len(), "{table} has a column twice");
        assert_eq!(sorted, rows[0].keys().cloned().collect::<Vec<_>>());
    }
    let rows = rows(&folder.path().join("parquet/connections.parquet"));
    assert_eq!(rows[2]["conn_id"], Field::Long(2));
    assert_eq!(rows[2]["tokens_server"], Field::Null);
    assert_eq!(rows[2]["dur"], Field::Double(8.213));
    assert_eq!(rows[2]["trace"], Field::Str("a.pcap".to_owned()));
    assert_eq!(rows[2]["truncated"], Field::Bool(true));
    Ok(())
}

#[test]
fn rows_that_were_laid_aside_come_in_the_order_in_which_they_are_added() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let folders = both(folder.path());
    let mut tables = Tables::create(&folders)?;
    // The second is longer than a group of rows, so it is on the disk in part.
    let sizes = [3, 10_000, 1];
    let parts: Vec<_> = sizes
        .iter()
        .map(|_| Tables::temporary(&folders))
        .collect::<io::Result<_>>()?;
    for (trace, (mut part, size)) in parts.into_iter().zip(sizes).enumerate() {
        fill(&mut part, &format!("{trace}.pcap"), 0..size)?;
        tables.append(part)?;
    }
    tables.finish()?;
    let expected: Vec<_> = (0..3_usize)
        .flat_map(|trace| (0..sizes[trace]).map(move |conn_id| (format!("{trace}.pcap"), conn_id.to_string())))
        .collect();
    let mut csv = csv::Reader::from_path(folder.path().join("csv/connections.csv"))?;
    let found: Vec<_> = csv
        .records()
        .map(|row| row.map(|row| (row[0].to_owned(), row[1].to_owned())))
        .collect::<Result<_, _>>()?;
    assert_eq!(found, expected);

    let found: Vec<_> = rows(&folder.path().join("parquet/connections.parquet"))
        .iter()
        .map(|row| (row["trace"].to_string().replace('"', ""), row["conn_id"].to_string()))
        .collect();
    assert!(found == expected);
    Ok(())
}

#[test]
fn tables_that_are_not_finished_leave_nothing_behind() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut tables = Tables::create(&both(folder.path()))?;
    fill(&mut tables, "a.pcap", 0..5)?;
    drop(tables);
    assert_eq!(fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[test]
fn columns_can_have_spelled_out_names() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let folders = Folders {
        names: Names::SpelledOut,
        ..both(folder.path())
    };
    let mut tables = Tables::create(&folders)?;
    fill(&mut tables, "a.pcap", 0..1)?;
    tables.finish()?;
    let csv = fs::read_to_string(folder.path().join("csv/connections.csv"))?;
    assert!(
        csv.starts_with("trace,connection_id,start_time,end_time,duration,"),
        "{csv}"
    );
    let rows = rows(&folder.path().join("parquet/connections.parquet"));
    assert_eq!(rows[0]["retransmitted_to_client"], Field::Long(104_148));
    Ok(())
}

#[test]
fn empty_tables_have_their_columns() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    Tables::create(&both(folder.path()))?.finish()?;
    let csv = fs::read_to_string(folder.path().join("csv/events.csv"))?;
    assert!(csv.starts_with("trace,conn_id,sf_id,t,"), "{csv}");
    let file = File::open(folder.path().join("parquet/events.parquet"))?;
    let reader = SerializedFileReader::new(file).map_err(io::Error::other)?;
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    assert_eq!(
        reader.metadata().file_metadata().schema_descr().num_columns(),
        csv.trim_end().split(',').count()
    );
    Ok(())
}
