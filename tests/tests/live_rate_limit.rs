//! `rate_limit` on live MPTCP: one subflow of two held at a rate, from the middle of a transfer on, in every mode.

use emptcp_lab::{End, Host, Lab, Path, Queue, Rate, RunningBulk, TransferDirection};
use emptcp_packet::{require, testing::is_root};
use emptcp_tests::live::{Bed, ROUND_TRIPS, at_server, seconds, shell, two_paths, until};
use std::{fs, process::Command, time::Duration};

/// Time before the policy, time of the switch, and time in which the steady state is measured, in seconds.
const BEFORE: f64 = 3.0;
const SWITCH: f64 = 5.0;
const STEADY: f64 = 6.0;

/// Transfers are stopped long before; on a busy machine an apply takes seconds.
const LONGEST: Duration = Duration::from_secs(90);

/// Requested rates, Mbit/s; other tests request 8.
const RATES: [f64; 2] = [2.0, 20.0];

struct Place<'a> {
    host: &'a Host,
    hook: &'a str,
    mode: &'a str,
}

/// Rates of one measurement, Mbit/s.
struct Measured {
    /// Of the limited subflow, divided by the requested rate.
    ratio: f64,
    /// Of the other path, divided by its rate before.
    other: f64,
    /// Of the connection in the first seconds, divided by its final rate.
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
    let transfer = bed.lab.bulk().duration(LONGEST).start().unwrap();
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
            "{rate} Mbit/s: {:.3} of the requested rate",
            measured.ratio
        );
        // Data that was queued on the limited path before the switch still has to pass, and the other path waits for
        // it.
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

/// Sets the queueing discipline fq on the limited path; returns whether this kernel has it.
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
    // The allowed burst and the virtual queue add up to 0.8 s at the rate.
    assert!(begin.0[1] < 8.0 * 1.4 && all.0[1] < 8.0 * 1.1, "{begin:.1?}, {all:.1?}");
    assert!(all.0[1] > 8.0 * 0.6 && all.0[0] > 35.0, "{all:.1?}");
    bed.assert_clean("rate_limit from the start");
}

/// Whether sockets can have this congestion control.
fn has_congestion_control(name: &str) -> bool {
    let available = fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    available.is_ok_and(|available| available.split_whitespace().any(|found| found == name))
}

/// Limits a transfer at the rate of its path to 10 Mbit/s and measures every quarter of a second. `by`: seconds after
/// which the rate must be reached.
fn comes_down(host: fn(&Bed) -> &Host, hook: &str, congestion_control: &str, by: f64) {
    const ASKED: f64 = 10.0;
    const AFTER: f64 = 3.5;
    require!(is_root(), "this test makes network namespaces");
    require!(kernel: has_congestion_control(congestion_control), "this kernel has no {congestion_control}");
    let path = Path::with(Rate::mbit(40), Duration::from_millis(20)).queue(Queue::Time(Duration::from_millis(40)));
    let lab = Lab::builder().congestion_control(congestion_control).path(path);
    let Some(bed) = Bed::new(lab) else { return };
    let host = host(&bed);
    let bulk = bed.lab.bulk().sample_every(Duration::from_millis(25));
    let transfer = bulk.duration(LONGEST).start().unwrap();
    until(&transfer, 2.0);
    let asked = transfer.elapsed().as_secs_f64();
    bed.apply(
        host,
        &format!(
            "[[policy]]\nname = \"cap\"\ndevice = \"path1\"\nhook = \"{hook}\"\n\
             do = ['rate_limit rate={ASKED}mbit mode=police']\n"
        ),
    );
    let applied = transfer.elapsed().as_secs_f64();
    until(&transfer, applied + AFTER + 0.1);
    let series = at_server(&transfer);
    bed.remove(host);
    transfer.stop();
    transfer.finish().unwrap();

    let rate = |from: f64, to: f64| bed.rates(&series, applied + from, applied + to).0[0];
    let steps: Vec<_> = (-2..14)
        .map(|step| rate(f64::from(step) / 4.0, f64::from(step + 1) / 4.0))
        .collect();
    eprintln!(
        "{congestion_control} at the {}'s {hook}: {steps:.1?} Mbit/s",
        host.role()
    );
    let before = bed.rates(&series, asked - 1.0, asked).0[0];
    assert!(before > 2.5 * ASKED, "{before:.1} Mbit/s before the policy");
    assert!(rate(by, AFTER) < 1.5 * ASKED, "not down in {by} s: {steps:.1?}");
    for step in 0..6 {
        let from = f64::from(step) / 2.0;
        assert!(rate(from, from + 0.5) > 0.2 * ASKED, "a stall: {steps:.1?}");
    }
    bed.assert_clean("the ramp");
}

/// Reno and CUBIC react to each loss. BBR does not, and is then limited by sustained loss.
const RAMPS: [(&str, f64); 3] = [("reno", 1.5), ("cubic", 1.5), ("bbr", 2.5)];

#[test]
fn a_fast_sender_comes_down_in_steps_when_the_receiver_polices() {
    for (congestion_control, by) in RAMPS {
        comes_down(|bed| bed.lab.server(), "ingress", congestion_control, by);
    }
}

