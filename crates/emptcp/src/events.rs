//! Reads events.

use crate::{Instance, error::Result, model::Event};
pub use emptcp_packet::event_reader::Begin;
use emptcp_packet::{
    Instance as Open,
    event_reader::{EventReader, PERIOD, SETTLED},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
};
use std::{
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant as Moment},
};

/// How often a reader without events checks that its instance still exists.
const IS_STILL_THERE: Duration = Duration::from_secs(1);

/// The events of an instance, in the order of time.
///
/// As an iterator it waits for the next event and ends when the instance is removed. An instance that is removed and
/// made again at once is followed.
///
/// For an event loop, its file descriptor ([`AsFd`]) becomes readable every 20 ms, when a reader must poll: events are
/// in memory that this process shares with the kernel, and no packet waits for a reader to be woken. Then take events
/// by [`Events::try_next`] until it returns `None`.
///
/// An event arrives 2 to 22 ms after it happened. A reader that is too slow loses the oldest events;
/// [`Events::missed`] counts them.
///
/// ```no_run
/// use emptcp::Namespace;
/// use std::time::Duration;
///
/// # fn main() -> emptcp::Result<()> {
/// let mut events = Namespace::current()?.instance("default").events()?;
/// while let Some(event) = events.next_within(Duration::from_secs(10))? {
///     println!("{}", serde_json::to_string(&event).expect("an event is JSON"));
/// }
/// println!("10 seconds without an event; {} missed", events.missed());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Events {
    instance: Instance,
    reader: EventReader<Open>,
    timer: TimerFd,
    /// When the instance was last seen to exist.
    there: Moment,
    missed: u64,
    ended: bool,
}

impl Events {
    pub(crate) fn new(instance: Instance, begin: Begin) -> Result<Self> {
        let timer = timer().map_err(|error| emptcp_host::Error::Kernel {
            action: "make a timer for events".to_owned(),
            answer: error.into(),
        })?;
        let reader = reader(&instance, begin)?;
        Ok(Self {
            instance,
            reader,
            timer,
            there: Moment::now(),
            missed: 0,
            ended: false,
        })
    }

    /// How many events newer ones have overwritten before this reader read them.
    pub fn missed(&self) -> u64 {
        self.missed
    }

    /// Whether the instance was removed: there will be no more events.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next event, if there is one. Does not wait.
    ///
    /// # Errors
    /// When the instance cannot be read.
    pub fn try_next(&mut self) -> Result<Option<Event>> {
        if let Some(event) = self.reader.take() {
            return Ok(Some(event));
        }
        if self.ended {
            return Ok(None);
        }
        // The descriptor is readable again at the next tick.
        let _ = nix::unistd::read(&self.timer, &mut [0; 8]);
        self.missed += self.reader.look()?;
        if let Some(event) = self.reader.take() {
            return Ok(Some(event));
        }
        if self.there.elapsed() >= IS_STILL_THERE {
            self.follow()?;
        }
        Ok(None)
    }

    /// The next event, if one comes within `timeout`. All events that happen before the timeout are returned: the last
    /// one may take 2 ms longer.
    ///
    /// # Errors
    /// When the instance cannot be read.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Event>> {
        let end = Moment::now().checked_add(timeout.saturating_add(SETTLED));
        loop {
            let event = self.try_next()?;
            let left = end.map(|end| end.saturating_duration_since(Moment::now()));
            if event.is_some() || self.ended || left.is_some_and(|left| left.is_zero()) {
                return Ok(event);
            }
            self.wait(left)?;
        }
    }

    /// Waits for the next tick, or for `left`.
    fn wait(&self, left: Option<Duration>) -> Result<()> {
        let left = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left.saturating_add(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(self.timer.as_fd(), PollFlags::POLLIN)], left) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(emptcp_host::Error::Kernel {
                action: "wait for events".to_owned(),
                answer: error.into(),
            }
            .into()),
        }
    }

    /// Ends if the instance is gone, and continues with a new one of its name.
    fn follow(&mut self) -> Result<()> {
        self.there = Moment::now();
        match self.instance.open() {
            Ok(open) if !self.reader.source().is_same_as(&open)? => {
                // All its events are new.
                self.reader = reader(&self.instance, Begin::Kept)?;
            }
            Ok(_) => {}
            Err(error) if error.is_nothing_in_force() => self.ended = true,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Instance {
    /// The events from now on. Any number of readers see every event.
    ///
    /// # Errors
    /// When nothing is in force, or the rings cannot be mapped.
    pub fn events(&self) -> Result<Events> {
        self.events_from(Begin::Now)
    }

    /// The events from the oldest one that is kept, or from now on.
    ///
    /// # Errors
    /// When nothing is in force, or the rings cannot be mapped.
    pub fn events_from(&self, begin: Begin) -> Result<Events> {
        Events::new(self.clone(), begin)
    }
}

/// A reader of the instance that is in force now.
fn reader(instance: &Instance, begin: Begin) -> Result<EventReader<Open>> {
    let open = instance.open()?;
    let namespace = instance.namespace();
    Ok(namespace.run(|| open.into_event_reader(begin))??)
}

fn timer() -> nix::Result<TimerFd> {
    let timer = TimerFd::new(
        ClockId::CLOCK_MONOTONIC,
        TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC,
    )?;
    let period = TimeSpec::from_duration(PERIOD);
    timer.set(Expiration::Interval(period), TimerSetTimeFlags::empty())?;
    Ok(timer)
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.try_next() {
                Ok(None) if self.ended => return None,
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => return Some(Err(error)),
            }
            if let Err(error) = self.wait(None) {
                return Some(Err(error));
            }
        }
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
