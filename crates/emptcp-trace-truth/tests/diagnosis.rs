//! A small part of `cargo xtask bench --only diagnosis`, with bounds at what holds.

use emptcp_trace_truth::Tally;

/// Captures; the bench has ten thousand.
const CAPTURES: u64 = 200;

#[test]
fn diagnoses_of_captures_with_known_causes_are_as_right_as_they_were() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let tally = Tally::of(0..CAPTURES, threads, |_| {});
    println!("{}", tally.text(20));
    let names = ["accusing", "others", "recall", "certain", "figures"];
    for ((name, bound), share) in names.into_iter().zip(BOUNDS).zip(tally.shares()) {
        assert!(share.value() >= bound, "{name}: {share:?} is less than {bound}");
    }
}

/// Precision of accusing and of other sentences, recall, certainty, figures. Raised when more holds; what is aimed at
/// is `score::AIMS`.
const BOUNDS: [f64; 5] = [0.98, 0.98, 0.95, 0.95, 0.99];
