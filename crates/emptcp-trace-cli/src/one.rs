//! What the commands about one connection share: reading up to its end, and the error when it does not exist.

use crate::options::AnalysisOptions;
use crate::reading::{Bar, Interrupt, Reading, is_interruption};
use anyhow::{Context, bail};
use clap::Args;
use emptcp_trace::record::{Connection, End};
use emptcp_trace::source::Files;
use emptcp_trace::{ConnectionId, Event, Settings, Source, Watch, source};
use std::path::PathBuf;

/// Connections that the error lists when the requested one does not exist.
const NAMED: usize = 8;

/// Which connection of which capture.
#[derive(Args, Clone, Debug)]
pub(crate) struct OneConnection {
    /// Capture files (pcap or pcapng, also compressed by gzip or zstd), read as one stream; "-" is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The number of the connection, as "analyze" shows it; 0 is the first
    #[arg(short, long, value_name = "N", default_value_t = 0)]
    pub(crate) connection: u64,
    #[command(flatten)]
    analysis: AnalysisOptions,
}

impl OneConnection {
    /// Its number.
    pub(crate) fn id(&self) -> ConnectionId {
        ConnectionId(self.connection)
    }

    /// How it is analysed.
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            watch: Watch::Connection(self.id()),
            ..self.analysis.settings()
        }
    }

    /// Reads the files until the connection ends, passes its events to `observe`, and returns its record.
    pub(crate) fn read(&self, observe: impl FnMut(&Event) -> anyhow::Result<()>) -> anyhow::Result<Box<Connection>> {
        self.read_from(source::open(&self.files)?, observe)
    }

    /// The same, from files that are open.
    pub(crate) fn read_from(
        &self,
        files: Files,
        mut observe: impl FnMut(&Event) -> anyhow::Result<()>,
    ) -> anyhow::Result<Box<Connection>> {
        let settings = self.settings();
        let interrupt = Interrupt::new().context("cannot watch for Ctrl-C")?;
        let bar = Bar::new(files.progress().bytes_total, false);
        let mut found = None;
        let mut others = Others::default();
        let name = files.name();
        let reading = Reading::new(files, &bar, &interrupt);
        for event in self.analysis.analyzer(reading, settings) {
            let event = match event {
                Ok(event) => event,
                // The packets before the damage are valid: report them.
                Err(error) if found.is_some() && !is_interruption(&error) => {
                    eprintln!(
                        "warning: the capture is damaged; the output covers the packets before the damage: {error}"
                    );
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            observe(&event)?;
            match event {
                Event::Connection(connection) if connection.conn_id == self.id() => {
                    let at_the_end = connection.end == End::Eot;
                    found = Some(connection);
                    if !at_the_end {
                        break;
                    }
                }
                Event::Connection(connection) => others.add(&connection),
                _ => {}
            }
        }
        bar.clear();
        match found {
            Some(connection) => Ok(connection),
            None => others.no_such_connection(&name, self.id()),
        }
    }
}

/// Connections other than the requested one.
#[derive(Default)]
struct Others {
    number: u64,
    first: Vec<String>,
}

impl Others {
    fn add(&mut self, connection: &Connection) {
        self.number += 1;
        // They come in the order of their ends.
        self.first.push(format!(
            "  {:>6}  {} -> {}, port {}, {} bytes",
            connection.conn_id, connection.client, connection.server, connection.port, connection.size
        ));
        if self.first.len() > 4 * NAMED {
            self.first.sort();
            self.first.truncate(NAMED);
        }
    }

    fn no_such_connection<T>(mut self, name: &str, asked: ConnectionId) -> anyhow::Result<T> {
        self.first.sort();
        self.first.truncate(NAMED);
        let list = self.first.join("\n");
        match self.number {
            0 => bail!("{name} has no Multipath TCP connection: it contains no SYN with MP_CAPABLE"),
            1 => bail!("{name} has no connection {asked}, only this one:\n{list}"),
            number if number as usize <= NAMED => {
                bail!("{name} has no connection {asked}, only these {number}:\n{list}")
            }
            number => bail!("{name} has no connection {asked}, but {number} others; the first are\n{list}"),
        }
    }
}
