//! SYN, SYN+ACK and third ACK of both kinds of subflow (RFC 8684, 3.1 and 3.2); keys, tokens and HMACs.

use super::evidence;
use super::open::{capable, join};
use super::out::MarkFields;
use super::segment::{Context, Location};
use super::state::{Connection, DataHalf, Join, Subflow, SubflowHalf};
use crate::packet::Packet;
use crate::record::{Answer, Detail, Fallback, Hash, Kind, MarkKind, Opener};
use crate::stream::Unwrapper;
use crate::{ConnectionId, Direction, Limits, PerDirection, SubflowId};
use mptcp_wire::mptcp::{CapableFlags, CapableKeys, MpJoin, MptcpOption};
use mptcp_wire::tcp::Flags;
use mptcp_wire::{Key, Version, crypto};

/// Room is made for so many subflows one by one.
const FEW: usize = 8;

impl Connection {
    /// A new connection; `packet` is its first packet, sent by the client.
    pub(super) fn new(
        id: ConnectionId,
        packet: &Packet,
        version: Version,
        partial: bool,
        watched: bool,
        limits: &Limits,
    ) -> Self {
        let mut connection = Self {
            id,
            t0: packet.time,
            t_last: packet.time,
            client: packet.source,
            server: packet.destination,
            version,
            hash: hash_of(version),
            flag_a: false,
            flag_c: false,
            complete: false,
            partial,
            mid_stream: false,
            continued: false,
            truncated: false,
            watched,
            hash_is_sure: version == Version::V0,
            end: None,
            fallback: Default::default(),
            event_kinds: Default::default(),
            options: Default::default(),
            subflows: Vec::new(),
            attempted: 1,
            open: 0,
            most_open: 0,
            halves: PerDirection::from_fn(|_| DataHalf::new(limits)),
            t_last_data_ack: None,
            malformed_options: PerDirection::default(),
            clock_steps: 0,
            clock_seen: 0,
            last_step: None,
        };
        connection.add_subflow(Opener::Client, packet, limits);
        if partial {
            connection.subflows[0].answered_with_option = Some(true);
        }
        connection
    }

    /// Adds a subflow with the first packet `packet`, sent by `opened_by`. Returns its index.
    pub(super) fn add_subflow(&mut self, opened_by: Opener, packet: &Packet, limits: &Limits) -> u32 {
        let number = u32::try_from(self.subflows.len()).unwrap_or(u32::MAX);
        let (client, server) = match opened_by {
            Opener::Client => (packet.source, packet.destination),
            Opener::Server => (packet.destination, packet.source),
        };
        let kind = match self.subflows.is_empty() {
            true => Kind::Initial,
            false => Kind::Join,
        };
        // Subflows are large, and most connections have few.
        if self.subflows.len() < FEW {
            self.subflows.reserve_exact(1);
        }
        self.subflows.push(Subflow {
            id: SubflowId(number),
            kind,
            opened_by,
            client,
            server,
            client_is_low: packet.from_low == (opened_by == Opener::Client),
            address_ids: [None; 2],
            t_syn: packet.time,
            t_syn_ack: None,
            t_est: None,
            t_last: packet.time,
            answered: false,
            established: false,
            closed: false,
            backup: false,
            answered_with_option: None,
            syn_retransmissions: 0,
            syn_payload: 0,
            syn_again: false,
            syn_ack_again: false,
            hs_rtt: [None; 2],
            join: (kind == Kind::Join).then(Box::default),
            reset: None,
            answer: None,
            syn_option: None,
            plain_third_ack: None,
            t_closed: None,
            t_backup: None,
            acknowledges: false,
            infinite: false,
            halves: PerDirection::from_fn(|_| SubflowHalf::new(limits)),
        });
        number
    }

