//! The traffic of a case: connections, the policy, and measurements while they run.

use super::{
    actors::Actor,
    case::{Attach, Case, Moment, word},
    outside::{Installed, XdpPeers},
    seen::{self, MEASURE, Seen},
};
use crate::live::{Bed, seconds};
use emptcp_lab::{BulkReport, End, Host, RunningBulk};
use emptcp_packet::{ApplyOptions, Instance, event_reader::Begin, events::Event, instance::DEFAULT};
use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The start of a policy in mid-transfer, in seconds.
const BEFORE: f64 = 1.5;

/// How long the first path is unplugged: longer than a retransmission time-out.
const UNPLUGGED: f64 = 2.5;

/// Longer than any case takes on a busy machine: the transfers are stopped.
const LONGEST: f64 = 50.0;

fn time_of_day() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

/// The clock of events.
fn monotonic() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map(Duration::from).unwrap_or_default()
}

/// The policy file of a case.
pub fn policy(actor: &Actor, case: &Case, action: &str) -> String {
    let devices = if actor.whole {
        r#""path1", "path2""#
    } else {
        r#""path2""#
    };
    let hook = match case.place.is_egress() {
        _ if actor.both_hooks => r#"["ingress", "egress"]"#,
        true => r#""egress""#,
        false => r#""ingress""#,
    };
    let attach = match case.attach {
        Attach::Tc => String::new(),
        attach => format!("attach = \"{}\"\n", word(&attach)),
    };
    let when = match actor.when {
        "" => String::new(),
        when => format!("when = '{when}'\n"),
    };
    format!("[[policy]]\nname = \"truth\"\ndevice = [{devices}]\nhook = {hook}\n{attach}{when}do = ['{action}']\n")
}

/// Applies a policy that must be refused before any change. Returns the error.
pub fn refusal(bed: &Bed, case: &Case, text: &str) -> Option<String> {
    let plan = match emptcp_plan::compile("truth.toml", text, &bed.catalog.manifests()) {
        Ok(plan) => plan,
        Err(mistakes) => return Some(mistakes.to_string()),
    };
    let apply = || emptcp_packet::apply(DEFAULT, &plan, text, &bed.catalog, &ApplyOptions::default());
    let host = seen::host(bed, case.place);
    let error = host
        .run(apply)
        .expect("the namespace")
        .err()
        .map(|error| error.to_string());
    if error.is_none() {
        bed.remove(host);
    }
    error
}

/// Removes the policy, at the latest on drop.
struct InForce<'a>(Option<(&'a Bed, &'a Host)>);

impl InForce<'_> {
    fn end(&mut self) {
        if let Some((bed, at)) = self.0.take() {
            bed.remove(at);
        }
    }
}

impl Drop for InForce<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

