//! JSON that is streamed: a hundred thousand subflows are never one string in memory.

use serde::Serialize;
use std::{
    io::{self, BufWriter, Write},
    num::NonZero,
    thread,
};

/// A value that can be written as JSON.
pub(crate) trait Document {
    /// Writes it over several lines (`pretty`) or on one, and ends the last one.
    fn write(&self, out: &mut dyn Write, pretty: bool) -> io::Result<()>;
}

impl<T: Serialize> Document for T {
    fn write(&self, out: &mut dyn Write, pretty: bool) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        serialize(self, pretty, &mut out)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

fn serialize<T: Serialize + ?Sized>(value: &T, pretty: bool, out: impl Write) -> io::Result<()> {
    match pretty {
        true => serde_json::to_writer_pretty(out, value)?,
        false => serde_json::to_writer(out, value)?,
    }
    Ok(())
}

/// Elements that one thread serializes at a time: a megabyte or two of subflows.
const PART: usize = 1024;

/// Writes an array of `elements` and, after them, `last`, as one array of all of them is written. A long array is
/// serialized by several threads.
pub(crate) fn write_array<T: Serialize + Sync>(
    elements: &[T],
    last: Option<serde_json::Value>,
    out: &mut dyn Write,
    pretty: bool,
) -> io::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(8);
    let mut parts = vec![Vec::new(); threads];
    let mut begun = false;
    for batch in elements.chunks(PART * threads) {
        let chunks = batch.chunks(PART);
        if chunks.len() == 1 {
            inner(batch, pretty, &mut parts[0])?;
        } else {
            thread::scope(|scope| {
                let tasks: Vec<_> = chunks
                    .clone()
                    .zip(&mut parts)
                    .map(|(chunk, part)| scope.spawn(move || inner(chunk, pretty, part)))
                    .collect();
                tasks
                    .into_iter()
                    .try_for_each(|task| task.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            })?;
        }
        for part in parts.iter().take(batch.len().div_ceil(PART)) {
            out.write_all(if begun { b"," } else { b"[" })?;
            out.write_all(part)?;
            begun = true;
        }
    }
    if let Some(last) = last {
        inner(&[last], pretty, &mut parts[0])?;
        out.write_all(if begun { b"," } else { b"[" })?;
        out.write_all(&parts[0])?;
        begun = true;
    }
    out.write_all(match (begun, pretty) {
        (false, _) => b"[]\n",
        (true, true) => b"\n]\n",
        (true, false) => b"]\n",
    })?;
    out.flush()
}

/// The inside of the array of `elements`, which are not none: without its brackets and the line of the last one.
fn inner<T: Serialize>(elements: &[T], pretty: bool, part: &mut Vec<u8>) -> io::Result<()> {
    // The length of a vector changes with each write: beside that of another thread, in one line of the cache, each
    // write would wait.
    let mut text = std::mem::take(part);
    text.clear();
    serialize(elements, pretty, &mut text)?;
    text.truncate(text.len() - if pretty { 2 } else { 1 });
    text.remove(0);
    *part = text;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_array_that_threads_write_is_that_which_one_writes() {
        for length in [0, 1, 2, PART, PART + 1, 20 * PART + 3] {
            let elements: Vec<_> = (0..length)
                .map(|number| json!({"n": number, "list": [number]}))
                .collect();
            for last in [None, Some(json!({"last": true}))] {
                let all: Vec<_> = elements.iter().cloned().chain(last.clone()).collect();
                for pretty in [false, true] {
                    let (mut by_threads, mut by_one) = (Vec::new(), Vec::new());
                    write_array(&elements, last.clone(), &mut by_threads, pretty).unwrap();
                    all.write(&mut by_one, pretty).unwrap();
                    assert!(by_threads == by_one, "{length} elements, pretty: {pretty}");
                }
            }
        }
    }
}