    pub(super) fn handshake(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        if !packet.handshake && self.subflows[location.index].established {
            return;
        }
        let from_opener = location.dir == self.subflows[location.index].opener();
        if packet.is_syn() && from_opener {
            self.syn(location, packet, context);
        } else if packet.is_syn_ack() && !from_opener {
            self.syn_ack(location, packet, context);
        } else if from_opener && packet.flags.contains(Flags::ACK) && !packet.flags.contains(Flags::RST) {
            self.third_ack(location, packet, context);
        }
        if packet.is_syn_ack() && self.subflows[location.index].answer == Some(Answer::SynAckMirrored) {
            return;
        }
        if let Some(capable) = capable(packet) {
            self.flag_a |= capable.flags.contains(CapableFlags::CHECKSUM_REQUIRED);
            self.flag_c |= capable.flags.contains(CapableFlags::NO_JOIN_TO_THIS_ADDRESS);
            if packet.is_syn_ack() && location.index == 0 && !self.complete {
                // Both sides use the version of the SYN+ACK.
                self.version = capable.version;
                self.hash = hash_of(capable.version);
                self.hash_is_sure = capable.version == Version::V0;
            }
            if capable.receiver_key().is_some() && capable.receiver_key() == capable.sender_key() {
                // The client took its own key for that of the server: the SYN+ACK that it got repeated its SYN.
                let evidence = evidence::mirrored(packet.number);
                self.subflows[location.index].answer = Some(Answer::SynAckMirrored);
                self.fall_back(location.at, Fallback::SynAckMirrored, evidence, context);
                return;
            }
            if let Some(key) = capable.sender_key() {
                self.learn_key(location, location.dir, key, context);
            }
            if let Some(key) = capable.receiver_key() {
                self.learn_key(location, location.dir.reverse(), key, context);
                self.complete |= !packet.flags.contains(Flags::SYN) && self.has_both_keys() && !self.mid_stream;
            }
        }
    }

    fn syn(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let subflow = &mut self.subflows[location.index];
        let half = &mut subflow.halves[location.dir];
        if half.numbers.is_some() {
            subflow.syn_again = true;
            subflow.syn_retransmissions += 1;
            self.event_kinds.insert(MarkKind::SynRetransmission);
            context.out.mark(location.at, MarkKind::SynRetransmission, ());
            if location.index == 0 && packet.is_plain() {
                let evidence = evidence::syn_again_without_option(packet.number);
                self.fall_back(location.at, Fallback::SynAgainWithoutOption, evidence, context);
            }
            return;
        }
        half.numbers = Some(Unwrapper::new(packet.sequence));
        half.window_scale = packet.window_scale.unwrap_or(0);
        half.maximum_segment = packet.maximum_segment;
        subflow.syn_payload = packet.payload;
        let opens = |option: &&MptcpOption| matches!(option, MptcpOption::MpCapable(_) | MptcpOption::MpJoin(_));
        subflow.syn_option = packet.options.iter().find(opens).copied();
        if let Some(MpJoin::Syn {
            backup,
            address_id,
            nonce,
            ..
        }) = join(packet)
        {
            subflow.backup = *backup;
            subflow.address_ids[side(location.dir)] = Some(*address_id);
            if let Some(join) = &mut subflow.join {
                join.syn_nonce = Some(*nonce);
            }
        }
        let detail = (subflow.kind == Kind::Join).then_some(Detail::Backup(subflow.backup));
        let what = super::out::MarkFields {
            detail,
            ..Default::default()
        };
        context.out.mark(location.at, MarkKind::Syn, what);
        self.note_join(location, packet);
    }

    fn syn_ack(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let subflow = &mut self.subflows[location.index];
        if subflow.t_syn_ack.is_some() {
            subflow.syn_ack_again = true;
            subflow.syn_retransmissions += 1;
            self.event_kinds.insert(MarkKind::SynRetransmission);
            context.out.mark(location.at, MarkKind::SynRetransmission, ());
            return;
        }
        subflow.t_syn_ack = Some(packet.time);
        let half = &mut subflow.halves[location.dir];
        half.numbers = Some(Unwrapper::new(packet.sequence));
        half.window_scale = packet.window_scale.unwrap_or(0);
        half.maximum_segment = packet.maximum_segment;
        // RFC 7323, 2.2: scaling is used only when both SYNs have the option.
        if packet.window_scale.is_none() {
            subflow.halves[location.dir.reverse()].window_scale = 0;
        }
        if !subflow.syn_again {
            subflow.hs_rtt[0] = Some((packet.time - subflow.t_syn).milliseconds());
        }
        let answer = match subflow.kind {
            Kind::Initial | Kind::Unknown => capable(packet).is_some(),
            Kind::Join => matches!(join(packet), Some(MpJoin::SynAck { .. })),
        };
        // A host that does not know an option ignores it (RFC 9293, 3.2); some things send all options back.
        let is_mirrored = subflow
            .syn_option
            .is_some_and(|option| packet.options.contains(&option));
        let answer = answer && !is_mirrored;
        subflow.answered_with_option = Some(answer);
        subflow.answer = Some(match (answer, is_mirrored) {
            (true, _) => Answer::SynAck,
            (false, true) => Answer::SynAckMirrored,
            (false, false) => Answer::SynAckWithoutOption,
        });
        if let Some(MpJoin::SynAck {
            backup,
            address_id,
            hmac,
            nonce,
        }) = join(packet)
        {
            subflow.backup |= *backup;
            subflow.address_ids[side(location.dir)] = Some(*address_id);
            if let Some(join) = &mut subflow.join {
                join.syn_ack_nonce = Some(*nonce);
                join.syn_ack_hmac = Some(*hmac);
            }
        }
        if location.index == 0 && is_mirrored {
            let evidence = evidence::mirrored(packet.number);
            self.fall_back(location.at, Fallback::SynAckMirrored, evidence, context);
        } else if location.index == 0 && !answer && !self.fallback.contains(&Fallback::SynAgainWithoutOption) {
            // After a SYN without the option, an answer without it is in kind.
            let evidence = evidence::syn_ack_without_option(packet);
            self.fall_back(location.at, Fallback::SynAckWithoutOption, evidence, context);
        }
        self.verify_join(location, context);
    }