/// Waits until every connection has ended, or the time is over. Returns the time of each end.
fn ends(transfers: &[RunningBulk], limit: f64) -> Vec<Option<f64>> {
    let begin = Instant::now();
    let mut ended = vec![None; transfers.len()];
    while begin.elapsed() < seconds(limit) && ended.contains(&None) {
        for (transfer, ended) in transfers.iter().zip(&mut ended) {
            if ended.is_none() && transfer.is_finished() {
                *ended = Some(transfer.elapsed().as_secs_f64());
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    ended
}

/// The report of a connection that ended early.
fn remains(transfer: RunningBulk, ended: Option<f64>) -> (BulkReport, Option<(String, f64)>) {
    let [client, server] = [End::Client, End::Server].map(|end| transfer.series(end));
    let outcome = transfer.finish();
    let report = BulkReport {
        upload: None,
        download: None,
        // A connection that was reset counts as plain TCP from then on.
        fallback: false,
        client,
        server,
    };
    match (outcome, ended) {
        (Err(error), Some(after)) => (report, Some((error.to_string(), after))),
        _ => (report, None),
    }
}

/// All stored events, until no new one comes for half a second.
fn events(at: &Host) -> Result<(Vec<Event>, u64), String> {
    let read = || -> emptcp_packet::Result<(Vec<Event>, u64)> {
        let instance = Instance::open(DEFAULT)?;
        let mut reader = instance.event_reader(Begin::Kept)?;
        let (mut events, mut missed) = (Vec::new(), 0);
        loop {
            let before = events.len();
            missed += reader.read(Duration::from_millis(500), |event| events.push(event))?;
            if events.len() == before {
                return Ok((events, missed));
            }
        }
    };
    at.run(read)
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

/// Runs the traffic of a case, `bare` without its policy. An error is a fault of the traffic: wrong bytes, or none.
///
/// # Errors
/// The error of a transfer.
///
/// # Panics
/// When the policy is refused, or the lab fails.
pub fn run<'a>(
    bed: &'a Bed,
    actor: &'a Actor,
    case: &Case,
    connections: usize,
    bare: bool,
) -> Result<Seen<'a>, String> {
    for host in bed.hosts() {
        for (name, value) in case.scale.sysctls() {
            host.set_sysctl(name, value).expect("a sysctl");
        }
    }
    let at = seen::host(bed, case.place);
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let sends_back = case.attach == Attach::XdpNative && actor.action.starts_with("reset");
    let _peers = sends_back.then(|| XdpPeers::set_up(bed)).transpose()?;
    let outside = Installed::set_up(bed, case, actor.outside)?;
    let before = bed.hosts().map(|host| host.mib().expect("counters"));
    let capture = if actor.capture {
        seen::capture(bed, case.place, folder.path())
    } else {
        None
    };
    let text = policy(actor, case, actor.action);
    let from_the_beginning = case.moment == Moment::Before;
    let mut in_force = InForce(None);
    if bare {
        eprintln!("without the policy:\n{text}");
    } else if from_the_beginning {
        bed.apply(at, &text);
        in_force.0 = Some((bed, at));
    } else if !actor.first.is_empty() {
        bed.apply(at, &policy(actor, case, actor.first));
        in_force.0 = Some((bed, at));
    }
    // Connections of the previous case may still be closing.
    let begin = time_of_day();
    let (mut transfers, mut begun_ns) = (Vec::new(), Vec::new());
    for index in 0..connections {
        let bulk = bed.lab.bulk().duration(seconds(LONGEST)).limit(seconds(LONGEST + 10.0));
        let bulk = bulk.direction(case.traffic.direction()).version(case.version());
        let started = bulk.seed(index as u64 + 1).start();
        let started = started.map_err(|error| error.to_string())?;
        begun_ns.push(monotonic().saturating_sub(started.elapsed()).as_nanos() as u64);
        transfers.push(started);
    }
    thread::sleep(seconds(BEFORE));
    let sockets = crate::live::shell(bed.lab.client(), "ss -tinH state established");
    if !bare && !from_the_beginning {
        bed.apply(at, &text);
        in_force.0 = Some((bed, at));
    }
    let since = time_of_day() + 0.2;
    let applied: Vec<f64> = transfers
        .iter()
        .map(|transfer| transfer.elapsed().as_secs_f64())
        .collect();
    if actor.unplug {
        bed.lab.path(0).set_carrier(false).expect("the path");
        thread::sleep(seconds(UNPLUGGED));
        bed.lab.path(0).set_carrier(true).expect("the path");
        thread::sleep(seconds(actor.settles(case) - UNPLUGGED));
    }
    // Packets that passed the hook before the policy came are on their way.
    thread::sleep(seconds(0.2));
    let classes = outside.packets()?;
    let rest = if actor.unplug {
        MEASURE
    } else {
        actor.settles(case) + MEASURE
    };
    let mut ended = vec![None; transfers.len()];
    if actor.ends {
        ended = ends(&transfers, rest);
    } else {
        thread::sleep(seconds(rest));
    }
    let classes = {
        let after = outside.packets()?;
        [after[0] - classes[0], after[1] - classes[1]]
    };
    let last = time_of_day();
    transfers.iter().for_each(RunningBulk::stop);
    if !actor.events {
        // Data that a policy holds back may arrive late; the payload is still compared to its end.
        in_force.end();
    }
    let mut all = Vec::new();
    let mut seen_by_applications = Vec::new();
    for ((transfer, applied), ended) in transfers.into_iter().zip(applied).zip(ended) {
        let (report, ended) = if actor.ends {
            remains(transfer, ended)
        } else {
            (transfer.finish().map_err(|error| error.to_string())?, None)
        };
        all.push((report, applied));
        seen_by_applications.push(ended);
    }
    let events = if actor.events && !bare {
        events(at)?
    } else {
        Default::default()
    };
    in_force.end();
    drop(outside);
    let capture = capture.map(|capture| capture.stop().expect("the capture"));
    let after = bed.hosts().map(|host| host.mib().expect("counters"));
    Ok(Seen {
        bed,
        actor,
        case: *case,
        transfers: all,
        mib: [after[0].since(&before[0]), after[1].since(&before[1])],
        capture: capture.map(|file| (file, [if from_the_beginning { begin } else { since }, last])),
        sockets,
        classes,
        events,
        begun_ns,
        ended: seen_by_applications,
        _folder: folder,
    })
}