#[test]
fn a_fast_sender_comes_down_in_steps_when_it_polices_itself() {
    // BBR immediately resends packets that its own host dropped, and oscillates for seconds: see the README.
    for (congestion_control, by) in RAMPS.into_iter().filter(|(name, _)| *name != "bbr") {
        comes_down(|bed| bed.lab.client(), "egress", congestion_control, by);
    }
}

/// Downloads while the client clamps the windows of its acknowledgements; half of them began before the policy. Returns
/// the rate of each, divided by the requested one.
fn downloads_with_clamped_windows(count: usize) -> Option<Vec<f64>> {
    const ASKED: f64 = 8.0;
    const SETTLE: f64 = 6.0;
    const MEASURE: f64 = 4.0;
    let bed = Bed::new(two_paths())?;
    let start = || {
        bed.lab
            .bulk()
            .direction(TransferDirection::Download)
            .duration(LONGEST)
            .start()
            .unwrap()
    };
    let mut transfers: Vec<RunningBulk> = (0..count / 2).map(|_| start()).collect();
    until(&transfers[0], 1.5);
    bed.apply(
        bed.lab.client(),
        &format!(
            "[[policy]]\nname = \"cap\"\ndevice = [\"path1\", \"path2\"]\nhook = \"egress\"\n\
             do = ['rate_limit rate={ASKED}mbit mode=window']\n"
        ),
    );
    transfers.extend((count / 2..count).map(|_| start()));
    let last = transfers.last().unwrap();
    until(last, SETTLE + MEASURE + 0.2);
    let ratios = transfers.iter().map(|transfer| {
        let end = transfer.elapsed().as_secs_f64() - 0.1;
        let series = transfer.series(End::Client);
        bed.rates(&series, end - MEASURE, end).sum() / ASKED
    });
    let ratios: Vec<_> = ratios.collect();
    eprintln!("downloads with windows for {ASKED} Mbit/s: {ratios:.3?}");
    for transfer in transfers {
        transfer.stop();
        transfer.finish().unwrap();
    }
    bed.assert_clean("clamped windows");
    Some(ratios)
}

#[test]
fn window_at_the_client_holds_every_download_begun_before_and_after_it() {
    require!(is_root(), "this test makes network namespaces");
    let Some(ratios) = downloads_with_clamped_windows(4) else {
        return;
    };
    assert!(ratios.iter().all(|ratio| (0.9..=1.1).contains(ratio)), "{ratios:.3?}");
}

#[test]
#[ignore = "takes 40 s; the previous test is a short version"]
fn window_at_the_client_holds_twelve_downloads_of_twelve() {
    require!(is_root(), "this test makes network namespaces");
    for _ in 0..3 {
        let Some(ratios) = downloads_with_clamped_windows(4) else {
            return;
        };
        assert!(ratios.iter().all(|ratio| (0.9..=1.1).contains(ratio)), "{ratios:.3?}");
    }
}

#[test]
fn packets_that_nothing_shapes_any_more_are_counted_as_such() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(Lab::builder().path(Path::with(Rate::mbit(20), ROUND_TRIPS[0]))) else {
        return;
    };
    let client = bed.lab.client();
    bed.apply(
        client,
        "[[policy]]\nname = \"cap\"\ndevice = \"path1\"\nhook = \"egress\"\n\
         do = ['rate_limit rate=8mbit mode=shape ramp=no']\n",
    );
    let count = |counter| bed.counted(client, "cap", "rate_limit", counter);
    bed.lab.bulk().duration(seconds(0.5)).run().unwrap();
    let shaped = count("passed");
    assert!(shaped > 10 && count("shape_missing") == 0, "{shaped}");
    shell(client, "tc qdisc replace dev path1 root pfifo");
    bed.lab.bulk().duration(seconds(0.5)).run().unwrap();
    let missing = count("shape_missing");
    assert!(missing > 10 && count("passed") == shaped, "{missing}");
}

#[test]
fn shape_gives_bbr_its_rate_where_an_aggregate_lasts_longer_than_the_queue_would() {
    const RATE: f64 = 4.0;
    const SETTLE: f64 = 2.0;
    const MEASURE: f64 = 4.0;
    require!(is_root(), "this test makes network namespaces");
    require!(kernel: has_congestion_control("bbr"), "this kernel has no bbr");
    // A path without delay: BBR takes the speed of its first aggregate for the rate.
    let lab = Lab::builder().congestion_control("bbr").path(Path::direct());
    let Some(bed) = Bed::new(lab) else { return };
    bed.apply(
        bed.lab.client(),
        &format!(
            "[[policy]]\nname = \"cap\"\ndevice = \"path1\"\nhook = \"egress\"\n\
             do = ['rate_limit rate={RATE}mbit mode=shape ramp=no']\n"
        ),
    );
    let transfer = bed.lab.bulk().duration(LONGEST).start().unwrap();
    until(&transfer, SETTLE + MEASURE + 0.1);
    let series = at_server(&transfer);
    bed.remove(bed.lab.client());
    transfer.stop();
    transfer.finish().unwrap();
    let share = bed.rates(&series, SETTLE, SETTLE + MEASURE).sum() / RATE;
    eprintln!("bbr: {share:.3} of {RATE} Mbit/s");
    // With a queue too short for one aggregate it gets a twentieth.
    assert!(share > 0.6, "{share:.3} of {RATE} Mbit/s");
}
