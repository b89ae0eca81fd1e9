//! Options of the analysis that the subcommands share.

use clap::{Args, ValueEnum};
use emptcp_trace::{Order, Settings, Span};

/// How to analyse.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct AnalysisOptions {
    /// A connection ends after this time without a packet
    #[arg(long, value_name = "SECONDS", default_value_t = 5000.0, value_parser = seconds)]
    idle: f64,
    /// Sort packets by time before the analysis; `auto`: when a capture has several interfaces
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    reorder: Reorder,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reorder {
    Auto,
    Always,
    Never,
}

impl AnalysisOptions {
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
