//! State and options that all commands share.

use crate::document::Document;
use anstyle::{AnsiColor, Style};
use anyhow::{Context, Result};
use clap::Args;
use emptcp::{Instance, Namespace};
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();
/// For good results and new policies.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// For bad results and removed policies.
pub(crate) const RED: Style = AnsiColor::Red.on_default();
/// The word `error`.
pub(crate) const BOLD_RED: Style = AnsiColor::Red.on_default().bold();
/// For changes and warnings.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// For details.
pub(crate) const DIM: Style = Style::new().dimmed();

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Work in another network namespace: a name of `ip netns`, a path or a process id
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) netns: Option<String>,
    /// The set of policies to work on; several can be in force on different devices [default: default]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Log each step to stderr, and show whole verifier logs; twice: log everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// One run of the command.
#[derive(Debug)]
pub(crate) struct Session {
    global: Global,
}

impl Session {
    /// Starts logging.
    pub(crate) fn new(global: Global) -> Result<Self> {
        let level = match global.verbose {
            0 => "warn",
            1 => "debug",
            _ => "trace",
        };
        let filter: Targets = std::env::var("EMPTCP_LOG")
            .unwrap_or_else(|_| level.to_owned())
            .parse()
            .context("EMPTCP_LOG")?;
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
        tracing_subscriber::registry().with(lines).with(filter).init();
        Ok(Self { global })
    }

    /// Whether the user wants JSON.
    pub(crate) fn wants_json(&self) -> bool {
        self.global.json
    }

    /// The network namespace that the user named, or this one.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub(crate) fn namespace(&self) -> emptcp::Result<Namespace> {
        namespace(self.global.netns.as_deref())
    }

    /// The network namespace that the user named.
    pub(crate) fn netns(&self) -> Option<&str> {
        self.global.netns.as_deref()
    }

    /// The instance that the user named.
    pub(crate) fn named_instance(&self) -> Option<&str> {
        self.global.instance.as_deref()
    }

    /// The instance to work on, in the network namespace of the user's choice.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub(crate) fn instance(&self) -> emptcp::Result<Instance> {
        Ok(self
            .namespace()?
            .instance(self.named_instance().unwrap_or(Instance::DEFAULT)))
    }

    /// The instances to work on: the one that the user named, or all of the namespace.
    ///
    /// # Errors
    /// When there is no such namespace, or bpffs cannot be read.
    pub(crate) fn instances(&self) -> emptcp::Result<Vec<Instance>> {
        let namespace = self.namespace()?;
        match self.named_instance() {
            Some(name) => Ok(vec![namespace.instance(name)]),
            None => namespace.instances(),
        }
    }

    /// Prints text; colours are removed unless the terminal wants them.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Warns on standard error, beside an answer in text or in JSON.
    pub(crate) fn warn(&self, what: &dyn Display) {
        // Failures to write to stderr cannot be reported.
        let _ = writeln!(anstream::stderr(), "{YELLOW}warning:{YELLOW:#} {what}");
    }

    /// Prints text as it is.
    pub(crate) fn print_raw(&self, text: &str) -> io::Result<()> {
        plain(text)
    }

    /// Prints a JSON document over several lines.
    pub(crate) fn print_json(&self, value: &impl Serialize) -> Result<()> {
        Ok(self.print_document(value, true)?)
    }

    /// Streams a JSON document: over several lines (`pretty`) or on one.
    pub(crate) fn print_document(&self, document: &dyn Document, pretty: bool) -> io::Result<()> {
        document.write(&mut io::stdout().lock(), pretty)
    }

    /// Prints a JSON document on one line.
    pub(crate) fn print_json_line(&self, value: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_string(value)?;
        text.push('\n');
        Ok(plain(&text)?)
    }
}

/// The network namespace that a user names, or this one.
pub(crate) fn namespace(name: Option<&str>) -> emptcp::Result<Namespace> {
    name.map_or_else(Namespace::current, Namespace::find)
}

fn plain(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
