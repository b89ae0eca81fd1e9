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
fn one() { if let Ok(v) = std::env::var("KEEP") { for s in 0..v.parse().unwrap() { let c = Capture::new(s); c.write(std::fs::File::create(format!("/tmp/truth/{s}.pcap")).unwrap()).unwrap(); std::fs::write(format!("/tmp/truth/{s}.txt"), c.text()).unwrap(); } return; }
    let Ok(seed) = std::env::var("SEED") else { return };
    let c = Capture::new(seed.parse().unwrap());
    c.write(std::fs::File::create(format!("/tmp/truth-{seed}.pcap")).unwrap()).unwrap();
    for f in &c.truth.facts { println!("{f:?}"); }
    for s in c.stories() { for s in s.sentences { println!("{:?} {:?} {}", s.kind, s.evidence.causes.iter().collect::<Vec<_>>(), s.text); } }
}
