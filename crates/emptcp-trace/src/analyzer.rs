//! The analysis as an iterator of events.

use crate::engine::Engine;
use crate::packet::Packet;
use crate::record::{Connection, Totals};
use crate::reorder::Reorder;
use crate::{Error, Event, Next, Order, Result, Settings, Source};

/// Reads a source to its end and emits events while it reads.
///
/// ```
/// use emptcp_trace::{Analyzer, Event, source};
///
/// # fn main() -> emptcp_trace::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/reuse.pcap.zst");
/// let mut bytes = Vec::new();
/// for event in Analyzer::new(source::open([path])?) {
///     match event? {
///         Event::Connection(connection) => bytes.push(connection.size),
///         Event::End(totals) => assert_eq!(totals.packets, 1218),
///         _ => {}
///     }
/// }
/// assert_eq!(bytes.len(), 3);
/// # Ok(())
/// # }
/// ```
///
/// When a source fails, the records of open connections are emitted first, then [`Event::End`], then the error. So a
/// truncated file still gives results.
#[derive(Debug)]
pub struct Analyzer<S> {
    source: S,
    settings: Settings,
    engine: Engine,
    /// The last packet, decoded in place: moving one costs as much as the look-up of its flow.
    packet: Packet,
    reorder: Reorder<Packet>,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading,
    Ending(Option<Error>),
    Ended,
}

impl<S: Source> Analyzer<S> {
    /// With default settings.
    pub fn new(source: S) -> Self {
        Self::with_settings(source, Settings::default())
    }

    /// With other settings.
    pub fn with_settings(source: S, settings: Settings) -> Self {
        Self {
            engine: Engine::new(settings, source.name()),
            source,
            settings,
            packet: Packet::empty(),
            reorder: Reorder::default(),
            state: State::Reading,
        }
    }

    /// The open connections, as if the capture ended now: for live views.
    pub fn snapshot(&self) -> Vec<Connection> {
        self.engine.snapshot()
    }

    /// The totals so far.
    pub fn totals(&self) -> &Totals {
        self.engine.totals()
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Reads one packet, or the end.
    fn read(&mut self) -> Option<Event> {
        match self.source.next() {
            Ok(Next::Frame(frame)) => {
                if self.packet.decode(&frame, self.engine.totals_mut()) {
                    // Checked after each packet, because the source may just have found a second interface.
                    let ordered = match self.settings.order {
                        Order::Auto => self.source.may_be_unordered(),
                        Order::ByTime => true,
                        Order::AsCaptured => false,
                    };
                    if ordered {
                        self.put_in_order();
                    } else {
                        self.drain();
                        self.engine.packet(&self.packet);
                    }
                }
            }
            Ok(Next::Quiet(now)) => {
                self.drain();
                self.engine.pass_time(now);
                return Some(Event::Quiet(now));
            }
            Ok(Next::End) => self.end(None),
            Err(error) => self.end(Some(error)),
        }
        None
    }

    fn put_in_order(&mut self) {
        let packet = self.packet.clone();
        if let Some(late) = self.reorder.push(packet.time, packet.number, packet) {
            self.engine.totals_mut().capped.late += 1;
            self.engine.packet(&late);
        }
        while let Some(packet) = self.reorder.pop(&self.settings.limits) {
            self.engine.packet(&packet);
        }
    }

    fn drain(&mut self) {
        while let Some(packet) = self.reorder.pop_any() {
            self.engine.packet(&packet);
        }
    }

    fn end(&mut self, error: Option<Error>) {
        self.drain();
        self.engine.finish();
        self.state = State::Ending(error);
    }
}

impl<S: Source> Iterator for Analyzer<S> {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.engine.next_event() {
                return Some(Ok(event));
            }
            match &mut self.state {
                State::Reading => {
                    if let Some(event) = self.read() {
                        // First emit the connections that ended by the passage of time.
                        self.engine.push_event(event);
                    }
                }
                State::Ending(error) => {
                    let error = error.take();
                    self.state = State::Ended;
                    if let Some(error) = error {
                        return Some(Err(error));
                    }
                }
                State::Ended => return None,
            }
        }
    }
}
