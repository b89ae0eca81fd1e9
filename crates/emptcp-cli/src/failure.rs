//! Reports an error: text on stderr, JSON on stdout, and the exit code.

use crate::{
    advice,
    not_in_force::NotInForce,
    session::{self, BOLD_RED},
};
use emptcp::visible;
use emptcp::{Diagnostics, HostError, Namespace, PacketError as Error, Unreadable, refusal::Refusal};
use nix::errno::Errno;
use serde_json::{Map, Value, json};
use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

/// The command failed.
const FAILURE: u8 = 1;
/// The command line or the policy file is wrong.
const USAGE: u8 = 2;
/// The command has done its work, but could not write the result.
const UNREPORTED: u8 = 3;

/// A command has done its work, but could not write the result.
#[derive(Debug)]
pub(crate) struct Unreported {
    /// What was done.
    pub(crate) done: String,
    /// Why the result could not be written.
    pub(crate) source: anyhow::Error,
}

impl fmt::Display for Unreported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, but the result cannot be written: {:#}", self.done, self.source)
    }
}

impl std::error::Error for Unreported {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}

/// How to report errors.
#[derive(Clone, Debug)]
pub(crate) struct How {
    /// As JSON too.
    pub(crate) json: bool,
    /// With whole verifier logs.
    pub(crate) verbose: u8,
    /// The network namespace that the command worked in, as the user named it.
    pub(crate) netns: Option<String>,
}

/// Reports a wrong command line; also prints help and version.
pub(crate) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    let printed = error.print();
    if !error.use_stderr() || is_broken_pipe(printed.as_ref().err()) {
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        print_json("usage", message, Map::new());
    }
    ExitCode::from(USAGE)
}

/// Reports an error to the user. A closed pipe is not an error.
pub(crate) fn report(error: &anyhow::Error, how: &How) -> ExitCode {
    if error.chain().any(|cause| is_broken_pipe(cause.downcast_ref())) {
        return ExitCode::SUCCESS;
    }
    let ErrorReport {
        kind,
        message,
        code,
        details,
        shown,
    } = error_report(error, session::namespace(how.netns.as_deref()).ok().as_ref());
    let mut stderr = anstream::stderr().lock();
    // Failures to write to stderr cannot be reported.
    if let Some(shown) = shown {
        let _ = writeln!(stderr, "{shown}\n");
    }
    let _ = writeln!(stderr, "{BOLD_RED}error:{BOLD_RED:#} {}", visible(&message));
    if let Some(note) = note(error) {
        let _ = writeln!(stderr, "{note}");
    }
    if let Some(Error::Refused(refusal)) = packet(error) {
        let _ = match how.verbose {
            0 => writeln!(stderr, "the whole log of the verifier: `-v`"),
            _ => writeln!(stderr, "\n{}", visible(&refusal.verifier.log)),
        };
    }
    if how.json {
        print_json(kind, &message, details);
    }
    ExitCode::from(code)
}

fn print_json(kind: &str, message: &str, mut details: Map<String, Value>) {
    details.insert("kind".to_owned(), kind.into());
    details.insert("message".to_owned(), message.into());
    let _ = writeln!(io::stdout().lock(), "{}", json!({ "error": details }));
}

fn is_broken_pipe(error: Option<&io::Error>) -> bool {
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What a command adds to an error by `context`: the consequence for the user.
fn note(error: &anyhow::Error) -> Option<String> {
    error.downcast_ref::<Note>().map(ToString::to_string)
}

/// The consequence of an error, for `context`.
#[derive(Clone, Debug)]
pub(crate) struct Note(pub(crate) String);

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An error, ready to be reported.
struct ErrorReport {
    /// A stable word.
    kind: &'static str,
    message: String,
    code: u8,
    /// More fields for programs.
    details: Map<String, Value>,
    /// Text before the message, for people.
    shown: Option<String>,
}

fn error_report(error: &anyhow::Error, namespace: Option<&Namespace>) -> ErrorReport {
    let simple = |kind, message: String, code| ErrorReport {
        kind,
        message,
        code,
        details: Map::new(),
        shown: None,
    };
    if let Some(error) = error.downcast_ref::<Unreported>() {
        return simple("unreported", error.to_string(), UNREPORTED);
    }
    match error.downcast_ref() {
        Some(emptcp::Error::Policies(diagnostics)) => return policy_file(diagnostics),
        Some(emptcp::Error::Unreadable(unreadable)) => {
            return simple("unreadable", self::unreadable(unreadable), USAGE);
        }
        _ => {}
    }
    if let Some(off) = error.downcast_ref::<NotInForce>() {
        return ErrorReport {
            details: Map::from_iter([("devices".to_owned(), json!(off.0))]),
            shown: Some(off.shown()).filter(|shown| !shown.is_empty()),
            ..simple("not_in_force", off.to_string(), FAILURE)
        };
    }
    let mut report = match packet(error) {
        Some(error) => library(error, namespace),
        None => simple("failure", words(error), FAILURE),
    };
    report.message += lack(&report.message);
    report
}

/// An error with its causes, without those that the text already has.
fn words(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}

/// What to do when too many files are open.
fn lack(message: &str) -> &'static str {
    let says = |number: Errno| message.contains(&format!("(os error {})", number as i32));
    if says(Errno::EMFILE) {
        "; the limit of open files is too low: raise it (`ulimit -n 1024`) and try again"
    } else if says(Errno::ENFILE) {
        "; the system has too many open files: raise the sysctl fs.file-max, or end processes that hold them"
    } else {
        ""
    }
}

