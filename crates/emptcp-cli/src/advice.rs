//! What to type next: the library reports what went wrong, the command adds what to do about it.

use crate::units;
use emptcp::{BpffsProblem, ErrorKind, HostError, Namespace, NamespaceProblem, PacketError as Error, element};
use nix::errno::Errno;

/// The message of an error, with what to do.
pub(crate) fn in_full(error: &emptcp::Error) -> String {
    match error {
        emptcp::Error::Packet(error) => with_advice(error, &[]),
        error => error.to_string(),
    }
}

/// The same for an error of the packet plane; `others` are the instances that are in force.
pub(crate) fn with_advice(error: &Error, others: &[String]) -> String {
    match advice(error, others) {
        Some(advice) => format!("{error}; {advice}"),
        None => error.to_string(),
    }
}

/// What to do about it.
fn advice(error: &Error, others: &[String]) -> Option<String> {
    let advice = match error {
        Error::Host(error) => return on_the_machine(error),
        Error::UnknownElement(_) => "`emptcp elements` lists those that are installed",
        Error::NoInstance { .. } => match others {
            [first, ..] => return Some(format!("{} in force here: `--instance {first}`", units::listed(others))),
            [] => "`emptcp apply` makes one",
        },
        Error::NothingInForce { .. } => {
            "`emptcp remove` takes away what is left, `emptcp apply` puts policies in force"
        }
        Error::Layout { .. } => {
            "`emptcp apply --replace` puts new tables in their place: what they hold is lost (subflow and connection \
             records, counters, the state of elements such as the buckets of rate_limit); the connections of this \
             host's own sockets are taken over, and no device is without policies in between; to do without emptcp: \
             `emptcp remove`"
        }
        Error::OtherBuild { .. } => {
            "`emptcp apply --replace` puts new policies in its place, `emptcp remove` takes it away"
        }
        // An apply cannot repair what it cannot read.
        Error::State { .. } | Error::NotUndone { .. } if error.kind() == ErrorKind::Damaged => {
            "`emptcp remove` it and apply again"
        }
        Error::NotUndone { fresh: true, .. } => "run `emptcp remove`",
        Error::NotUndone { fresh: false, .. } => "run `emptcp apply`",
        Error::HalfRemoved { .. } => "run `emptcp remove` again when that is fixed",
        Error::NoElement { .. } => "`emptcp sdk FOLDER` writes one to start from",
        Error::Mismatch {
            element, rebuild: true, ..
        } => return Some(format!("`emptcp element install {}` does that", folder_of(element))),
        Error::NoBpffs(problem) => return on_bpffs(problem).map(str::to_owned),
        _ => return None,
    };
    Some(advice.to_owned())
}

/// The folder of an element, if known: an installed one has its source beside its objects.
fn folder_of(element: &str) -> String {
    let installed = element::installed_folder().join(element);
    match installed.is_dir() {
        true => installed.display().to_string(),
        false => "FOLDER".to_owned(),
    }
}

fn on_the_machine(error: &HostError) -> Option<String> {
    let advice = match error {
        HostError::Namespace { problem, .. } => match problem {
            NamespaceProblem::Missing(_) => "`ip netns list` names them",
            NamespaceProblem::NotOne(_) => "`ip netns list` names them, and /proc/PID/ns/net is that of a process",
            _ => return None,
        },
        HostError::Io { .. } if error.errno() == Some(Errno::EACCES as i32) && !nix::unistd::geteuid().is_root() => {
            "run as root"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

/// What to do where bpffs cannot be used.
pub(crate) fn on_bpffs(problem: &BpffsProblem) -> Option<&'static str> {
    matches!(problem, BpffsProblem::Hidden(_)).then_some("leave it and use `--netns NAME` from outside")
}

/// Instances of a network namespace that are in force, without those that cannot be read.
pub(crate) fn others_in_force(namespace: &Namespace, name: &str) -> Vec<String> {
    let others = namespace.instances().unwrap_or_default().into_iter();
    others
        .filter(|other| other.name() != name && other.is_in_force().is_ok_and(|in_force| in_force))
        .map(|other| other.name().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_followed_by_what_to_type() {
        let missing = Error::NoInstance { name: "lab".to_owned() };
        let words = "there is no instance `lab` in this network namespace";
        assert_eq!(missing.to_string(), words);
        assert_eq!(with_advice(&missing, &[]), format!("{words}; `emptcp apply` makes one"));
        let others = ["default".to_owned()];
        assert_eq!(
            with_advice(&missing, &others),
            format!("{words}; `default` is in force here: `--instance default`")
        );
        let old = Error::OtherBuild {
            instance: "lab".to_owned(),
            detail: "another build made it".to_owned(),
        };
        assert!(with_advice(&old, &[]).ends_with("another build made it; `emptcp apply --replace` puts new policies in its place, `emptcp remove` takes it away"));
        let layout = Error::Layout {
            instance: "lab".to_owned(),
            detail: "a table differs".to_owned(),
        };
        for words in ["--replace", "records", "counters", "rate_limit", "`emptcp remove`"] {
            assert!(with_advice(&layout, &[]).contains(words), "{words}");
        }
        let error = emptcp::Error::from(Error::UnknownElement("dorp".to_owned()));
        assert_eq!(
            in_full(&error),
            "there is no element `dorp`; `emptcp elements` lists those that are installed"
        );
    }
}
