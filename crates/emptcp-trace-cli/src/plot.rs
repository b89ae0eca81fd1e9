//! `emptcp trace plot`: pictures of one connection.

use crate::one::OneConnection;
use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use emptcp_trace::{Direction, Span};
use emptcp_trace_report::chart::to_png;
use emptcp_trace_report::output::Draft;
use emptcp_trace_report::plot::{Collector, Picture, Quantity, Section, Xplot, stem};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Pixels of the PNG for each pixel of the SVG: sharp on screens with a high resolution.
const SCALE: f32 = 2.0;

/// Arguments of `plot`.
#[derive(Args, Debug)]
pub struct PlotArguments {
    #[command(flatten)]
    one: OneConnection,
    /// Where to write: a folder, or one picture (.svg or .png)
    #[arg(short, long, value_name = "PATH", default_value = ".")]
    output: PathBuf,
    /// Direction of the data [default: both; for one picture, that with more data; rtt has both in one]
    #[arg(long)]
    direction: Option<DirectionChoice>,
    /// What to draw [default: all; for one picture, dsn]
    #[arg(long, value_delimiter = ',')]
    what: Vec<Subject>,
    /// Start here, in seconds after the first packet
    #[arg(long, value_name = "SECONDS", value_parser = span)]
    from: Option<Span>,
    /// Stop here, in seconds after the first packet
    #[arg(long, value_name = "SECONDS", value_parser = span)]
    to: Option<Span>,
    /// Write PNG instead of SVG to the folder
    #[arg(long)]
    png: bool,
    /// Write files for xplot and jPlot (.xpl) to the folder instead: exact for every packet, without throughput
    #[arg(long, conflicts_with = "png")]
    xplot: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DirectionChoice {
    /// Client to server; `c2s` means the same
    #[value(name = "to-server", alias = "c2s")]
    C2s,
    /// Server to client; `s2c` means the same
    #[value(name = "to-client", alias = "s2c")]
    S2c,
    /// Both
    Both,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Subject {
    /// Data sequence numbers
    Dsn,
    /// Throughput of each subflow
    Throughput,
    /// Round-trip times
    Rtt,
    /// Bytes in flight and the receiver's window
    Window,
}

impl Subject {
    fn what(self) -> Quantity {
        match self {
            Self::Dsn => Quantity::Dsn,
            Self::Throughput => Quantity::Throughput,
            Self::Rtt => Quantity::Rtt,
            Self::Window => Quantity::Window,
        }
    }
}

fn span(text: &str) -> Result<Span, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e9).contains(&seconds) => Ok(Span((seconds * 1e9) as i64)),
        _ => Err("must be a number of seconds, 0 or more, such as 3 or 0.25".to_owned()),
    }
}

pub(crate) fn run(arguments: &PlotArguments) -> anyhow::Result<()> {
    if let (Some(from), Some(to)) = (arguments.from, arguments.to)
        && from >= to
    {
        bail!("--from {} is not before --to {}", from.seconds(), to.seconds());
    }
    match image(&arguments.output) {
        Some(image) if !arguments.output.is_dir() => one_picture(arguments, image),
        _ if arguments.output.exists() && !arguments.output.is_dir() => {
            bail!(
                "{} is not a folder, and its name does not end in .svg or .png",
                arguments.output.display()
            )
        }
        _ if arguments.xplot => xplot(arguments),
        _ => folder(arguments),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Image {
    Svg,
    Png,
}

/// The format by the file's extension.
fn image(path: &Path) -> Option<Image> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "svg" => Some(Image::Svg),
        "png" => Some(Image::Png),
        _ => None,
    }
}

impl PlotArguments {
    fn section(&self) -> Section {
        Section {
            from: self.from,
            to: self.to,
        }
    }

    fn directions(&self) -> Vec<Direction> {
        match self.direction {
            Some(DirectionChoice::C2s) => vec![Direction::ClientToServer],
            Some(DirectionChoice::S2c) => vec![Direction::ServerToClient],
            Some(DirectionChoice::Both) | None => Direction::BOTH.to_vec(),
        }
    }

    /// Whether the picture has both directions: round-trip times, unless one direction is asked for.
    fn has_both(&self, what: Quantity) -> bool {
        what == Quantity::Rtt && matches!(self.direction, None | Some(DirectionChoice::Both))
    }