/// The error of the packet plane that an error is, if it is one.
fn packet(error: &anyhow::Error) -> Option<&Error> {
    match error.downcast_ref() {
        Some(emptcp::Error::Packet(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

/// An unreadable policy file; the command also reads the standard input.
fn unreadable(error: &Unreadable) -> String {
    match error.source {
        Some(_) if error.why.ends_with("name a policy file") => format!("{error}, or `-` for the standard input"),
        _ => error.to_string(),
    }
}

fn policy_file(diagnostics: &Diagnostics) -> ErrorReport {
    let file = diagnostics.iter().next().map_or("", |first| first.source.as_str());
    let mistakes = match diagnostics.count() {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    ErrorReport {
        kind: "policy_file",
        message: format!("{file}: {mistakes}"),
        code: USAGE,
        details: Map::from_iter([("diagnostics".to_owned(), json!(diagnostics))]),
        shown: Some(diagnostics.to_string()),
    }
}

fn library(error: &Error, namespace: Option<&Namespace>) -> ErrorReport {
    let mut details = Map::new();
    let mut detail = |key: &str, value: Value| {
        details.insert(key.to_owned(), value);
    };
    let mut code = FAILURE;
    let mut others = Vec::new();
    let kind = match error {
        Error::Host(HostError::NotPermitted { .. }) => "not_permitted",
        Error::Host(HostError::Namespace { name, .. }) => {
            detail("netns", json!(name));
            "netns"
        }
        Error::Host(HostError::Io { path, .. }) => {
            detail("path", json!(path));
            match error.errno() {
                Some(errno) if errno == Errno::EACCES as i32 => "not_permitted",
                _ => "io",
            }
        }
        Error::Host(HostError::Kernel { answer, .. }) => {
            detail("errno", json!(answer.errno()));
            "kernel"
        }
        Error::Load(_) => {
            detail("errno", json!(error.errno()));
            "kernel"
        }
        Error::UnknownDevice { policy, device, .. } => {
            detail("policy", json!(policy));
            detail("device", json!(device));
            "unknown_device"
        }
        Error::SameDevice { policy, device, names } => {
            detail("policy", json!(policy));
            detail("device", json!(device));
            detail("names", json!(names));
            code = USAGE;
            "same_device"
        }
        Error::DeviceInUse { device, instance } => {
            detail("device", json!(device));
            detail("instance", json!(instance));
            "device_in_use"
        }
        Error::Attach { device, hook, .. } => {
            detail("device", json!(device));
            detail("hook", json!(hook));
            "attach"
        }
        Error::Conflict { device, .. } => {
            detail("device", json!(device));
            "conflict"
        }
        Error::Refused(refusal) => {
            details = refused(refusal);
            "refused"
        }
        Error::Mismatch { element, .. } => {
            detail("element", json!(element));
            "mismatch"
        }
        Error::UnknownElement(element) => {
            detail("element", json!(element));
            "unknown_element"
        }
        Error::NoProgram {
            policy, element, hook, ..
        } => {
            detail("policy", json!(policy));
            detail("element", json!(element));
            detail("hook", json!(hook));
            "no_program"
        }
        Error::TooMany { wanted, limit, .. } => {
            detail("wanted", json!(wanted));
            detail("limit", json!(limit));
            "too_many"
        }
        Error::NoInstance { name } => {
            others = namespace.map_or_else(Vec::new, |namespace| advice::others_in_force(namespace, name));
            detail("instance", json!(name));
            detail("in_force", json!(others));
            "no_instance"
        }
        Error::NothingInForce { instance } => {
            detail("instance", json!(instance));
            "nothing_in_force"
        }
        Error::BadName(name) => {
            detail("instance", json!(name));
            code = USAGE;
            "usage"
        }
        Error::NoBpffs(_) => "no_bpffs",
        Error::OtherBuild { instance, .. } | Error::State { instance, .. } => {
            detail("instance", json!(instance));
            "state"
        }
        Error::NoElement { folder, .. } => {
            detail("element", json!(folder));
            "element"
        }
        Error::Layout { instance, .. } => {
            detail("instance", json!(instance));
            "layout"
        }
        Error::Element { element, .. } => {
            detail("element", json!(element));
            "element"
        }
        Error::Compile { element, variant, .. } => {
            detail("element", json!(element));
            detail("variant", json!(variant));
            "compile"
        }
        Error::Shape { device, .. } => {
            detail("device", json!(device));
            "shape"
        }
        Error::HalfRemoved { instance, .. } => {
            detail("instance", json!(instance));
            "half_removed"
        }
        _ => "failure",
    };
    ErrorReport {
        kind,
        message: advice::with_advice(error, &others),
        code,
        details,
        shown: None,
    }
}

fn refused(refusal: &Refusal) -> Map<String, Value> {
    let Value::Object(details) = json!({
        "element": refusal.element,
        "policy": refusal.policy,
        "hook": refusal.hook,
        "source": refusal.verifier.source.as_ref().map(|source| json!({ "text": source.text, "place": source.place })),
        "verifier": refusal.verifier.words,
        "hint": refusal.verifier.hint,
        "log": refusal.verifier.log,
    }) else {
        return Map::new();
    };
    details
}
