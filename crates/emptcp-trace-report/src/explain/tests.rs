//! The exact sentences that hand-made connections give.

use super::SentenceKind as About;
use super::testing::{DOWN, RST_ACK, SYN_ACK, Script, UP, after, capable, join_syn, joined, opened, subflow};
use emptcp_trace::record::{Detail, End, Fallback, MarkKind};
use emptcp_trace::{PerDirection, Piece, Run, Span, SubflowId};
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, CapableFlags, CapableKeys, MpPrio, MpTcprst, RemoveAddr, ResetReason};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{AddressId, Token, TruncatedHmac};

#[test]
fn the_first_sentence_says_who_opened_it_and_how() {
    let mut script = Script::new();
    script.connection.tokens = [Some(Token(0x1680_d3ca)), Some(Token(0x91c4_2384))];
    let flags = CapableFlags::HMAC | CapableFlags::CHECKSUM_REQUIRED | CapableFlags::NO_JOIN_TO_THIS_ADDRESS;
    opened(&mut script, flags);
    assert_eq!(
        script.sentences(About::Opened),
        [
            "10.1.1.2:40000 opened a Multipath TCP connection (version 1) to 10.1.1.1:5001; the handshake took 20.0 ms. \
          Tokens: 1680d3ca (client), 91c42384 (server). The server asks for DSS checksums, so both use them. The server \
          accepts no further subflows to this address (flag C), only to addresses that it announces."
        ]
    );
    assert_eq!(
        script.story()[0].packets.map(|[first, last]| (first.0, last.0)),
        Some((1, 3))
    );
}

#[test]
fn a_connection_without_an_answer_was_only_tried() {
    let mut script = Script::new();
    script.connection.subflows[0].hs_rtt = [None, None];
    for time in [0, 1000, 3000] {
        script.with_options(
            time,
            0,
            UP,
            Flags::SYN,
            &[capable(CapableFlags::HMAC, CapableKeys::None)],
        );
    }
    assert_eq!(
        script.sentences(About::Opened),
        [
            "10.1.1.2:40000 tried to open a connection to 10.1.1.1:5001 and offered Multipath TCP version 1. The SYN was \
          sent 3 times in 3.00 s. The capture has no answer. Either the server does not exist there or does not answer, or \
          the path to the server or back carries nothing, or something on the path drops SYNs with MP_CAPABLE: this \
          capture cannot tell."
        ]
    );
}

#[test]
fn a_join_to_an_announced_address_says_so_and_the_announcement_says_who_used_it() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    let mut announcement = AddAddr {
        address_id: AddressId(3),
        address: [10, 1, 2, 1].into(),
        port: None,
        form: AddAddrForm::Announcement(TruncatedHmac(1)),
    };
    script.with_options(50, 0, DOWN, Flags::ACK, &[announcement.into()]);
    announcement.form = AddAddrForm::Echo;
    script.with_options(70, 0, UP, Flags::ACK, &[announcement.into()]);
    joined(&mut script, true);
    script.connection.data = PerDirection([0, 10]);
    assert_eq!(
        script.sentences(About::Subflow),
        [
            "The client opened subflow 1, 10.1.2.2:40000 -> 10.1.2.1:5001, the address that the server had announced as id \
          3, as backup (the client says so); the handshake took 20.0 ms, its HMACs are right. It carried no data."
        ]
    );
    assert_eq!(
        script.sentences(About::Address),
        [
            "The server announced its address 10.1.2.1 as id 3 (ADD_ADDR); the client echoed it 20.0 ms later. The client \
          opened subflow 1 to it."
        ]
    );
}

