//! The analysis as an iterator of events.

use crate::ahead::{Ahead, Item, Stop};
use crate::engine::Engine;
use crate::packet::Packet;
use crate::record::{Connection, Totals};
use crate::reorder::Reorder;
use crate::{Error, Event, Next, Order, Result, Settings, Source};
use std::sync::Arc;

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
    feed: Feed<S>,
    settings: Settings,
    engine: Engine,
    reorder: Reorder<Packet>,
    state: State,
}

/// Where the packets come from.
#[derive(Debug)]
enum Feed<S> {
    /// Read here. The last packet is decoded in place: moving one costs as much as the look-up of its flow.
    Here(S, Box<Packet>),
    /// Read by another thread.
    Ahead(Box<Ahead>),
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
        let name = source.name();
        Self::fed(Feed::Here(source, Box::new(Packet::empty())), settings, name)
    }

    /// Reads and decodes in a second thread, at most a few thousand packets ahead: for files, where the packets come as
    /// fast as they are taken. The events are the same. If the system starts no further thread, as
    /// [`Analyzer::with_settings`].
    ///
    /// Dropping it waits until the source has returned from [`Source::next`].
    ///
    /// ```
    /// use emptcp_trace::{Analyzer, Event, Settings, source};
    ///
    /// # fn main() -> emptcp_trace::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/reuse.pcap.zst");
    /// let analyzer = Analyzer::ahead(source::open([path])?, Settings::default());
    /// let last = analyzer.last().expect("an end")?;
    /// assert!(matches!(last, Event::End(totals) if totals.packets == 1218));
    /// # Ok(())
    /// # }
    /// ```
    pub fn ahead(source: S, settings: Settings) -> Self
    where
        S: Send + 'static,
    {
        let name = source.name();
        match Ahead::start(source) {
            Ok(ahead) => Self::fed(Feed::Ahead(Box::new(ahead)), settings, name),
            Err(source) => Self::with_settings(source, settings),
        }
    }

    fn fed(feed: Feed<S>, settings: Settings, name: Arc<str>) -> Self {
        Self {
            engine: Engine::new(settings, name),
            feed,
            settings,
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

    /// The source; none when another thread reads it.
    pub fn source(&self) -> Option<&S> {
        match &self.feed {
            Feed::Here(source, _) => Some(source),
            Feed::Ahead(_) => None,
        }
    }

    /// Reads one packet, or the end.
    #[inline]
    fn read(&mut self) -> Option<Event> {
        let Self { feed, engine, .. } = self;
        let item = match feed {
            Feed::Here(source, packet) => match source.next() {
                Ok(Next::Frame(frame)) => {
                    if !packet.decode(&frame, engine.totals_mut()) {
                        return None;
                    }
                    // Checked after each packet, because the source may just have found a second interface.
                    Item::Packet(packet, source.may_be_unordered())
                }
                Ok(Next::Quiet(now)) => Item::Stop(Stop::Quiet(now)),
                Ok(Next::End) => Item::Stop(Stop::End),
                Err(error) => Item::Stop(Stop::Failed(error)),
            },
            Feed::Ahead(ahead) => ahead.next(engine.totals_mut()),
        };
        match item {
            Item::Packet(packet, unordered) => {
                let ordered = match self.settings.order {
                    Order::Auto => unordered,
                    Order::ByTime => true,
                    Order::AsCaptured => false,
                };
                if ordered {
                    put_in_order(packet, &mut self.reorder, engine, &self.settings);
                } else {
                    if !self.reorder.is_empty() {
                        drain(&mut self.reorder, engine);
                    }
                    engine.packet(packet);
                }
            }
            Item::Stop(Stop::Quiet(now)) => {
                drain(&mut self.reorder, engine);
                engine.pass_time(now);
                return Some(Event::Quiet(now));
            }
            Item::Stop(Stop::End) => self.end(None),
            Item::Stop(Stop::Failed(error)) => self.end(Some(error)),
        }
        None
    }

    fn end(&mut self, error: Option<Error>) {
        drain(&mut self.reorder, &mut self.engine);
        self.engine.finish();
        self.state = State::Ending(error);
    }
}

fn put_in_order(packet: &Packet, reorder: &mut Reorder<Packet>, engine: &mut Engine, settings: &Settings) {
    let packet = packet.clone();
    if let Some(late) = reorder.push(packet.time, packet.number, packet) {
        engine.totals_mut().capped.late += 1;
        engine.late_packet(&late);
    }
    while let Some(packet) = reorder.pop(&settings.limits) {
        engine.packet(&packet);
    }
}

fn drain(reorder: &mut Reorder<Packet>, engine: &mut Engine) {
    while let Some(packet) = reorder.pop_any() {
        engine.packet(&packet);
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
