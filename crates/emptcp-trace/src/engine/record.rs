//! The state as rows of the tables.

use super::handshake::derived;
use super::state::{Connection, Counters, Join, Subflow, Tokens};
use crate::record::{self, End, Hash, Vantage};
use crate::{Direction, PerDirection, Settings};
use mptcp_wire::Version;
use mptcp_wire::mptcp::Subtype;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The nearer end answers within this share of the other's response time.
const NEAR: f64 = 4.0;

impl Connection {
    /// Tokens by which joins can find it.
    pub(super) fn tokens(&self) -> Tokens {
        let mut tokens = Tokens::new();
        for side in Direction::BOTH {
            let Some(key) = self.halves[side].key else { continue };
            let hashes: &[Hash] = match self.version {
                Version::V0 => &[Hash::Sha1],
                Version::V1 => &[Hash::Sha256, Hash::Sha1],
            };
            tokens.extend(hashes.iter().map(|hash| (derived(key, *hash).token, side, *hash)));
        }
        tokens
    }

    fn sum(&self, of: impl Fn(&Counters) -> u64) -> PerDirection<u64> {
        PerDirection::from_fn(|dir| {
            self.subflows
                .iter()
                .map(|subflow| of(&subflow.halves[dir].counters))
                .sum()
        })
    }

    pub(super) fn record(&self, trace: &Arc<str>, end: End, settings: &Settings) -> record::Connection {
        let halves = &self.halves;
        let data = halves.map(|half| half.data);
        let fin = halves.map(|half| u64::from(half.fin.is_some()));
        let dacked = halves.map(|half| half.acknowledged.saturating_sub(half.skipped));
        let loss = PerDirection::from_fn(|dir| self.loss(dir));
        let announced = |of: fn(&super::state::Announced) -> bool| {
            halves.map(|half| half.announced.iter().filter(|announced| of(announced)).count() as u64)
        };
        let token = |dir| halves[dir].key.map(|key| derived(key, self.hash).token);
        record::Connection {
            conn_id: self.id,
            trace: Arc::clone(trace),
            t0: self.t0,
            t_end: self.t_last,
            dur: self.t_last - self.t0,
            dur_dack: self.t_last_data_ack.map(|last| last - self.t0),
            end,
            version: self.version,
            hash: self.hash,
            tokens: Direction::BOTH.map(token),
            client: self.client.ip(),
            server: self.server.ip(),
            port: self.server.port(),
            flag_a: self.flag_a,
            flag_c: self.flag_c,
            complete: self.complete,
            sf_est: self.subflows.iter().map(|subflow| u32::from(subflow.established)).sum(),
            sf_att: self.attempted,
            sf_max_conc: self.most_open,
            data,
            fin,
            dacked,
            size: data.total() + fin.total(),
            reinj: self.sum(|counters| counters.reinjected),
            reinj_pkts: self.sum(|counters| counters.reinjected_packets),
            retx: self.sum(|counters| counters.retransmitted),
            retx_pkts: self.sum(|counters| counters.retransmitted_packets),
            same_dsn: self.sum(|counters| counters.same_dsn),
            unmapped: PerDirection::from_fn(|dir| self.subflows.iter().map(|subflow| subflow.unmapped(dir)).sum()),
            loss,
            ooo_pkts: halves.map(|half| half.out_of_order_packets),
            ooo: halves.map(|half| half.out_of_order),
            pkts: self.sum(|counters| counters.packets),
            ip_bytes: self.sum(|counters| counters.ip_bytes),
            mptcp_rtt: halves.map(|half| half.rtt.summary()),
            longest_stall: halves.map(|half| half.longest_stall),
            add_addr: announced(|_| true),
            add_addr_echo: announced(|announced| announced.echoed),
            add_addr_joined: announced(|announced| announced.joined),
            remove_addr: halves.map(|half| half.remove_addr),
            mp_prio: halves.map(|half| half.mp_prio),
            handovers: self.handover_count(settings.stall),
            fallback: self.fallback.clone(),
            events: self.event_kinds.kinds(),
            options: self.options(),
            vantage: self.vantage(),
            partial: self.partial,
            mid_stream: self.mid_stream,
            continued: self.continued,
            truncated: self.truncated,
            captured_twice: self.sum(|counters| counters.captured_twice),
            not_captured: self.sum(|counters| counters.not_captured),
            cut_short: self.sum(|counters| counters.cut_short),
            aggregates: self.sum(|counters| counters.aggregates),
            clock_steps: self.clock_steps,
            malformed_options: self.malformed_options,
            lossy_capture: loss.total() > 0,
            dsn_relative: halves.0.iter().any(|half| half.relative),
            subflows: self.subflows.iter().map(|subflow| self.subflow(subflow)).collect(),
        }
    }

