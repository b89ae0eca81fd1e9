//! Reading and decoding ahead of the analysis, in a thread of its own.
//!
//! The thread passes batches of decoded packets through a short queue and gets the emptied ones back, so that memory is
//! bounded and nothing is allocated for a packet. A batch has what the analysis must know besides: the counts of the
//! frames that it was read from, from which packet on they may be out of order, and how it ended. So the analysis does
//! the same as with packets that it reads itself.

use crate::packet::Packet;
use crate::record::Totals;
use crate::{Error, Next, Source, Timestamp};
use std::sync::mpsc::{Receiver, SendError, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Packets in a batch: few enough that a batch stays in the cache of a core.
const PACKETS: usize = 256;
/// Frames that one batch is read from at most: they may have no TCP.
const FRAMES: usize = 4096;
/// Batches that wait for the analysis.
const WAITING: usize = 4;

/// How a batch ended, other than by its length.
#[derive(Debug)]
pub(crate) enum Stop {
    Quiet(Timestamp),
    End,
    Failed(Error),
}

/// The next item.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// A packet, and whether packets may be out of order.
    Packet(&'a Packet, bool),
    Stop(Stop),
}

/// Decoded packets.
#[derive(Debug)]
struct Batch {
    packets: Vec<Packet>,
    /// The first of them that are filled.
    filled: usize,
    /// From this one on they may be out of order.
    unordered_from: usize,
    /// Counts of the frames of this batch.
    totals: Totals,
    stop: Option<Stop>,
}

impl Batch {
    fn new() -> Self {
        Self {
            packets: Vec::new(),
            filled: 0,
            unordered_from: 0,
            totals: Totals::default(),
            stop: None,
        }
    }

    /// Fills it with what `source` has next.
    fn fill(&mut self, source: &mut impl Source) {
        if self.packets.is_empty() {
            self.packets.resize_with(PACKETS, Packet::empty);
        }
        self.filled = 0;
        self.totals = Totals::default();
        self.unordered_from = usize::MAX;
        self.stop = None;
        for _ in 0..FRAMES {
            let Some(packet) = self.packets.get_mut(self.filled) else {
                return;
            };
            self.stop = match source.next() {
                Ok(Next::Frame(frame)) => {
                    if packet.decode(&frame, &mut self.totals) {
                        if self.unordered_from == usize::MAX && source.may_be_unordered() {
                            self.unordered_from = self.filled;
                        }
                        self.filled += 1;
                    }
                    continue;
                }
                Ok(Next::Quiet(now)) => Some(Stop::Quiet(now)),
                Ok(Next::End) => Some(Stop::End),
                Err(error) => Some(Stop::Failed(error)),
            };
            return;
        }
    }

    /// Whether nothing comes after it.
    fn is_last(&self) -> bool {
        matches!(self.stop, Some(Stop::End | Stop::Failed(_)))
    }
}

/// The thread that reads, and the batches that come from it.
#[derive(Debug)]
pub(crate) struct Ahead {
    batch: Batch,
    position: usize,
    /// None: dropped, so that the thread ends.
    batches: Option<Receiver<Batch>>,
    emptied: Option<Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    /// Starts to read `source`; gives it back when the system starts no further thread.
    pub(crate) fn start<S: Source + Send + 'static>(source: S) -> Result<Self, S> {
        let (filled, batches) = sync_channel(WAITING);
        let (emptied, returned) = channel();
        // A closure that is not started is lost with all that it has.
        let (hand_over, take) = channel();
        let run = move || {
            if let Ok(source) = take.recv() {
                read(source, &filled, &returned);
            }
        };
        let Ok(thread) = Builder::new().name("read".to_owned()).spawn(run) else {
            return Err(source);
        };
        if let Err(SendError(source)) = hand_over.send(source) {
            return Err(source);
        }
        Ok(Self {
            batch: Batch::new(),
            position: 0,
            batches: Some(batches),
            emptied: Some(emptied),
            thread: Some(thread),
        })
    }

    /// The next item; the counts of the frames read for it are added to `totals`. Not to be called again after an end
    /// or an error.
    #[inline]
    pub(crate) fn next(&mut self, totals: &mut Totals) -> Item<'_> {
        while self.position >= self.batch.filled {
            if let Some(stop) = self.batch.stop.take() {
                return Item::Stop(stop);
            }
            self.change(totals);
        }
        let position = self.position;
        self.position += 1;
        match self.batch.packets.get(position) {
            Some(packet) => Item::Packet(packet, position >= self.batch.unordered_from),
            None => Item::Stop(Stop::End),
        }
    }

    /// Takes the next batch and gives the last one back.
    #[cold]
    fn change(&mut self, totals: &mut Totals) {
        let next = self.batches.as_ref().and_then(|batches| batches.recv().ok());
        let Some(next) = next else {
            // The thread always sends a last batch, unless it panicked.
            if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
                std::panic::resume_unwind(panic);
            }
            self.batch.stop = Some(Stop::End);
            return;
        };
        totals.merge(&next.totals);
        let last = std::mem::replace(&mut self.batch, next);
        self.position = 0;
        if let Some(emptied) = &self.emptied {
            // After its last batch, the thread takes none back.
            let _ = emptied.send(last);
        }
    }
}

impl Drop for Ahead {
    /// Waits for the thread, which ends at its next batch: nothing of the source is in use afterwards.
    fn drop(&mut self) {
        (self.batches, self.emptied) = (None, None);
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn read<S: Source>(mut source: S, filled: &SyncSender<Batch>, emptied: &Receiver<Batch>) {
    loop {
        let mut batch = emptied.try_recv().unwrap_or_else(|_| Batch::new());
        batch.fill(&mut source);
        let last = batch.is_last();
        // The analysis may have ended before.
        if filled.send(batch).is_err() || last {
            return;
        }
    }
}
