//! `rate_limit` on live MPTCP: one subflow of two held at a rate, from the middle of a transfer on, in every mode.

use emptcp::{require, testing::is_root};
use emptcp_lab::{Host, Lab, Path, Rate};
use emptcp_tests::live::{Bed, ROUND_TRIPS, at_server, seconds, shell, two_paths, until};
use std::process::Command;

/// Time before the policy, time of the switch, and time in which the steady state is measured, in seconds.
const BEFORE: f64 = 3.5;
const SWITCH: f64 = 5.0;
const STEADY: f64 = 10.0;

/// Rates asked for, Mbit/s.
const RATES: [f64; 3] = [2.0, 8.0, 20.0];

struct Place<'a> {
    host: &'a Host,
    hook: &'a str,
    mode: &'a str,
}

/// Rates of one measurement, Mbit/s.
struct Measured {
    /// Of the limited subflow, per rate asked for.
    ratio: f64,
    /// Of the other path, per what it had.
    other: f64,
    /// Of the connection in the first seconds, per what it ends with.
    switch: f64,
    /// Packets that got a departure time.
    delayed: u64,
}

/// Limits the subflow on path 2, or the whole connection with `mode=window`, in mid-transfer.
fn limit(bed: &Bed, place: &Place<'_>, rate: f64) -> Measured {
    let whole = place.mode == "window";
    let device = if whole { r#"["path1", "path2"]"# } else { r#""path2""# };
    let policy = format!(
        "[[policy]]\nname = \"cap\"\ndevice = {device}\nhook = \"{}\"\ndo = ['rate_limit rate={rate}mbit mode={}']\n",
        place.hook, place.mode
    );
    let total = BEFORE + SWITCH + STEADY + 3.0;
    let transfer = bed.lab.bulk().duration(seconds(total)).start().unwrap();
    until(&transfer, BEFORE);
    bed.apply(place.host, &policy);
    let applied = transfer.elapsed().as_secs_f64();
    until(&transfer, applied + SWITCH + STEADY + 0.2);
    let series = at_server(&transfer);
    let delayed = bed.counted(place.host, "cap", "rate_limit", "delayed");
    bed.remove(place.host);
    transfer.stop();
    let report = transfer.finish().unwrap();
    assert_eq!(report.upload.unwrap().sent, report.upload.unwrap().received);
    assert!(!report.fallback);

    let before = bed.rates(&series, 1.5, BEFORE);
    let switch = bed.rates(&series, applied, applied + SWITCH);
    let steady = bed.rates(&series, applied + SWITCH, applied + SWITCH + STEADY);
    let held = if whole { steady.sum() } else { steady.0[1] };
    let measured = Measured {
        ratio: held / rate,
        other: steady.0[0] / before.0[0],
        switch: switch.sum() / steady.sum(),
        delayed,
    };
    eprintln!(
        "{:>6} at the {}'s {}, {rate} Mbit/s: {held:.2} ({:.3}); other path {:.1} of {:.1} ({:.3}); \
         connection {:.1} in the first {SWITCH} s, {:.1} then ({:.2})",
        place.mode,
        place.host.role(),
        place.hook,
        measured.ratio,
        steady.0[0],
        before.0[0],
        measured.other,
        switch.sum(),
        steady.sum(),
        measured.switch
    );
    measured
}

fn holds_its_rates(host: fn(&Bed) -> &Host, hook: &str, mode: &str) {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    let place = Place {
        host: host(&bed),
        hook,
        mode,
    };
    assert_eq!(holds_its_rates_at(&bed, &place), 0, "there is no fq");
    if mode == "shape" {
        let list = shell(host(&bed), "tc qdisc show dev path2");
        assert!(!list.contains("htb") && !list.contains("bfifo"), "left behind: {list}");
    }
}

/// Returns how many packets got a departure time.
fn holds_its_rates_at(bed: &Bed, place: &Place<'_>) -> u64 {
    let mode = place.mode;
    let mut delayed = 0;
    for rate in RATES {
        let measured = limit(bed, place, rate);
        delayed += measured.delayed;
        assert!(
            (0.90..=1.05).contains(&measured.ratio),
            "{rate} Mbit/s: {:.3} of what was asked",
            measured.ratio
        );
        assert!(
            measured.switch >= 0.6,
            "{rate} Mbit/s: {:.2} of the final rate during the switch",
            measured.switch
        );
        if mode != "window" {
            assert!(
                measured.other >= 0.95,
                "{rate} Mbit/s: the other path has {:.3} of its rate",
                measured.other
            );
        }
    }
    bed.assert_clean("rate_limit");
    delayed
}

#[test]
fn police_at_the_receiver_holds_a_subflow_at_its_rate() {
    holds_its_rates(|bed| bed.lab.server(), "ingress", "police");
}

#[test]
fn police_at_the_sender_holds_a_subflow_at_its_rate() {
    holds_its_rates(|bed| bed.lab.client(), "egress", "police");
}

#[test]
fn shape_at_the_sender_holds_a_subflow_at_its_rate() {
    holds_its_rates(|bed| bed.lab.client(), "egress", "shape");
}

/// Gives the path that is limited the queueing discipline fq; whether this kernel has it.
fn with_fq(host: &Host) -> bool {
    let add = ["qdisc", "add", "dev", "path2", "root", "fq"];
    host.run(|| Command::new("tc").args(add).output())
        .unwrap()
        .unwrap()
        .status
        .success()
}

fn departure_times_hold_a_subflow_at_its_rate(mode: &str) {
    require!(is_root(), "this test makes network namespaces");
    // Slower paths than elsewhere: kernels that have fq are met in virtual machines, on emulated processors.
    let paths = ROUND_TRIPS
        .into_iter()
        .fold(Lab::builder(), |lab, rtt| lab.path(Path::with(Rate::mbit(25), rtt)));
    let Some(bed) = Bed::new(paths) else { return };
    require!(kernel: with_fq(bed.lab.client()), "this kernel has no queueing discipline fq");
    let place = Place {
        host: bed.lab.client(),
        hook: "egress",
        mode,
    };
    let delayed = holds_its_rates_at(&bed, &place);
    assert!(delayed > 1000, "only {delayed} packets got a departure time");
    let list = shell(place.host, "tc -s qdisc show dev path2");
    assert!(
        list.contains(" fq ") && !list.contains("htb"),
        "fq does not stay as it was: {list}"
    );
}

#[test]
fn shape_by_departure_times_holds_a_subflow_at_its_rate() {
    departure_times_hold_a_subflow_at_its_rate("shape");
}

#[test]
fn auto_uses_departure_times_where_the_device_has_fq() {
    departure_times_hold_a_subflow_at_its_rate("auto");
}

#[test]
fn window_at_the_receiver_holds_a_connection_at_its_rate() {
    holds_its_rates(|bed| bed.lab.server(), "egress", "window");
}

#[test]
fn a_subflow_that_begins_under_the_limit_is_held_from_its_first_bytes() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    bed.apply(
        bed.lab.server(),
        "[[policy]]\nname = \"cap\"\ndevice = \"path2\"\nhook = \"ingress\"\ndo = ['rate_limit rate=8mbit mode=police']\n",
    );
    let report = bed.lab.bulk().duration(seconds(8.0)).run().unwrap();
    let (begin, all) = (bed.rates(&report.server, 0.0, 2.0), bed.rates(&report.server, 0.0, 8.0));
    eprintln!("8 Mbit/s from the start: {begin:.1?} Mbit/s in the first 2 s, {all:.1?} in 8 s");
    // What may have been left unused, and the virtual queue, come on top: 0.8 s at the rate.
    assert!(begin.0[1] < 8.0 * 1.4 && all.0[1] < 8.0 * 1.1, "{begin:.1?}, {all:.1?}");
    assert!(all.0[1] > 8.0 * 0.6 && all.0[0] > 35.0, "{all:.1?}");
    bed.assert_clean("rate_limit from the start");
}