    fn subjects(&self) -> Vec<Quantity> {
        if self.what.is_empty() {
            return Quantity::ALL.to_vec();
        }
        let mut subjects: Vec<_> = self.what.iter().map(|subject| subject.what()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    fn collect(&self) -> anyhow::Result<Collector> {
        let mut collector = Collector::new(self.one.id(), self.section());
        let connection = self.one.read(|event| {
            collector.observe(event);
            Ok(())
        })?;
        if collector.is_empty() {
            let id = self.one.id();
            bail!(
                "connection {id} has no packet between --from and --to: it lasts {}",
                connection.dur
            );
        }
        Ok(collector)
    }
}

fn write(path: &Path, picture: &Picture, image: Image) -> anyhow::Result<()> {
    let svg = picture.chart.to_svg();
    let mut draft = Draft::create(path)?;
    match image {
        Image::Svg => draft.write_all(svg.as_bytes())?,
        Image::Png => draft.write_all(&to_png(&svg, SCALE)?)?,
    }
    report_written(&draft.finish()?);
    Ok(())
}

fn report_written(path: &Path) {
    eprintln!("{}", path.display());
}

fn one_picture(arguments: &PlotArguments, image: Image) -> anyhow::Result<()> {
    if arguments.xplot {
        bail!("--xplot writes several files: name a folder with --output");
    }
    let what = match arguments.what.as_slice() {
        [] => Quantity::Dsn,
        [one] => one.what(),
        several => bail!(
            "{} pictures do not fit into one file: name a folder with --output",
            several.len()
        ),
    };
    let collector = arguments.collect()?;
    let direction = match arguments.direction {
        Some(DirectionChoice::C2s) => Direction::ClientToServer,
        Some(DirectionChoice::S2c) => Direction::ServerToClient,
        Some(DirectionChoice::Both) if what == Quantity::Rtt => collector.main_direction(),
        Some(DirectionChoice::Both) => bail!("two directions do not fit into one file: name a folder with --output"),
        None => collector.main_direction(),
    };
    let one_way = || collector.picture(what, direction);
    let picture = if arguments.has_both(what) {
        collector.round_trips()
    } else {
        one_way()
    };
    let picture = picture.with_context(|| {
        format!(
            "connection {} has no data from {} to draw",
            arguments.one.id(),
            direction.sender()
        )
    })?;
    write(&arguments.output, &picture, image)
}

fn folder(arguments: &PlotArguments) -> anyhow::Result<()> {
    let collector = arguments.collect()?;
    let mut pictures = Vec::new();
    for what in arguments.subjects() {
        if arguments.has_both(what) {
            pictures.extend(collector.round_trips());
            continue;
        }
        for direction in arguments.directions() {
            pictures.extend(collector.picture(what, direction));
        }
    }
    if pictures.is_empty() {
        bail!("connection {} has no data to draw", arguments.one.id());
    }
    create_folder(&arguments.output)?;
    for picture in &pictures {
        let (extension, image) = if arguments.png {
            ("png", Image::Png)
        } else {
            ("svg", Image::Svg)
        };
        let name = format!(
            "{}.{extension}",
            stem(picture.connection, picture.quantity, picture.direction)
        );
        write(&arguments.output.join(name), picture, image)?;
    }
    Ok(())
}

fn create_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))
}

fn xplot(arguments: &PlotArguments) -> anyhow::Result<()> {
    let existed = arguments.output.exists();
    create_folder(&arguments.output)?;
    let create = |name: &str| Draft::create(arguments.output.join(name));
    let mut xplot = Xplot::new(
        arguments.one.id(),
        arguments.section(),
        &arguments.directions(),
        &arguments.subjects(),
        create,
    );
    let read = arguments.one.read(|event| Ok(xplot.observe(event)?));
    let written = read.and_then(|_| {
        let drafts = xplot.finish()?;
        if drafts.is_empty() {
            bail!("connection {} has nothing to draw", arguments.one.id());
        }
        drafts.into_iter().try_for_each(|draft| {
            report_written(&draft.finish()?);
            Ok(())
        })
    });
    if written.is_err() && !existed {
        // Fails when the folder is not empty, which is intended.
        let _ = fs::remove_dir(&arguments.output);
    }
    written
}
