//! Events as a stream of tokio.

use crate::{Events, error::Result, model::Event};
use futures_core::Stream;
use std::{
    os::fd::AsRawFd,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{Interest, unix::AsyncFd};

/// [`Events`] as a stream. It ends when the instance is removed.
///
/// ```no_run
/// use emptcp::{EventStream, Namespace};
/// use futures_util::StreamExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let events = Namespace::current()?.instance("default").events()?;
/// let mut events = EventStream::new(events)?;
/// while let Some(event) = events.next().await {
///     println!("{:?}", event?.body);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EventStream(AsyncFd<Ticking>);

/// What tokio waits for.
#[derive(Debug)]
struct Ticking(Events);

impl AsRawFd for Ticking {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsFd;
        self.0.as_fd().as_raw_fd()
    }
}

impl EventStream {
    /// A stream of these events, in the runtime of the caller.
    ///
    /// # Errors
    /// When the runtime refuses the file descriptor.
    ///
    /// # Panics
    /// Outside a runtime of tokio with I/O.
    pub fn new(events: Events) -> std::io::Result<Self> {
        AsyncFd::with_interest(Ticking(events), Interest::READABLE).map(Self)
    }

    /// How many events gave way to newer ones before this reader came to them, up to now.
    pub fn missed(&self) -> u64 {
        self.0.get_ref().0.missed()
    }
}

impl Stream for EventStream {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let events = &mut self.0.get_mut().0;
            match events.try_next() {
                Ok(None) if events.has_ended() => return Poll::Ready(None),
                Ok(None) => {}
                Ok(Some(event)) => return Poll::Ready(Some(Ok(event))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            // `try_next` has read the timer: it is not readable before its next tick.
            match ready!(self.0.poll_read_ready(context)) {
                Ok(mut guard) => guard.clear_ready(),
                Err(error) => {
                    let error = emptcp_host::Error::Kernel {
                        action: "wait for events".to_owned(),
                        source: error,
                    };
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }
}
