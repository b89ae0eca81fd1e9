//! What sentences rest on: the causes that packets leave, and those that they exclude.

use super::testing::{DOWN, Script, UP, after, capable, join_syn, joined, opened, subflow};
use super::{Sentence, SentenceKind as About};
use emptcp_trace::record::{Cause, Causes, Certainty, Detail, Fallback, MarkKind};
use emptcp_trace::{Direction, PerDirection, Piece, Run, Span};
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, MpFastclose, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, Key, TruncatedHmac, WireDataSequenceNumber};

fn of(causes: &[Cause]) -> Causes {
    Causes::of(causes)
}

fn connected() -> Script {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    script
}

fn data_ack(number: u64) -> MptcpOption {
    Dss {
        data_ack: Some(WireDataSequenceNumber::Long(number)),
        mapping: None,
        data_fin: false,
    }
    .into()
}

impl Script {
    /// Payload at a sequence number, with an acknowledgement, of a kind.
    fn data(
        &mut self,
        time: i64,
        (subflow, dir): (u32, Direction),
        (start, length): (u64, u32),
        ack: u64,
        piece: Piece,
    ) {
        let mut packet = self.next(time, subflow, dir);
        packet.sequence = start;
        packet.payload = length;
        packet.acknowledgement = Some(ack);
        packet.runs.push(Run {
            dsn: Some(start - 1),
            length,
            piece,
        });
        packet.options.push(data_ack(0));
        self.send(packet);
    }

    fn ack(&mut self, time: i64, (subflow, dir): (u32, Direction), sequence: u64, ack: u64) {
        let mut packet = self.next(time, subflow, dir);
        packet.sequence = sequence;
        packet.acknowledgement = Some(ack);
        packet.options.push(data_ack(ack));
        self.send(packet);
    }

