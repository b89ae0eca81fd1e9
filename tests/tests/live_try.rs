//! Experiments.
use emptcp::{require, testing::is_root};
use emptcp_tests::live::*;

#[test]
fn police() {
    require!(is_root(), "this test makes network namespaces");
    let Some(mut bed) = Bed::new(two_paths()) else { return };
    if let Ok(folder) = std::env::var("RL") {
        emptcp::element::install_into(
            std::path::Path::new(&folder),
            std::path::Path::new("/tmp/emptcp/rl/installed"),
        )
        .unwrap();
        bed.catalog = emptcp::Catalog::load_from(std::path::Path::new("/tmp/emptcp/rl/installed")).unwrap();
    }
    let bed = bed;
    let element = std::env::var("ELEMENT").unwrap_or("rate_limit".into());
    let more = std::env::var("MORE").unwrap_or_default();
    let rate = std::env::var("RATE").unwrap_or("8".into());
    let mode = std::env::var("MODE").unwrap_or("police".into());
    let at = std::env::var("AT").unwrap_or("ingress".into());
    let host = if at == "egress" {
        bed.lab.client()
    } else {
        bed.lab.server()
    };
    let hook = if at == "window" { "egress" } else { &at };
    let device = if at == "window" {
        "[\"path1\", \"path2\"]"
    } else {
        "\"path2\""
    };
    let total: f64 = std::env::var("TIME").unwrap_or("16".into()).parse().unwrap();
    let transfer = bed.lab.bulk().duration(seconds(total)).start().unwrap();
    until(&transfer, 4.0);
    let applied = bed.apply(host, &format!("[[policy]]\nname = \"cap\"\ndevice = {device}\nhook = \"{hook}\"\ndo = ['{element} rate={rate}mbit mode={mode} {more}']\n"));
    let applied_at = transfer.elapsed();
    eprintln!("{:?} applied at {applied_at:?}", applied.duration);
    until(&transfer, total - 0.5);
    let stats = bed.stats(host);
    eprintln!("{:?}", stats.policies);
    bed.remove(host);
    let report = transfer.finish().unwrap();
    let series = &report.server;
    let mut t = 0.0;
    while t < total {
        let r = bed.rates(series, t, t + 0.55);
        eprintln!(
            "{t:5.1} {:6.1} {:6.1} read {:6.1}",
            r.0[0],
            r.0[1],
            series.read_throughput(seconds(t), seconds(t + 0.55)).unwrap_or(0.0)
        );
        t += 0.5;
    }
    for k in report.client.subflows() {
        let i = report.client.of(&k).last().unwrap().1;
        eprintln!("{k} {i:?}");
    }
    let begin = applied_at.as_secs_f64() + 0.0;
    eprintln!(
        "SWITCH {:.1} read {:.1}",
        bed.rates(series, begin, begin + 5.0).sum(),
        series.read_throughput(seconds(begin), seconds(begin + 5.0)).unwrap()
    );
    eprintln!(
        "before {:?} after {:?}",
        bed.rates(series, 2.0, 4.0),
        bed.rates(series, 10.0, total - 0.6)
    );
    bed.assert_clean("police");
}