    fn third_ack(&mut self, location: Location, packet: &Packet, context: &mut Context<'_>) {
        let subflow = &mut self.subflows[location.index];
        // What a host sends only after a SYN+ACK with the option shows that there was one.
        let is_unseen = subflow.t_syn_ack.is_none();
        if is_unseen && !self.partial {
            if !follows_an_answer(packet) {
                return;
            }
            subflow.answered_with_option.get_or_insert(true);
        }
        let t_syn_ack = subflow.t_syn_ack.unwrap_or(packet.time);
        if let (Some(MpJoin::Ack { hmac }), Some(join)) = (join(packet), &mut subflow.join)
            && join.ack_hmac.is_none()
        {
            join.ack_hmac = Some(*hmac);
            self.verify_join(location, context);
        }
        let subflow = &mut self.subflows[location.index];
        let is_first = self.partial && location.index == 0;
        if !subflow.answered {
            subflow.answered = true;
            if !subflow.syn_ack_again && !is_first && !is_unseen {
                subflow.hs_rtt[1] = Some((packet.time - t_syn_ack).milliseconds());
            }
        }
        if subflow.established || subflow.answered_with_option != Some(true) {
            return;
        }
        let is_proven = match subflow.kind {
            // Whether it is Multipath TCP, the packets that follow show: this one may not be the first.
            Kind::Initial | Kind::Unknown => true,
            // RFC 8684, 3.2: the answering host accepts the subflow when the third ACK proves the key. The opener may
            // send a DSS only after that, so a first packet with a DSS is not the third ACK.
            Kind::Join => match join(packet) {
                Some(MpJoin::Ack { .. }) => true,
                _ => subflow.plain_third_ack.is_none() && has_dss(packet),
            },
        };
        if subflow.plain_third_ack.is_none() && (packet.is_plain() || !is_proven) {
            subflow.plain_third_ack = Some(Box::new(location.at));
        }
        if !is_proven {
            return;
        }
        subflow.established = true;
        subflow.t_est = Some(packet.time);
        self.open += 1;
        self.most_open = self.most_open.max(self.open);
        context.out.mark(location.at, MarkKind::Established, ());
    }

    /// Both HMACs of a join, as far as they and the keys are known. Local is the host that made the HMAC.
    fn verify_join(&mut self, location: Location, context: &mut Context<'_>) {
        let version = match self.hash {
            Hash::Sha1 => Version::V0,
            Hash::Sha256 => Version::V1,
        };
        let subflow = &mut self.subflows[location.index];
        let opener = subflow.opener();
        let keys = (self.halves[opener].key, self.halves[opener.reverse()].key);
        let (Some(join), (Some(opener_key), Some(other_key))) = (&mut subflow.join, keys) else {
            return;
        };
        let (Some(syn_nonce), Some(syn_ack_nonce), Some(syn_ack_hmac)) =
            (join.syn_nonce, join.syn_ack_nonce, join.syn_ack_hmac)
        else {
            return;
        };
        let answer = crypto::join_syn_ack_hmac(version, other_key, opener_key, syn_ack_nonce, syn_nonce);
        let proof = crypto::join_ack_hmac(version, opener_key, other_key, syn_nonce, syn_ack_nonce);
        let answer_is_right = answer == syn_ack_hmac;
        let right = match join.ack_hmac {
            Some(hmac) => Some(answer_is_right && proof == hmac),
            None => (!answer_is_right).then_some(false),
        };
        if right == Some(false) && join.hmac_ok != Some(false) {
            self.event_kinds.insert(MarkKind::WrongHmac);
            let fields = MarkFields {
                evidence: evidence::wrong_hmac(location.at.packet),
                ..MarkFields::default()
            };
            context.out.mark(location.at, MarkKind::WrongHmac, fields);
        }
        join.hmac_ok = right;
    }

