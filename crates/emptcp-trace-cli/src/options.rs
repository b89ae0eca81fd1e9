//! Options of the analysis that the subcommands share.

use crate::reading::Reading;
use clap::{Args, ValueEnum};
use emptcp_trace::{Analyzer, Order, Settings, Span};
use std::num::NonZeroUsize;

/// How to analyse.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct AnalysisOptions {
    /// A connection ends after this time without a packet
    #[arg(long, value_name = "SECONDS", default_value_t = 5000.0, value_parser = seconds)]
    idle: f64,
    /// Sort packets by time before the analysis; `auto`: when a capture has several interfaces
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    reorder: Reorder,
    /// Threads for one trace: with 2 or more, one reads and decodes while another analyses [default: one for each
    /// processor]
    #[arg(long, value_name = "NUMBER")]
    threads: Option<NonZeroUsize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reorder {
    Auto,
    Always,
    Never,
}

impl AnalysisOptions {
    /// The analysis of what is read. A pipe is read by the same thread unless several were asked for, since a packet is
    /// analysed when it comes.
    pub(crate) fn analyzer(self, reading: Reading, settings: Settings) -> Analyzer<Reading> {
        let threads = self.threads.map_or_else(
            || match reading.is_from_pipe() {
                true => 1,
                false => std::thread::available_parallelism().map_or(1, usize::from),
            },
            usize::from,
        );
        if threads > 1 {
            Analyzer::ahead(reading, settings)
        } else {
            Analyzer::with_settings(reading, settings)
        }
    }

    /// The same, where the processors are taken by other traces: one thread unless several were asked for.
    pub(crate) fn one_of_many(mut self) -> Self {
        self.threads = self.threads.or(NonZeroUsize::new(1));
        self
    }

    /// The settings that follow.
    pub(crate) fn settings(self) -> Settings {
        Settings {
            idle: Span((self.idle * 1e9) as i64),
            order: match self.reorder {
                Reorder::Auto => Order::Auto,
                Reorder::Always => Order::ByTime,
                Reorder::Never => Order::AsCaptured,
            },
            ..Settings::default()
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e9 => Ok(seconds),
        _ => Err("must be a number of seconds above 0, such as 30 or 0.5".to_owned()),
    }
}
