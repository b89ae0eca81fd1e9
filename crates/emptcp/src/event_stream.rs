//! Events as a stream of tokio.

use crate::{Events, error::Result, model::Event};
use emptcp_packet::event_reader::PERIOD;
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// [`Events`] as a stream. It ends when the instance is removed.
///
/// ```no_run
/// use emptcp::{EventStream, Namespace};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> emptcp::Result<()> {
/// let events = Namespace::current()?.instance("default").events()?;
/// let mut events = EventStream::new(events);
/// while let Some(event) = events.next().await {
///     println!("{:?}", event?.body);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventStream {
    events: Events,
    /// The next poll.
    ticks: Interval,
}

impl EventStream {
    /// A stream of these events, in the runtime of the caller.
    ///
    /// # Panics
    /// Outside a runtime of tokio with time.
    pub fn new(events: Events) -> Self {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { events, ticks }
    }

    /// How many events newer ones have overwritten before this reader read them.
    pub fn missed(&self) -> u64 {
        self.events.missed()
    }
}

impl Stream for EventStream {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match self.events.try_next() {
                Ok(None) if self.events.has_ended() => return Poll::Ready(None),
                Ok(None) => {}
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            ready!(self.ticks.poll_tick(context));
        }
    }
}