    pub(super) fn has_both_keys(&self) -> bool {
        self.halves.0.iter().all(|half| half.key.is_some())
    }

    /// Sets the key of a host; only the first one counts. Derives the token and the number of the first byte.
    fn learn_key(&mut self, location: Location, side: Direction, key: Key, context: &mut Context<'_>) {
        match self.halves[side].key {
            Some(known) if known == key => return,
            Some(_) => {
                self.event_kinds.insert(MarkKind::KeyChanged);
                let fields = MarkFields {
                    evidence: evidence::key_changed(location.at.packet),
                    ..MarkFields::default()
                };
                context.out.mark(location.at, MarkKind::KeyChanged, fields);
                return;
            }
            None => self.halves[side].key = Some(key),
        }
        let hashes: &[Hash] = match self.version {
            Version::V0 => &[Hash::Sha1],
            // Some version 1 stacks make tokens as version 0 does; the first join shows it.
            Version::V1 => &[Hash::Sha256, Hash::Sha1],
        };
        for hash in hashes {
            context.learned.tokens.push((derived(key, *hash).token, side, *hash));
        }
        if self.halves[side].base.is_none() {
            self.halves[side].base = Some(derived(key, self.hash).idsn.first_byte());
        }
        let carried = self.subflows[0].syn_payload;
        if carried > 0 && side == Direction::ClientToServer {
            self.map(0, side, 1, 0, carried.into());
        }
    }

    /// A join found this connection by a token made with this hash.
    pub(super) fn believe_hash(&mut self, hash: Hash, packet: &Packet, context: &mut Context<'_>) {
        if self.hash_is_sure {
            return;
        }
        self.hash_is_sure = true;
        if hash == self.hash {
            return;
        }
        let at = super::out::At {
            conn_id: self.id,
            sf_id: None,
            dir: Direction::ClientToServer,
            packet: packet.number,
            t: packet.time,
        };
        self.use_hash(hash);
        self.event_kinds.insert(MarkKind::V1WithSha1);
        context.out.mark(at, MarkKind::V1WithSha1, ());
    }

    /// Sets the first data sequence number from the keys by this hash, unless data was counted already.
    pub(super) fn use_hash(&mut self, hash: Hash) {
        self.hash = hash;
        for half in &mut self.halves.0 {
            if let Some(key) = half.key
                && half.owners.highest() == 0
                && half.acknowledged == 0
            {
                half.base = Some(derived(key, hash).idsn.first_byte());
            }
        }
    }
}

impl Subflow {
    /// Whether a SYN is a retransmission for this subflow, not the SYN of a later subflow with the same ports.
    pub(super) fn repeats_syn(&self, packet: &Packet) -> bool {
        let half = &self.halves[self.direction(packet)];
        half.numbers
            .as_ref()
            .is_none_or(|numbers| numbers.initial() == packet.sequence)
    }
}

impl Join {
    pub(super) fn is_right(join: &Option<Box<Self>>) -> Option<bool> {
        join.as_ref()?.hmac_ok
    }
}

pub(super) fn derived(key: Key, hash: Hash) -> crypto::Derived {
    match hash {
        Hash::Sha1 => crypto::derive(Version::V0, key),
        Hash::Sha256 => crypto::derive(Version::V1, key),
    }
}

fn hash_of(version: Version) -> Hash {
    match version {
        Version::V0 => Hash::Sha1,
        Version::V1 => Hash::Sha256,
    }
}

fn follows_an_answer(packet: &Packet) -> bool {
    packet.options.iter().any(|option| match option {
        MptcpOption::MpCapable(capable) => capable.receiver_key().is_some(),
        MptcpOption::MpJoin(join) => matches!(join, MpJoin::Ack { .. }),
        MptcpOption::Dss(_) => true,
        _ => false,
    })
}

fn has_dss(packet: &Packet) -> bool {
    packet
        .options
        .iter()
        .any(|option| matches!(option, MptcpOption::Dss(_)))
}

/// The index of a sender in `[client, server]`.
fn side(dir: Direction) -> usize {
    usize::from(dir == Direction::ServerToClient)
}

/// The length of data that MP_CAPABLE itself maps in a third ACK, if any.
pub(super) fn capable_data(packet: &Packet) -> Option<u16> {
    packet.options.iter().find_map(|option| match option {
        MptcpOption::MpCapable(capable) => match capable.keys {
            CapableKeys::BothWithData { data_length, .. } => Some(data_length),
            _ => None,
        },
        _ => None,
    })
}