    /// Segments that were not timed.
    pub(super) fn untimed(&self) -> u64 {
        let subflows = self.subflows.iter().flat_map(|subflow| &subflow.halves.0);
        subflows.map(|half| half.rtt_queue.untimed()).sum()
    }

    /// Acknowledged at the data level, but not in the capture.
    fn loss(&self, dir: Direction) -> u64 {
        if self.mid_stream {
            // What was on its way when the capture began is acknowledged in it.
            return 0;
        }
        let half = &self.halves[dir];
        let seen = half.skipped + half.data + half.fin.map_or(0, |fin| u64::from(fin >= half.skipped));
        half.acknowledged.saturating_sub(seen)
    }

    fn options(&self) -> BTreeMap<&'static str, u64> {
        let counts = (0u8..).zip(self.options.0).filter(|(_, count)| *count > 0);
        counts
            .map(|(number, count)| (Subtype::from_number(number).name(), count.into()))
            .collect()
    }

    fn vantage(&self) -> Vantage {
        match self.subflows.first().map(|subflow| subflow.hs_rtt) {
            Some([Some(answer), Some(acknowledgement)]) if acknowledgement * NEAR < answer => Vantage::Client,
            Some([Some(answer), Some(acknowledgement)]) if answer * NEAR < acknowledgement => Vantage::Server,
            _ => Vantage::Middle,
        }
    }

    fn subflow(&self, subflow: &Subflow) -> record::Subflow {
        let counters = |of: fn(&Counters) -> u64| subflow.halves.map(|half| of(&half.counters));
        record::Subflow {
            conn_id: self.id,
            sf_id: subflow.id,
            kind: subflow.kind,
            opened_by: subflow.opened_by,
            client: subflow.client,
            server: subflow.server,
            address_ids: subflow.address_ids,
            t_syn: subflow.t_syn,
            t_est: subflow.t_est,
            t_last: subflow.t_last,
            join_delay: subflow.t_syn - self.t0,
            answer: subflow.answer,
            established: subflow.established,
            backup: subflow.backup,
            hmac_ok: Join::is_right(&subflow.join),
            syn_retx: subflow.syn_retransmissions,
            payload: counters(|counters| counters.payload),
            new_dsn: counters(|counters| counters.new_dsn),
            retx: counters(|counters| counters.retransmitted),
            retx_pkts: counters(|counters| counters.retransmitted_packets),
            reinj: counters(|counters| counters.reinjected),
            reinj_pkts: counters(|counters| counters.reinjected_packets),
            reinj_caused: counters(|counters| counters.reinjection_caused),
            same_dsn: counters(|counters| counters.same_dsn),
            unmapped: PerDirection::from_fn(|dir| subflow.unmapped(dir)),
            pkts: counters(|counters| counters.packets),
            ip_bytes: counters(|counters| counters.ip_bytes),
            rtt: subflow.halves.map(|half| half.rtt.summary()),
            hs_rtt: subflow.hs_rtt,
            t_first_data: subflow.halves.map(|half| half.t_first_data),
            t_last_data: subflow.halves.map(|half| half.t_last_data),
            fin: subflow.halves.map(|half| half.fin),
            rst: subflow.halves.map(|half| half.reset),
            captured_twice: counters(|counters| counters.captured_twice),
            not_captured: counters(|counters| counters.not_captured),
            cut_short: counters(|counters| counters.cut_short),
            aggregates: counters(|counters| counters.aggregates),
            one_direction: subflow.one_direction(),
            rst_transient: subflow.reset.map(|reset| reset.transient),
            rst_reason: subflow.reset.map(|reset| reset.reason),
        }
    }
}

impl Subflow {
    /// The capture has one direction, and an ACK in it shows that there is another.
    fn one_direction(&self) -> bool {
        let packets = self.halves.map(|half| half.counters.packets);
        packets.0.contains(&0) && self.acknowledges
    }

    /// Payload without a mapping, including payload that still waits for one.
    fn unmapped(&self, dir: Direction) -> u64 {
        let half = &self.halves[dir];
        let waiting: u64 = half.waiting.iter().map(|waiting| waiting.end - waiting.start).sum();
        half.counters.unmapped + waiting
    }
}
