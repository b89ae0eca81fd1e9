//! prototype
use anyhow::{Result, anyhow};
use emptcp_kernel::{ApplyOptions, Catalog, netns, swap::{Occupant, Swap}};
use emptcp_lab::{Direction, End, Host, Lab, Path};
use std::time::{Duration, Instant};

const INSTANCE: &str = "bench";
const POLICY: &str = r#"
[[policy]]
name = "everything-in"
device = "path1"
hook = "ingress"
attach = "tc"
do = ["count"]

[[policy]]
name = "everything-out"
device = "path1"
hook = "egress"
do = ["count"]
"#;

fn env(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn take(host: &Host, catalog: &Catalog) -> Result<Swap> {
    let plan = emptcp_plan::compile("bench.toml", POLICY, &catalog.manifests()).map_err(|e| anyhow!("{e}"))?;
    Ok(netns::within(host.netns().name(), || {
        emptcp_kernel::apply(INSTANCE, &plan, POLICY, catalog, &ApplyOptions::default())?;
        Swap::take(INSTANCE)
    })??)
}

fn cpu() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[allow(unsafe_code)]
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

fn packets(host: &Host) -> [f64; 4] {
    host.run(|| {
        let t = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
        let l = t.lines().find(|l| l.contains("path1")).unwrap();
        let v: Vec<f64> = l.split(':').nth(1).unwrap().split_whitespace().map(|x| x.parse().unwrap()).collect();
        [v[0], v[1], v[8], v[9]]
    }).unwrap()
}

pub(crate) fn measure() -> Result<()> {
    let catalog = Catalog::built_in();
    let (window, settle, blocks) = (env("WINDOW", 200), env("SETTLE", 50), env("BLOCKS", 40));
    let lab = Lab::builder().path(Path::direct());
    let lab = if env("GRO", 0) == 1 { lab.offloads(emptcp_lab::Offloads::ON) } else { lab };
    let lab = if env("BBR", 0) == 1 { lab.congestion_control("bbr") } else if env("BBR", 0) == 2 { lab.congestion_control("reno") } else { lab };
    let lab = lab.build()?;
    if env("RPS", 0) > 0 {
        for (h, mask) in [(lab.client(), 1), (lab.server(), if env("RPS", 0) == 1 { 2 } else { 1 })] {
            let o = std::process::Command::new("ip").args(["netns", "exec", h.netns().name(), "sh", "-c", &format!("echo {mask} > /sys/class/net/path1/queues/rx-0/rps_cpus && cat /sys/class/net/path1/queues/rx-0/rps_cpus")]).output()?;
            println!("{} {}", String::from_utf8_lossy(&o.stdout), String::from_utf8_lossy(&o.stderr));
        }
    }
    if env("RMEM", 0) > 0 {
        for h in [lab.client(), lab.server()] {
            h.set_sysctl("net.ipv4.tcp_rmem", format!("4096 {} {}", env("RDEF", 131072), env("RMEM", 0)))?;
        }
    }
    if env("WMEM", 0) > 0 {
        for h in [lab.client(), lab.server()] {
            h.set_sysctl("net.ipv4.tcp_wmem", format!("4096 {} {}", env("WDEF", 16384), env("WMEM", 0)))?;
        }
    }
    let hosts = [lab.client(), lab.server()];
    let bulk = lab.bulk().duration(Duration::from_secs(600)).limit(Duration::from_secs(700)).direction(Direction::Upload).verify(false).sample_every(Duration::from_secs(3600));
    let bulk = if env("PIN", 1) == 1 { bulk.cpus(0, 1) } else if env("PIN", 1) == 2 { bulk.cpus(0, 0) } else { bulk };
    let t = bulk.start()?;
    let mut swaps = Vec::new();
    for h in hosts { swaps.push(take(h, &catalog)?); }
    let put = |swaps: &mut Vec<Swap>, o| -> Result<Duration> {
        let b = Instant::now();
        for (s, h) in swaps.iter_mut().zip(hosts) { netns::within(h.netns().name(), || s.put(o))??; }
        Ok(b.elapsed())
    };
    std::thread::sleep(Duration::from_secs(1));
    let arms = [Occupant::Nothing, Occupant::Empty, Occupant::Policies];
    let orders = [[0,1,2],[2,1,0],[1,2,0],[0,2,1],[2,0,1],[1,0,2]];
    let mut rates = Vec::new(); let mut costs = Vec::new();
    let verbose = env("V", 0) == 1;
    let all0 = [lab.client().mib()?, lab.server().mib()?];
    for b in 0..blocks {
        let mut r = [0.0; 3]; let mut c = [0.0; 3];
        for i in orders[b as usize % 6] {
            let took = put(&mut swaps, arms[i])?;
            std::thread::sleep(Duration::from_millis(settle));
            let (p0, q0) = if verbose { (packets(hosts[0]), packets(hosts[1])) } else { ([0.0;4],[0.0;4]) };
            let (t0, b0, c0) = (Instant::now(), t.received(End::Server), cpu());
            std::thread::sleep(Duration::from_millis(window));
            let (b1, c1, t1) = (t.received(End::Server), cpu(), Instant::now());
            let _ = q0;
            let bytes = (b1 - b0) as f64;
            r[i] = bytes * 8e-9 / (t1 - t0).as_secs_f64();
            c[i] = (c1 - c0) * 1e9 / (bytes / 65536.0);
            if verbose {
                let p1 = packets(hosts[0]);
                let d: Vec<f64> = p1.iter().zip(p0).map(|(a, b)| a - b).collect();
                println!("{b} {:?} {:.2} Gbit/s cpu {:.2} ns/64k {:.0} tx {:.0} avg {:.0} rx {:.0} pkts/s {:.0} put {took:?}", arms[i], r[i], (c1-c0)/(t1-t0).as_secs_f64(), c[i], d[3], d[2]/d[3].max(1.0), d[1], (d[3]+d[1])/(t1-t0).as_secs_f64());
            }
        }
        rates.push(r); costs.push(c);
    }
    for (h, m) in hosts.iter().zip(&all0) {
        let d = h.mib()?.since(m);
        let l: Vec<String> = d.iter().filter(|(_, v)| *v != 0).map(|(n, v)| format!("{n}={v}")).collect();
        if verbose { println!("{} {}", h.role(), l.join(" ")); }
    }
    let med = |mut v: Vec<f64>| { v.sort_by(f64::total_cmp); (v[v.len()/10], v[v.len()/2], v[v.len()*9/10]) };
    for (name, data) in [("rate", &rates), ("cpu ns/64k", &costs)] {
        for i in 0..3 { println!("{name} {:?}: {:.2?}", arms[i], med(data.iter().map(|r| r[i]).collect())); }
        for (a, z) in [(1, 0), (2, 0), (2, 1)] { println!("  {:?}/{:?}: paired {:.3?}; geo {:.4}; mean ratio {:.4}", arms[a], arms[z], med(data.iter().map(|r| r[a] / r[z]).collect()),
            (data.iter().map(|r| (r[a]/r[z]).ln()).sum::<f64>()/data.len() as f64).exp(),
            data.iter().map(|r| r[a]).sum::<f64>()/data.iter().map(|r| r[z]).sum::<f64>()); }
    }
    if env("STATS", 0) == 1 {
        for h in hosts { let s = netns::within(h.netns().name(), || emptcp_kernel::Instance::open(INSTANCE)?.stats(&catalog))??; println!("{:?}", s.core); }
    }
    t.stop();
    let report = t.finish()?;
    for s in report.client.last() { println!("{:#?}", s.info.subflows); }
    drop(swaps);
    for h in hosts { netns::within(h.netns().name(), || emptcp_kernel::remove(INSTANCE))??; }
    Ok(())
}
