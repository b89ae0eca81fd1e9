//! Captures in which a careless diagnosis would be wrong, in the shared test data: what `explain` and `compare` say.

use emptcp_tests::traces::case;
use emptcp_trace::compare::{CompareSettings, compare};
use emptcp_trace::record::{Cause, Causes, Certainty};
use emptcp_trace::{Direction, source};
use emptcp_trace_report::explain::{Sentence, SentenceKind};
use emptcp_trace_truth::score::stories;

const UP: Direction = Direction::ClientToServer;
const DOWN: Direction = Direction::ServerToClient;

/// The story of the first connection of a capture of the shared test data; none, with a message, when that is absent.
fn story(name: &str) -> Option<Story> {
    let stories = stories(source::open([case(name)?]).unwrap()).unwrap();
    let first = stories.into_iter().min_by_key(|story| story.connection.conn_id);
    Some(Story(first.expect("a connection").sentences))
}

struct Story(Vec<Sentence>);

impl Story {
    /// The sentence with these words.
    fn with(&self, words: &str) -> &Sentence {
        let found = self.0.iter().find(|sentence| sentence.text.contains(words));
        found.unwrap_or_else(|| panic!("no {words:?} in\n{}", self.text()))
    }

    fn text(&self) -> String {
        let lines: Vec<_> = self.0.iter().map(|sentence| sentence.text.clone()).collect();
        lines.join("\n")
    }

    fn lacks(&self, words: &str) {
        assert!(!self.text().contains(words), "{words:?} in\n{}", self.text());
    }

    fn verdict(&self) -> &str {
        let last = self.0.last().expect("a verdict");
        assert_eq!(last.kind, SentenceKind::Verdict);
        &last.text
    }

    /// No sentence blames the path.
    fn accuses_nobody(&self) {
        let accusing = self.0.iter().find(|sentence| sentence.evidence.accuses_path());
        assert!(accusing.is_none(), "{accusing:?}");
    }
}

fn of(causes: &[Cause]) -> Causes {
    Causes::of(causes)
}

#[test]
fn a_repeated_fastclose_is_no_option_that_vanished() {
    let Some(story) = story("01_fastclose_repeat.pcap") else {
        return;
    };
    assert!(story.with("MP_FASTCLOSE").text.contains("31 times"));
    story.accuses_nobody();
    assert!(story.verdict().ends_with("Nothing unusual."), "{}", story.verdict());
}

#[test]
fn a_segment_that_was_not_captured_is_no_fallback() {
    let Some(story) = story("02_capture_drop_map.pcap") else {
        return;
    };
    let note = story.with("lacks 1 000 bytes from the client");
    assert_eq!(
        (note.evidence.causes, note.direction),
        (of(&[Cause::NotCaptured]), Some(UP))
    );
    story.lacks("allback");
    story.accuses_nobody();
}

#[test]
fn pure_acknowledgements_need_no_answer() {
    let Some(story) = story("05_pureack_dead.pcap") else {
        return;
    };
    story.lacks("stopped working");
    story.accuses_nobody();
}

#[test]
fn the_verdict_has_the_shares_of_both_directions() {
    let Some(story) = story("07_all_of_it.pcap") else {
        return;
    };
    let shares =
        "subflow 0 carried all of the payload of the server; subflow 1 carried all of the payload of the client";
    assert!(story.verdict().contains(shares), "{}", story.verdict());
}

#[test]
fn options_that_vanish_are_told_with_their_sender_packet_and_who_goes_on() {
    let Some(story) = story("08_strip10_c2s.pcap") else {
        return;
    };
    let said = story.with("From packet 10 on nothing that comes from the client on subflow 0");
    assert!(said.text.contains("the server goes on with DSS"), "{}", said.text);
    assert_eq!(said.evidence.causes, of(&[Cause::OptionRemoved]));
}

#[test]
fn the_same_in_the_other_direction() {
    let Some(story) = story("08b_strip10_s2c.pcap") else {
        return;
    };
    let said = story.with("From packet 11 on nothing that comes from the server on subflow 0");
    assert!(said.text.contains("the client goes on with DSS"), "{}", said.text);
    assert!(said.evidence.causes.contains(Cause::OptionRemoved) && said.direction == Some(DOWN));
}

#[test]
fn a_third_ack_without_mp_join_establishes_nothing() {
    let Some(story) = story("08c_join_third_ack_stripped.pcap") else {
        return;
    };
    let said = story.with("tried to open subflow 1");
    assert!(
        said.text.contains("third ACK (packet 8) has no MP_JOIN"),
        "{}",
        said.text
    );
    assert_eq!(said.evidence.causes, of(&[Cause::OptionRemoved]));
    assert!(story.verdict().contains("1 subflow could not be opened"));
}

