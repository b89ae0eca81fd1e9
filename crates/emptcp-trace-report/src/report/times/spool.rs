//! Points in an unnamed temporary file: they need no memory, and the system removes the file when the program ends.

use emptcp_trace::ConnectionId;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// A packet that was sent again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) trace: u32,
    pub(super) conn_id: ConnectionId,
    /// Nanoseconds since 1970, or since its connection began.
    pub(super) t: i64,
    /// Duration of its connection, nanoseconds; 0 while it is not known.
    pub(super) duration: i64,
    /// In [`NAMES`](super::NAMES).
    pub(super) kind: u8,
    pub(super) is_syn: bool,
    pub(super) to_client: bool,
}

/// Size of a point in bytes.
const LENGTH: usize = 31;

/// Points: all are written before the first is read.
#[derive(Debug, Default)]
pub(super) struct Spool {
    file: Option<BufWriter<File>>,
    count: u64,
}

impl Spool {
    pub(super) fn push(&mut self, point: Point) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        file.write_all(&point.trace.to_le_bytes())?;
        file.write_all(&point.conn_id.0.to_le_bytes())?;
        file.write_all(&point.t.to_le_bytes())?;
        file.write_all(&point.duration.to_le_bytes())?;
        file.write_all(&[point.kind, u8::from(point.is_syn), u8::from(point.to_client)])?;
        self.count += 1;
        Ok(())
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Must be called between the last `push` and the first `each`.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }

    /// All points in the order of `push`.
    pub(super) fn each(&self, give: &mut dyn FnMut(Point) -> io::Result<()>) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut file = file.get_ref();
        file.seek(SeekFrom::Start(0))?;
        let mut file = BufReader::new(file);
        let mut bytes = [0; LENGTH];
        for _ in 0..self.count {
            file.read_exact(&mut bytes)?;
            give(Point::from_bytes(bytes))?;
        }
        Ok(())
    }
}

impl Point {
    /// Its position in its connection: 0 to 1, unless there is a fault.
    pub(super) fn share(self) -> f64 {
        self.t as f64 / self.duration as f64
    }

    fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        let [t0, t1, t2, t3, c0, c1, c2, c3, c4, c5, c6, c7, rest @ ..] = bytes;
        let [
            f0,
            f1,
            f2,
            f3,
            f4,
            f5,
            f6,
            f7,
            d0,
            d1,
            d2,
            d3,
            d4,
            d5,
            d6,
            d7,
            kind,
            is_syn,
            to_client,
        ] = rest;
        Self {
            trace: u32::from_le_bytes([t0, t1, t2, t3]),
            conn_id: ConnectionId(u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7])),
            t: i64::from_le_bytes([f0, f1, f2, f3, f4, f5, f6, f7]),
            duration: i64::from_le_bytes([d0, d1, d2, d3, d4, d5, d6, d7]),
            kind,
            is_syn: is_syn != 0,
            to_client: to_client != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let mut spool = Spool::default();
        let point = |number: u32| Point {
            trace: number,
            conn_id: ConnectionId(u64::from(number) << 33),
            t: i64::from(number) << 40,
            duration: -i64::from(number),
            kind: (number % 2) as u8,
            is_syn: number.is_multiple_of(3),
            to_client: number.is_multiple_of(5),
        };
        for number in 0..10_000 {
            spool.push(point(number)).expect("a temporary file");
        }
        spool.flush().expect("a temporary file");
        for _ in 0..2 {
            let mut number = 0;
            let mut check = |read| {
                assert_eq!(read, point(number));
                number += 1;
                Ok(())
            };
            spool.each(&mut check).expect("what was written");
            assert_eq!((number, spool.count()), (10_000, 10_000));
        }
    }
}
