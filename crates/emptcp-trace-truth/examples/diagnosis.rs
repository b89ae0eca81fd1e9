//! `cargo xtask bench --only diagnosis` without the other benches, which need BPF: quick to build.
//!
//! `cargo run -p emptcp-trace-truth --example diagnosis -- 1000` scores the first thousand captures and shows examples
//! (with a second number, so many of each list); `-- capture 17 /tmp/17.pcap` shows one, and keeps it.

use emptcp_trace_truth::{Capture, Scored, Tally};
use std::fs::File;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
    if words.first().is_some_and(|word| word == "capture") {
        let capture = Capture::new(number(1).ok_or("a seed")?);
        if let Some(path) = words.get(2) {
            capture.write(File::create(path)?)?;
        }
        println!("{}{}", capture.text(), Scored::of(&capture).text());
        return Ok(());
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let tally = Tally::of(0..number(0).unwrap_or(1000), threads, |_| {});
    println!("{}", tally.text(number(1).unwrap_or(10) as usize));
    Ok(())
}
