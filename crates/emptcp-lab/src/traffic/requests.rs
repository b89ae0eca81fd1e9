//! Requests and responses at an interval, as in an interactive application.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::payload::Payload;
use crate::error::{LabError, Result};
use crate::lab::Lab;
use crate::socket::{Connection, Protocol};
use mptcp_wire::IpVersion;

const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// The description of request traffic on one connection; [`Requests::run`] makes it.
#[derive(Clone)]
#[must_use]
pub struct Requests<'a> {
    lab: &'a Lab,
    request: usize,
    response: usize,
    interval: Duration,
    count: usize,
    protocol: Protocol,
    version: IpVersion,
    first_path: usize,
    limit: Duration,
}

impl Lab {
    /// Describes request traffic. Default: 50 requests of 100 bytes, responses of 1000 bytes, one every 50 ms, over
    /// MPTCP and IPv4, the first subflow on path 0, over within 60 s.
    pub fn requests(&self) -> Requests<'_> {
        Requests {
            lab: self,
            request: 100,
            response: 1000,
            interval: Duration::from_millis(50),
            count: 50,
            protocol: Protocol::Mptcp,
            version: IpVersion::V4,
            first_path: 0,
            limit: Duration::from_secs(60),
        }
    }
}

impl Requests<'_> {
    /// Length of a request in bytes (at least 1).
    pub fn request(mut self, bytes: usize) -> Self {
        self.request = bytes.max(1);
        self
    }

    /// Length of a response in bytes (at least 1).
    pub fn response(mut self, bytes: usize) -> Self {
        self.response = bytes.max(1);
        self
    }

    /// Time from the begin of a request to that of the next; a late response delays the next request.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Number of requests.
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// MPTCP or TCP.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// IP version of the first subflow.
    pub fn version(mut self, version: IpVersion) -> Self {
        self.version = version;
        self
    }

    /// Path of the first subflow, counted from 0.
    pub fn first_path(mut self, path: usize) -> Self {
        self.first_path = path;
        self
    }

    /// Time after which the traffic fails.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs all requests, one after the other, and verifies both directions.
    pub fn run(self) -> Result<ResponseTimes> {
        let listener = self.lab.server().listen_with(self.protocol, self.version, 0)?;
        let remote = SocketAddr::new(self.lab.server_address(self.first_path, self.version)?, listener.port());
        let local = self.lab.client().address(self.first_path, self.version)?;
        let client = self
            .lab
            .client()
            .connect_with(self.protocol, Some(local), remote, CONNECT_LIMIT)?;
        let server = listener.accept(CONNECT_LIMIT)?;
        let begin = Instant::now();
        thread::scope(|scope| {
            let answering = scope.spawn(|| self.answer(server, begin));
            let asked = self.ask(client, begin);
            let answered = answering
                .join()
                .unwrap_or_else(|panic| Err(LabError::panicked("the answering thread", &*panic)));
            // A failure of the server is the cause of the client's error.
            answered.and(asked)
        })
    }

    fn answer(&self, mut connection: Connection, begin: Instant) -> Result<()> {
        let (requests, responses) = (Payload::new(1), Payload::new(2));
        let mut response = vec![0; self.response];
        for index in 0..self.count {
            self.expect(&mut connection, requests, index * self.request, self.request, begin)?;
            responses.fill((index * self.response) as u64, &mut response);
            self.write(&mut connection, &response)?;
        }
        Ok(())
    }

    fn ask(&self, mut connection: Connection, begin: Instant) -> Result<ResponseTimes> {
        let (requests, responses) = (Payload::new(1), Payload::new(2));
        let mut request = vec![0; self.request];
        let mut times = Vec::with_capacity(self.count);
        for index in 0..self.count {
            let asked = Instant::now();
            requests.fill((index * self.request) as u64, &mut request);
            self.write(&mut connection, &request)?;
            self.expect(&mut connection, responses, index * self.response, self.response, begin)?;
            times.push(asked.elapsed());
            thread::sleep(self.interval.saturating_sub(asked.elapsed()));
        }
        Ok(ResponseTimes::new(times))
    }

    fn write(&self, connection: &mut Connection, bytes: &[u8]) -> Result<()> {
        let failed = |error| LabError::system(format!("sending from {}", connection.local()), error);
        connection
            .as_tcp()
            .set_write_timeout(Some(self.limit))
            .map_err(failed)?;
        let local = connection.local();
        connection
            .write_all(bytes)
            .map_err(|error| LabError::system(format!("sending from {local}"), error))
    }

    /// Reads `length` bytes of `payload` from `offset` on.
    fn expect(
        &self,
        connection: &mut Connection,
        payload: Payload,
        offset: usize,
        length: usize,
        begin: Instant,
    ) -> Result<()> {
        let (from, to) = (connection.remote(), connection.local());
        let failed = |error: std::io::Error| LabError::system(format!("receiving at {to}"), error);
        let left = self.limit.checked_sub(begin.elapsed()).filter(|left| !left.is_zero());
        let left = left.ok_or(LabError::Timeout {
            what: "request traffic".to_owned(),
            limit: self.limit,
        })?;
        connection.as_tcp().set_read_timeout(Some(left)).map_err(failed)?;
        let mut bytes = vec![0; length];
        connection.read_exact(&mut bytes).map_err(failed)?;
        match payload.first_difference(offset as u64, &bytes, &mut Vec::new()) {
            None => Ok(()),
            Some((at, expected, wrong_in_block)) => Err(LabError::Payload {
                from,
                to,
                offset: (offset + at) as u64,
                expected,
                found: bytes[at],
                wrong_in_block,
                block: length,
            }),
        }
    }
}

/// From the begin of a request to the last byte of its response, for all requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseTimes {
    in_order: Vec<Duration>,
    sorted: Vec<Duration>,
}

impl ResponseTimes {
    fn new(in_order: Vec<Duration>) -> Self {
        let mut sorted = in_order.clone();
        sorted.sort_unstable();
        Self { in_order, sorted }
    }

    /// The times in the order of the requests.
    pub fn in_order(&self) -> &[Duration] {
        &self.in_order
    }

    /// The time that this share (0 to 1) of the requests did not exceed; zero without requests.
    pub fn percentile(&self, share: f64) -> Duration {
        let rank = (share.clamp(0.0, 1.0) * self.sorted.len() as f64).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The middle of the times.
    pub fn median(&self) -> Duration {
        self.percentile(0.5)
    }

    /// The longest time.
    pub fn max(&self) -> Duration {
        self.percentile(1.0)
    }

    /// The shortest time.
    pub fn min(&self) -> Duration {
        self.percentile(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let times = ResponseTimes::new([5, 1, 4, 2, 3].map(Duration::from_millis).to_vec());
        let milliseconds = |share| times.percentile(share).as_millis();
        assert_eq!([0.0, 0.2, 0.5, 0.8, 0.81, 1.0].map(milliseconds), [1, 1, 3, 4, 5, 5]);
        assert_eq!(ResponseTimes::new(Vec::new()).median(), Duration::ZERO);
    }
}