#[test]
fn a_rst_in_answer_to_the_syn_is_a_refusal_and_no_fallback() {
    let Some(story) = story("10_syn_rst.pcap") else { return };
    let said = story.with("A RST came back (packet 2)");
    assert_eq!(said.evidence.causes, of(&[Cause::Refused, Cause::ResetInjected]));
    assert_eq!(said.evidence.certainty, Certainty::Likely);
    for words in ["fell back", "allback", "while the connection is open"] {
        story.lacks(words);
    }
}

#[test]
fn an_option_that_came_back_is_not_multipath_tcp() {
    for (name, version) in [("11_synack_mirrored.pcap", 1), ("11b_v0_mirrored.pcap", 0)] {
        let Some(story) = story(name) else { return };
        story.with(&format!(
            "opened a connection to 10.0.1.1:80 and offered Multipath TCP version {version}"
        ));
        let said = story.with("repeats the MP_CAPABLE of the SYN");
        assert_eq!(said.evidence.causes, of(&[Cause::OptionMirrored]));
        story.lacks("opened a Multipath TCP connection");
    }
}

#[test]
fn malformed_options_are_named_with_packet_sender_and_cause() {
    let Some(story) = story("13_badlens.pcap") else { return };
    let said = story.with("malformed");
    assert!(said.evidence.causes.contains(Cause::Violation), "{said:?}");
    assert!(!said.evidence.causes.contains(Cause::CutShort));
    assert!(story.verdict().contains("malformed"), "{}", story.verdict());
    let Some(story) = self::story("13b_mpc22_csum.pcap") else {
        return;
    };
    let said = story.with("malformed");
    assert!(
        said.text.contains("MP_CAPABLE") && said.text.contains("22"),
        "{}",
        said.text
    );
}

#[test]
fn a_priority_names_the_subflows_of_its_address() {
    let Some(story) = story("15_v0_prio_addrid.pcap") else {
        return;
    };
    story.with("its address with id 5 (which no subflow here uses) as backup");
    story.lacks("keep subflow 0");
}

#[test]
fn a_reset_for_interference_is_something_to_note() {
    let Some(story) = story("16_rst_reason6.pcap") else {
        return;
    };
    let said = story.with("interference of a middlebox (MP_TCPRST 6)");
    assert!(said.evidence.excluded.contains(Cause::ResetInjected));
    assert!(story.verdict().contains("reset because of interference of a middlebox"));
}

#[test]
fn a_mapping_that_is_too_short_is_no_data_without_dss() {
    let Some(story) = story("20_dll_short.pcap") else {
        return;
    };
    let said = story.with("The DSS of packet 6 maps only 60 bytes of its payload");
    assert_eq!(said.evidence.certainty, Certainty::CannotTell);
    assert_eq!(
        said.evidence.causes,
        of(&[Cause::Offload, Cause::Violation, Cause::Resegmented])
    );
    story.lacks("has no DSS");
}

#[test]
fn a_syn_that_was_repeated_without_the_option_was_answered_in_kind() {
    let Some(story) = story("21_syn_again_without.pcap") else {
        return;
    };
    let said = story.with("after 2 SYNs with MP_CAPABLE that were not answered");
    assert!(
        said.text.contains("the SYN+ACK (packet 4) answers in kind"),
        "{}",
        said.text
    );
    assert!(said.evidence.excluded.contains(Cause::NotSupported));
    let fallbacks = story
        .0
        .iter()
        .filter(|sentence| sentence.kind == SentenceKind::Fallback);
    assert_eq!(fallbacks.count(), 1);
}

#[test]
fn of_a_join_whose_packets_pass_before_its_repeated_syn_one_packet_is_lost() {
    let (Some(a), Some(b)) = (case("17_A.pcap"), case("17_B.pcap")) else {
        return;
    };
    let [a, b] = [a, b].map(|path| source::open([path]).unwrap());
    let comparison = compare(a, b, CompareSettings::default()).unwrap();
    let subflows = &comparison.connections[0].subflows;
    assert_eq!((comparison.connections.len(), subflows.len()), (1, 2));
    let up = &subflows[1].directions[UP];
    assert_eq!((up.packets, up.lost.packets, up.appeared.packets), ([5, 4], 1, 0));
    assert_eq!(up.lost.first_handshake.map(|number| number.0), Some(12));
}
