//! `emptcp trace`.

use anyhow::Result;
use clap::Args;
use emptcp_trace_cli::TraceCommand;

/// Say what happened in the MPTCP connections of a capture
#[derive(Args, Debug)]
#[command(
    long_about = "Say what happened in the MPTCP connections of a capture: pcap and pcapng files, or packets as they pass. Both \
        versions of MPTCP. Captures are read as a stream, so their length does not matter.",
    after_long_help = "\
Examples:
  emptcp trace analyze capture.pcap
  emptcp trace analyze --parquet tables day*.pcap.zst"
)]
pub(crate) struct Trace {
    #[command(subcommand)]
    command: TraceCommand,
}

impl Trace {
    pub(crate) fn run(self) -> Result<()> {
        emptcp_trace_cli::run(self.command)
    }
}
