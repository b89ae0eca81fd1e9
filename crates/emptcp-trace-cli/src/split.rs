//! `emptcp trace split`: writes one connection to a separate capture.

use crate::one::OneConnection;
use anyhow::{Context, bail};
use clap::Args;
use emptcp_trace::source::{self, Files};
use emptcp_trace::split::{Format, Selection, SplitError};
use emptcp_trace_report::output::Draft;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

/// Arguments of `split`.
#[derive(Args, Debug)]
pub struct SplitArguments {
    #[command(flatten)]
    one: OneConnection,
    /// The file to write: pcap, or pcapng for names with .pcapng; compressed when the name ends in .gz or .zst
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Overwrite the file when it exists
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(arguments: &SplitArguments) -> anyhow::Result<()> {
    let output = &arguments.output;
    if output.exists() && !arguments.force {
        bail!("{} exists; --force overwrites it", output.display());
    }
    let input = Input::new(&arguments.one.files)?;
    let mut selection = Selection::new(arguments.one.id());
    arguments.one.read_from(input.open()?, |event| {
        selection.observe(event);
        Ok(())
    })?;
    let format = format_of(output);
    let written = write(arguments, &input, &selection, format);
    let written = match written {
        Err(error) if matches!(error.downcast_ref(), Some(SplitError::SeveralLinkTypes { .. })) => {
            eprintln!(
                "note: connection {}: {error}; {} is written as pcapng",
                arguments.one.id(),
                output.display()
            );
            write(arguments, &input, &selection, Format::Pcapng)
        }
        written => written,
    };
    let path = written.with_context(|| format!("{} was not written", output.display()))?;
    let packets = selection.packets();
    let plural = if packets == 1 { "" } else { "s" };
    eprintln!(
        "{packets} packet{plural} of connection {} in {}",
        arguments.one.id(),
        path.display()
    );
    Ok(())
}

/// The name without the extension of the compression, and that extension.
fn packing(path: &Path) -> (&Path, Option<&str>) {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some(packing @ ("gz" | "zst")) => (path.file_stem().map_or(path, Path::new), Some(packing)),
        _ => (path, None),
    }
}

fn format_of(path: &Path) -> Format {
    let (name, _) = packing(path);
    match name.extension() {
        Some(extension) if extension == "pcapng" => Format::Pcapng,
        _ => Format::Pcap,
    }
}

fn write(arguments: &SplitArguments, input: &Input, selection: &Selection, format: Format) -> anyhow::Result<PathBuf> {
    let mut draft = Draft::create(&arguments.output)?;
    let settings = arguments.one.settings();
    let source = input.open()?;
    match packing(&arguments.output).1 {
        Some("gz") => {
            let mut packed = flate2::write::GzEncoder::new(&mut draft, flate2::Compression::default());
            selection.copy(source, &settings, format, &mut packed)?;
            packed.finish()?;
        }
        Some(_) => {
            let mut packed = zstd::Encoder::new(&mut draft, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            selection.copy(source, &settings, format, &mut packed)?;
            packed.finish()?;
        }
        None => selection.copy(source, &settings, format, &mut draft)?,
    }
    draft.flush()?;
    if arguments.output.exists() && !arguments.force {
        bail!("another process created it meanwhile; --force overwrites it");
    }
    Ok(draft.finish()?)
}

/// A capture that is read twice.
enum Input {
    /// Files.
    Files(Vec<PathBuf>),
    /// The standard input, copied to an unnamed temporary file.
    Spooled(File),
}

impl Input {
    fn new(files: &[PathBuf]) -> anyhow::Result<Self> {
        let is_standard_input = |path: &PathBuf| path.as_os_str() == "-";
        match files {
            [only] if is_standard_input(only) => {
                let mut file = tempfile::tempfile().context(
                    "cannot store the standard input in a temporary file, which is needed because it is read twice",
                )?;
                io::copy(&mut io::stdin().lock(), &mut file)
                    .context("cannot copy the standard input to a temporary file")?;
                Ok(Self::Spooled(file))
            }
            files if files.iter().any(is_standard_input) => {
                bail!(
                    "`split` reads its input twice, so the standard input cannot be one of several captures: save it to a file first"
                )
            }
            files => Ok(Self::Files(files.to_vec())),
        }
    }

    fn open(&self) -> anyhow::Result<Files> {
        match self {
            Self::Files(files) => Ok(source::open(files)?),
            Self::Spooled(file) => {
                let mut file = file.try_clone().context("the standard input")?;
                file.rewind().context("the standard input")?;
                Ok(source::from_reader("-", file)?)
            }
        }
    }
}