    fn one(&mut self, kind: About) -> Sentence {
        let mut found: Vec<_> = self
            .story()
            .into_iter()
            .filter(|sentence| sentence.kind == kind)
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

#[test]
fn checksums_are_in_use_only_where_it_became_multipath_tcp() {
    let mut script = Script::new();
    let asks = CapableFlags::HMAC | CapableFlags::CHECKSUM_REQUIRED;
    script
        .with_options(0, 0, UP, Flags::SYN, &[capable(asks, CapableKeys::None)])
        .packet(20, 0, DOWN, Flags::SYN | Flags::ACK);
    let text = script.one(About::Opened).text;
    assert!(text.ends_with("The client asks for DSS checksums."), "{text}");
}

#[test]
fn a_subflow_whose_data_goes_unanswered_is_dead_and_one_with_pure_acknowledgements_is_not() {
    let mut script = connected();
    for time in [1000, 1400, 2400, 4000] {
        script.ack(time, (0, DOWN), 1, 1);
    }
    assert_eq!(script.sentences(About::Silence).len(), 0);
    for (number, time) in [5000, 5300, 6000, 7500].into_iter().enumerate() {
        let piece = if number == 0 { Piece::New } else { Piece::Retransmission };
        script.data(time, (0, DOWN), (1, 1000), 1, piece);
    }
    let said = script.one(About::Silence);
    assert_eq!(said.evidence.causes, of(&[Cause::HostGone, Cause::PathDead]));
    assert!(said.evidence.excluded.contains(Cause::NotCaptured), "{said:?}");
}

#[test]
fn bytes_that_are_acknowledged_and_still_repeated_show_that_the_way_back_is_dead() {
    let mut script = connected();
    script.data(1000, (0, DOWN), (1, 1000), 1, Piece::New);
    for (number, time) in [1300, 2000, 3500].into_iter().enumerate() {
        script.ack(time - 1, (0, UP), 1, 1001);
        script.data(time, (0, DOWN), (1, 1000), 1, Piece::Retransmission);
        script.ack(time + 1 + number as i64, (0, UP), 1, 1001);
    }
    let said = script.one(About::Silence);
    assert!(
        said.text.contains("although the client acknowledged them"),
        "{}",
        said.text
    );
    assert!(said.evidence.causes.contains(Cause::PathDead));
}

#[test]
fn a_retransmission_whose_original_had_arrived_is_not_blamed_on_loss() {
    let judged = |wait: i64| {
        let mut script = connected();
        script.data(1000, (0, DOWN), (1, 1000), 1, Piece::New);
        let mut answer = script.next(1020, 0, UP);
        answer.acknowledgement = Some(1001);
        answer.rtt = Some(Span(20_000_000));
        script.send(answer);
        script.data(1100, (0, DOWN), (1001, 1000), 1, Piece::New);
        script.data(1400, (0, DOWN), (1001, 1000), 1, Piece::Retransmission);
        script.mark_of(MarkKind::Retransmission, Some(0), DOWN, 1000, None, None);
        script.ack(1400 + wait, (0, UP), 1, 2001);
        script.one(About::Retransmission).evidence
    };
    assert_eq!(judged(20).causes, of(&[Cause::PacketsLost]));
    assert_eq!(judged(5).causes, of(&[Cause::Reordered]));
}

#[test]
fn bytes_that_came_late_were_lost_and_those_that_came_soon_were_overtaken() {
    let came = |after: i64| {
        let mut script = connected();
        script.data(1000, (0, UP), (1, 100), 1, Piece::New);
        script.data(1001, (0, UP), (201, 100), 1, Piece::New);
        script.data(1001 + after, (0, UP), (101, 100), 1, Piece::New);
        script
    };
    let lost = came(300).one(About::Retransmission).evidence;
    assert_eq!(
        (lost.causes, lost.certainty),
        (of(&[Cause::PacketsLost]), Certainty::Certain)
    );
    assert_eq!(
        came(30).one(About::Retransmission).evidence.causes,
        of(&[Cause::PacketsLost, Cause::Reordered])
    );
    assert_eq!(came(3).one(About::Reordering).evidence.causes, of(&[Cause::Reordered]));
}

#[test]
fn a_reset_after_which_its_sender_goes_on_was_injected() {
    let mut script = connected();
    script.packet(1000, 0, DOWN, Flags::RST | Flags::ACK);
    let said = script.one(About::Closed);
    assert_eq!(said.evidence.causes, of(&[Cause::HostClosed, Cause::ResetInjected]));
    script.data(1010, (0, UP), (1, 100), 1, Piece::New);
    script.ack(1030, (0, DOWN), 1, 101);
    let said = script.one(About::Closed);
    assert_eq!(said.evidence.causes, of(&[Cause::ResetInjected]));
}

#[test]
fn packets_queued_before_a_reset_do_not_make_it_an_injected_one() {
    let mut script = connected();
    script.packet(1000, 0, DOWN, Flags::RST);
    script.data(1001, (0, DOWN), (1, 100), 1, Piece::New);
    let said = script.one(About::Closed);
    assert!(said.evidence.causes.contains(Cause::HostClosed), "{said:?}");
}

#[test]
fn a_silence_is_idle_only_when_nothing_waits_and_no_number_is_skipped() {
    let mut idle = connected();
    idle.data(5000, (0, UP), (1, 100), 1, Piece::New);
    assert_eq!(idle.one(About::Silence).evidence.causes, of(&[Cause::Idle]));
    let mut skipped = connected();
    skipped.data(5000, (0, UP), (501, 100), 1, Piece::New);
    assert_eq!(skipped.one(About::Silence).evidence.causes, of(&[Cause::NotCaptured]));
    let mut stepped = connected();
    stepped.data(100, (0, UP), (1, 100), 1, Piece::New);
    stepped.ack(5000, (0, DOWN), 1, 101);
    let said = stepped.one(About::Silence);
    assert_eq!(said.evidence.causes, of(&[Cause::NotCaptured, Cause::ClockStep]));
}

#[test]
fn data_that_goes_on_elsewhere_after_an_idle_time_is_no_handover() {
    let moved = |gap: i64| {
        let mut script = connected();
        joined(&mut script, false);
        script.data(1000, (0, DOWN), (1, 1000), 1, Piece::New);
        script.ack(1020, (0, UP), 1, 1001);
        script.data(1020 + gap, (1, DOWN), (1, 1000), 1, Piece::New);
        script.ack(1040 + gap, (1, UP), 1, 1001);
        for (index, time) in [(0, 1000), (1, 1020 + gap)] {
            let subflow = &mut script.connection.subflows[index];
            subflow.new_dsn = PerDirection([0, 1000]);
            subflow.t_first_data = PerDirection([None, Some(after(time))]);
            subflow.t_last_data = PerDirection([None, Some(after(time))]);
        }
        let detail = Some(Detail::Gap(Span(gap * 1_000_000)));
        script.mark_of(MarkKind::MakeBeforeBreak, Some(1), DOWN, 1, Some(0), detail);
        script
    };
    assert_eq!(moved(4000).sentences(About::Handover).len(), 0);
    let said = moved(30).one(About::Handover);
    assert_eq!(said.evidence.causes, of(&[Cause::Scheduler]));
    assert!(said.text.contains("1 byte was sent again"), "{}", said.text);
}

#[test]
fn only_one_direction_in_the_capture_is_told_and_is_no_dead_path() {
    let mut script = Script::new();
    script.with_options(0, 0, UP, Flags::SYN, &[capable(CapableFlags::HMAC, CapableKeys::None)]);
    for (number, time) in [40, 400, 2000, 4000].into_iter().enumerate() {
        script.data(
            time,
            (0, UP),
            (1 + 100 * number as u64, 100),
            1 + 50 * number as u64,
            Piece::New,
        );
    }
    let said = script.one(About::Capture);
    assert_eq!(
        (said.evidence.causes, said.direction),
        (of(&[Cause::OneDirection]), Some(DOWN))
    );
}

#[test]
fn options_that_vanish_while_another_subflow_has_them_were_removed() {
    let mut script = connected();
    joined(&mut script, false);
    script.connection.data = PerDirection([0, 3000]);
    script.data(200, (0, DOWN), (1, 1000), 1, Piece::New);
    script.ack(220, (0, UP), 1, 1001);
    for number in 1..4 {
        script.data(
            200 + 100 * number as i64,
            (0, DOWN),
            (1 + 1000 * number, 1000),
            1,
            Piece::New,
        );
        let mut bare = script.next(220 + 100 * number as i64, 0, UP);
        bare.acknowledgement = Some(1001 + 1000 * number);
        script.send(bare);
    }
    script.ack(900, (1, UP), 1, 1);
    let said = script.one(About::Fallback);
    assert!(said.text.starts_with("From packet"), "{}", said.text);
    assert_eq!(
        (said.evidence.causes, said.direction),
        (of(&[Cause::OptionRemoved]), Some(UP))
    );
}

#[test]
fn options_after_a_fastclose_need_not_come() {
    let mut script = connected();
    script.connection.data = PerDirection([0, 3000]);
    script.data(200, (0, DOWN), (1, 1000), 1, Piece::New);
    script.ack(220, (0, UP), 1, 501);
    let fastclose: MptcpOption = MpFastclose {
        receiver_key: Key([7; 8]),
    }
    .into();
    script.with_options(230, 0, UP, Flags::ACK, &[fastclose]);
    script.mark(MarkKind::MpFastclose, Some(0), UP, None);
    for number in 1..6 {
        let mut bare = script.next(230 + number, 0, UP);
        bare.acknowledgement = Some(501 + number.unsigned_abs());
        script.send(bare);
    }
    assert_eq!(script.sentences(About::Fallback).len(), 0);
}

#[test]
fn a_checksum_is_the_path_s_fault_only_after_others_were_right() {
    let refused = |accepted: u64| {
        let mut script = connected();
        script.connection.flag_a = true;
        script.data(200, (0, DOWN), (1, 1000), 1, Piece::New);
        if accepted > 0 {
            let mut answer = script.next(220, 0, UP);
            answer.data_ack = Some(accepted);
            script.send(answer);
        }
        script.packet(300, 0, UP, Flags::ACK);
        script.mark(
            MarkKind::Fallback,
            Some(0),
            UP,
            Some(Detail::Fallback(Fallback::MpFail)),
        );
        let said = script.one(About::Fallback);
        assert_eq!(said.direction, Some(DOWN));
        said.evidence.causes
    };
    assert_eq!(refused(0), of(&[Cause::Violation, Cause::PayloadChanged]));
    assert_eq!(refused(500), of(&[Cause::PayloadChanged]));
}

#[test]
fn a_private_address_that_nobody_could_reach_is_hinted_at() {
    let mut script = connected();
    for subflow in &mut script.connection.subflows {
        subflow.client = ([198, 51, 100, 2], 40_000).into();
    }
    let announcement = AddAddr {
        address_id: AddressId(3),
        address: [10, 9, 2, 1].into(),
        port: None,
        form: AddAddrForm::Announcement(TruncatedHmac(1)),
    };
    script.with_options(50, 0, DOWN, Flags::ACK, &[announcement.into()]);
    let text = script.one(About::Address).text;
    assert!(text.contains("it is a private address (RFC 1918)"), "{text}");
}

#[test]
fn one_unanswered_syn_proves_nothing_and_three_exclude_the_capture() {
    let mut script = connected();
    let mut failed = subflow(1);
    failed.established = false;
    script.connection.subflows.push(failed);
    script.with_options(100, 1, UP, Flags::SYN, &[join_syn(false)]);
    assert!(script.one(About::Subflow).evidence.causes.is_empty());
    script.with_options(1100, 1, UP, Flags::SYN, &[join_syn(false)]);
    let said = script.one(About::Subflow).evidence;
    assert_eq!(
        said.causes,
        of(&[Cause::HostGone, Cause::PathDead, Cause::OptionBlocked])
    );
    assert!(said.excluded.contains(Cause::NotCaptured));
}

#[test]
fn sentences_are_in_the_order_of_time_also_when_a_mapping_came_late() {
    let mut script = connected();
    script.packet(5000, 0, DOWN, Flags::ACK);
    script.mark_of(MarkKind::Reinjection, Some(0), DOWN, 100, Some(1), None);
    script.packet(3000, 0, DOWN, Flags::ACK);
    script.mark_of(MarkKind::Reinjection, Some(0), DOWN, 100, Some(1), None);
    let said = script.one(About::Reinjection).text;
    assert!(said.starts_with("Between 3.00 s and 5.00 s"), "{said}");
}
