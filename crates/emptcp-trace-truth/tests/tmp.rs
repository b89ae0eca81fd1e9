use emptcp_trace_truth::*;
#[test]
fn run() {
    let from: u64 = std::env::var("FROM").map_or(0, |v| v.parse().unwrap());
    let n: u64 = std::env::var("N").map_or(200, |v| v.parse().unwrap());
    let mut tally = Tally::default();
    for seed in from..from + n {
        tally.add(&Scored::new(seed));
    }
    println!("{}", tally.text(12));
}
#[test]
fn one() {
    let Ok(seed) = std::env::var("SEED") else { return };
    let c = Capture::new(seed.parse().unwrap());
    c.write(std::fs::File::create(format!("/tmp/truth-{seed}.pcap")).unwrap()).unwrap();
    for f in &c.truth.facts { println!("{f:?}"); }
    for s in c.stories() { for s in s.sentences { println!("{:?} {:?} {}", s.kind, s.evidence.causes.iter().collect::<Vec<_>>(), s.text); } }
}
