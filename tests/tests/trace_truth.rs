//! The bench of diagnoses, judged by what is not ours: captures of a real kernel, with what was done to the path
//! written down, and tshark about the captures that the bench makes.

use emptcp_tests::traces::scenarios;
use emptcp_tests::tshark;
use emptcp_trace::record::{Cause, Party};
use emptcp_trace::source;
use emptcp_trace_truth::Capture;
use emptcp_trace_truth::score::stories;
use serde_json::Value;
use std::fs::File;

/// What was done to the path. Every path has a rate and a bounded queue, which hold packets up and may lose them, so
/// that a sender may repeat what only came late.
fn done(truth: &Value) -> Vec<Cause> {
    let mut causes = vec![Cause::PacketsLost, Cause::Reordered];
    for line in truth["wire"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        for (word, cause) in [
            (" strip ", Cause::OptionRemoved),
            (" corrupt ", Cause::PayloadChanged),
            (" down ", Cause::PathDead),
            // "strip 256" drops everything.
            (" strip 256", Cause::PathDead),
            (" strip 256", Cause::OptionBlocked),
        ] {
            if line.contains(word) {
                causes.push(cause);
            }
        }
    }
    causes
}

#[test]
fn no_sentence_accuses_the_path_of_what_was_not_done_to_it() {
    let Some(scenarios) = scenarios() else { return };
    let mut wrong = Vec::new();
    for (_, folder) in scenarios {
        let text = std::fs::read_to_string(folder.join("truth.json")).expect("truth.json can be read");
        let truth: Value = serde_json::from_str(&text).expect("truth.json is JSON");
        let done = done(&truth);
        for file in ["client.pcap.zst", "server.pcapng.zst"] {
            let path = folder.join(file);
            if !path.is_file() {
                continue;
            }
            let stories = stories(source::open([&path]).expect("a capture")).expect("a whole capture");
            let sentences = stories.iter().flat_map(|story| &story.sentences);
            for sentence in sentences.filter(|sentence| sentence.evidence.accuses_path()) {
                let causes: Vec<_> = sentence.evidence.causes.iter().collect();
                let path_alone = causes.iter().all(|cause| cause.party() == Party::Path);
                if path_alone && !causes.iter().any(|cause| done.contains(cause)) {
                    wrong.push(format!("{}: {causes:?} {}", path.display(), sentence.text));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} false accusations:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn tshark_finds_no_fault_in_generated_packets_but_where_the_truth_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    for seed in 0..12 {
        let capture = Capture::new(seed);
        let has = |cause| capture.truth.facts.iter().any(|fact| fact.cause == cause);
        capture.write(File::create(&path).unwrap()).unwrap();
        let packets = tshark::faults(&path);
        assert_eq!(packets.len(), capture.len(), "seed {seed}");
        for (index, packet) in packets.iter().enumerate() {
            let at = format!("seed {seed}, packet {}: {packet:?}", index + 1);
            assert!(has(Cause::CutShort) || !packet.wrong_tcp_checksum, "{at}");
            assert!(!packet.wrong_ip_checksum, "{at}");
            assert!(
                has(Cause::CutShort) || has(Cause::Violation) || !packet.malformed,
                "{at}"
            );
            assert!(has(Cause::Violation) || !packet.messages.contains("MPTCP"), "{at}");
        }
    }
}