#[test]
fn a_join_that_failed_says_why() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    let reason = MpTcprst {
        transient: true,
        reason: ResetReason::LACK_OF_RESOURCES,
    };
    script
        .with_options(100, 1, UP, Flags::SYN, &[join_syn(false)])
        .with_options(120, 1, DOWN, RST_ACK(), &[reason.into()])
        .with_options(200, 2, UP, Flags::SYN, &[join_syn(false)])
        .packet(220, 2, DOWN, SYN_ACK())
        .packet(220, 2, UP, RST_ACK())
        .with_options(300, 3, UP, Flags::SYN, &[join_syn(false)])
        .with_options(1300, 3, UP, Flags::SYN, &[join_syn(false)]);
    for number in 1..4 {
        let mut failed = subflow(number);
        failed.established = false;
        script.connection.subflows.push(failed);
    }
    assert_eq!(
        script.sentences(About::Subflow),
        [
            "The client tried to open subflow 1, 10.1.2.2:40000 -> 10.1.2.1:5001, but a RST came back, \
             because of a lack of resources (MP_TCPRST 2; it may be tried again later). The server refused it.",
            "The client tried to open subflow 2, 10.1.3.2:40000 -> 10.1.3.1:5001, but the SYN+ACK (packet 7) has no \
             MP_JOIN. Either what answers there is not the peer, or does not speak Multipath TCP, or something on this path \
             removes MP_JOIN: this capture cannot tell. The client reset it (packet 8).",
            "The client tried to open subflow 3, 10.1.4.2:40000 -> 10.1.4.1:5001, but no answer came (the SYN was sent 2 \
             times). 10.1.4.1 is a private address (RFC 1918), which only its own network can reach. Either the server does \
             not exist there or does not answer, or the path to the server or back carries nothing, or something on the \
             path drops SYNs with MP_JOIN: this capture cannot tell.",
        ]
    );
}

#[test]
fn a_withdrawn_address_names_the_subflow_that_ended_with_it_and_its_reset_is_described_once() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    joined(&mut script, false);
    let option = RemoveAddr::new(&[AddressId(2)]).expect("one id");
    script
        .with_options(2000, 0, UP, Flags::ACK, &[option.into()])
        .packet(2001, 1, UP, RST_ACK());
    script.connection.subflows[1].t_last = after(2001);
    assert_eq!(
        script.sentences(About::Address),
        ["The client withdrew its address with id 2 (REMOVE_ADDR); the client reset subflow 1 (packet 8)."]
    );
    assert_eq!(script.sentences(About::Closed), [""; 0]);
}

#[test]
fn a_change_of_priority_is_described_once_however_often_it_is_sent() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    joined(&mut script, false);
    for (time, backup) in [(2000, true), (2001, true), (4000, false)] {
        let address_id = None;
        script.with_options(time, 1, UP, Flags::ACK, &[MpPrio { backup, address_id }.into()]);
    }
    assert_eq!(
        script.sentences(About::Priority),
        [
            "The client asked the server to keep subflow 1 as backup (MP_PRIO). Until that changed it carried nothing.",
            "The client asked the server to use subflow 1 as a regular subflow again (MP_PRIO).",
        ]
    );
}

#[test]
fn a_stall_says_what_ended_it() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    joined(&mut script, true);
    let mut packet = script.next(3000, 0, DOWN);
    packet.payload = 1000;
    packet.runs.push(Run {
        dsn: Some(0),
        length: 1000,
        piece: Piece::New,
    });
    let mut again = script.next(4200, 1, DOWN);
    again.payload = 1000;
    again.runs.push(Run {
        dsn: Some(0),
        length: 1000,
        piece: Piece::Reinjection { of: SubflowId(0) },
    });
    script.send(packet).send(again);
    script.mark_of(MarkKind::Reinjection, Some(1), DOWN, 1000, Some(0), None);
    let mut answer = script.next(4260, 1, UP);
    answer.data_ack = Some(1000);
    script.send(answer);
    for (index, first, last) in [(0, 3000, 3000), (1, 4200, 4200)] {
        let subflow = &mut script.connection.subflows[index];
        subflow.new_dsn = PerDirection([0, 1000]);
        subflow.t_first_data = PerDirection([None, Some(after(first))]);
        subflow.t_last_data = PerDirection([None, Some(after(last))]);
    }
    let gap = Some(Detail::Gap(Span(1_260_000_000)));
    script.mark_of(MarkKind::Stall, Some(1), DOWN, 1000, None, gap.clone());
    script.mark_of(MarkKind::MakeBeforeBreak, Some(1), DOWN, 1000, Some(0), gap);
    assert_eq!(
        script.sentences(About::Stall),
        [
            "The data from the server stalled for 1.26 s, until 4.26 s, with 1 000 bytes unacknowledged; it continued when \
          subflow 1 carried the missing data after subflow 0 (packet 8)."
        ]
    );
    assert_eq!(
        script.sentences(About::Handover),
        [
            "The data from the server moved from subflow 0 to subflow 1, which was already open (make before break); 1.26 s passed between the last new data on the first and the first data on the second; 1 000 bytes were sent again. Either a host had lost the address or link of subflow 0, or packets on subflow 0 were lost, or the path of subflow 0 carried nothing any more: this capture cannot tell."
        ]
    );
    assert_eq!(
        script.sentences(About::Reinjection),
        [
            "Subflow 1 carried again 1 000 bytes to the client that subflow 0 had carried first (reinjection, 1 \
          packet)."
        ]
    );
}

