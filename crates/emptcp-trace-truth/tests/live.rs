//! Captures of a real kernel, with what was done to the path written down: nobody is accused of anything else.

use emptcp_trace::record::Cause;
use emptcp_trace::source;
use emptcp_trace_truth::score::stories;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The captures, where they are.
fn scenarios() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces/v1");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        let required = std::env::var_os("EMPTCP_REQUIRE_SHARED").is_some_and(|value| value == "1");
        assert!(!required, "{} is absent", folder.display());
        println!("SKIPPED: ../shared/traces/v1 is absent (set EMPTCP_REQUIRE_SHARED=1 to fail instead)");
        return Vec::new();
    };
    let folders = entries.map(|entry| entry.expect("the folder can be read").path());
    folders.filter(|path| path.join("truth.json").is_file()).collect()
}

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
    let mut wrong = Vec::new();
    for folder in scenarios() {
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
                let path_alone = causes
                    .iter()
                    .all(|cause| cause.party() == emptcp_trace::record::Party::Path);
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