#[test]
fn reinjections_are_grouped_and_many_of_them_stay_few_sentences() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    joined(&mut script, false);
    for number in 0..1000 {
        let packet = script.next(1000 + number * 1000, 1, DOWN);
        script.send(packet);
        script.mark_of(MarkKind::Reinjection, Some(1), DOWN, 100, Some(0), None);
        script.mark_of(MarkKind::Retransmission, Some(1), DOWN, 100, None, None);
    }
    let story = script.story();
    assert!(story.len() < 60, "{}", story.len());
    let texts = script.sentences(About::Reinjection);
    assert!(texts[0].contains("subflow 1 carried again 100 000 bytes"), "{texts:?}");
}

#[test]
fn fallback_says_why_and_shows_the_packet() {
    let mut script = Script::new();
    script
        .with_options(0, 0, UP, Flags::SYN, &[capable(CapableFlags::HMAC, CapableKeys::None)])
        .packet(20, 0, DOWN, SYN_ACK());
    let detail = Some(Detail::Fallback(Fallback::SynAckWithoutOption));
    script.mark(MarkKind::Fallback, Some(0), DOWN, detail);
    script.connection.fallback.insert(Fallback::SynAckWithoutOption);
    assert_eq!(
        script.sentences(About::Fallback),
        [
            "It is plain TCP: the SYN+ACK (packet 2) has no MP_CAPABLE. Either the server does not speak Multipath TCP, or \
          something on the path removed the option from the SYN or from its answer (a capture at the other end would show \
          it): this capture cannot tell."
        ]
    );
    assert_eq!(
        script.sentences(About::Opened),
        [
            "10.1.1.2:40000 opened a connection to 10.1.1.1:5001 and offered Multipath TCP version 1; the handshake took \
          20.0 ms."
        ]
    );
}

#[test]
fn the_end_says_who_closed_first() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    script.connection.end = End::DataFin;
    script
        .packet(500, 0, DOWN, Flags::ACK)
        .mark(MarkKind::DataFin, Some(0), DOWN, None);
    script
        .packet(520, 0, UP, Flags::ACK)
        .mark(MarkKind::DataFin, Some(0), UP, None);
    let clean = "The server closed first (DATA_FIN, packet 4), the client 20.0 ms later (packet 5): a clean end.";
    let open = "The capture ends with subflow 0 open: it has neither a RST nor the FINs of both hosts there. Most likely \
                the capture was ended before the connection; otherwise a host or its link was gone from here on, or the \
                path carried nothing any more.";
    assert_eq!(script.sentences(About::End), [clean, open]);
    script.packet(530, 0, DOWN, Flags::FIN | Flags::ACK);
    script.packet(540, 0, UP, Flags::FIN | Flags::ACK);
    assert_eq!(script.sentences(About::End), [clean]);
    script.packet(800, 0, UP, Flags::FIN | Flags::ACK);
    let repeated = script.sentences(About::Retransmission).concat();
    assert!(
        repeated.starts_with("The client sent its FIN on subflow 0 again, 260 ms later (1 packet)."),
        "{repeated}"
    );
}

#[test]
fn the_verdict_has_volume_shares_paths_and_what_is_odd() {
    let mut script = Script::new();
    opened(&mut script, CapableFlags::HMAC);
    joined(&mut script, false);
    script.packet(10_000, 0, UP, Flags::ACK);
    let connection = &mut script.connection;
    connection.data = PerDirection([12, 6_000_000]);
    connection.reinj = PerDirection([0, 36_099]);
    for (subflow, bytes, mean) in [(0, 4_200_000, 21.0), (1, 1_800_000, 95.0)] {
        let subflow = &mut connection.subflows[subflow];
        subflow.payload = PerDirection([0, bytes]);
        subflow.rtt[DOWN].n = 100;
        subflow.rtt[DOWN].mean = Some(mean);
        subflow.t_first_data[DOWN] = Some(after(0));
        subflow.t_last_data[DOWN] = Some(after(10_000));
    }
    assert_eq!(
        script.sentences(About::Verdict),
        [
            "In 10.0 s the server sent 6.00 MB at 4.80 Mbit/s and the client 12 bytes; subflow 0 carried 70 % and subflow 1 \
          30 % of the payload of the server. Subflow 0 had the better path: mean RTT 21.0 ms against 95.0 ms on subflow 1. To note: \
          36 099 bytes (0.6 %) also went over a second subflow."
        ]
    );
}
