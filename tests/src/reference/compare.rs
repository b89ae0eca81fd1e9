//! The fields of a record, of the model's kind and of the program's, under the same names.

use emptcp::abi::{self, SCALE_UNKNOWN, fin, flow_flag, flow_state, known};
use emptcp_flow_reference::{Connection, Fin, Record, Sender, Side, State};

/// A field's name and value.
pub type Field = (&'static str, u64);

/// The fields that differ: name, the model's value, the program's.
pub fn differences(model: &[Field], program: &[Field]) -> Vec<String> {
    let pairs = model.iter().zip(program);
    let differ = pairs.filter(|((_, model), (_, program))| model != program);
    differ
        .map(|((name, model), (_, program))| {
            format!("{name}: model {model} ({model:#x}), program {program} ({program:#x})")
        })
        .collect()
}

fn bit(condition: bool, bit: u32) -> u64 {
    if condition { u64::from(bit) } else { 0 }
}

macro_rules! names {
    ($side:ident, $($name:literal),* $(,)?) => {
        match $side {
            Side::Local => [$(concat!("local.", $name)),*],
            Side::Remote => [$(concat!("remote.", $name)),*],
        }
    };
}

const SENDER: usize = 39;

fn sender_names(side: Side) -> [&'static str; SENDER] {
    names!(
        side,
        "packets",
        "bytes",
        "last_ns",
        "known",
        "end",
        "contiguous",
        "base",
        "range_count",
        "ranges[0].begin",
        "ranges[0].end",
        "ranges[1].begin",
        "ranges[1].end",
        "ranges[2].begin",
        "ranges[2].end",
        "ranges[3].begin",
        "ranges[3].end",
        "acknowledgement",
        "sack_edge",
        "window",
        "window_max",
        "window_scale",
        "isn",
        "address_id",
        "fin",
        "fin_end",
        "retransmissions",
        "uncertain",
        "unacceptable",
        "reanchored",
        "run_begin",
        "run_end",
        "run_count",
        "rtt_sent_ns",
        "rtt_end",
        "rtt_timestamp",
        "rtt_samples",
        "idsn",
        "dsn_first",
        "dsn_next",
    )
}

fn model_sender(sender: &Sender) -> [u64; SENDER] {
    let numbers = sender.numbers.as_ref();
    let number =
        |field: fn(&emptcp_flow_reference::Numbers) -> u32| numbers.map_or(0, |numbers| u64::from(field(numbers)));
    let range = |index: usize| {
        numbers
            .and_then(|numbers| numbers.ranges.get(index))
            .map_or((0, 0), |&(begin, end)| (u64::from(begin), u64::from(end)))
    };
    let sample = sender.sample;
    let (acknowledgement, sack_edge) = sender.acknowledged.unwrap_or_default();
    let (dsn_first, dsn_next) = sender.dsn.unwrap_or_default();
    [
        sender.packets,
        sender.bytes,
        sender.last_ns,
        bit(numbers.is_some(), known::STARTED) | bit(sender.acknowledged.is_some(), known::ACKNOWLEDGING),
        number(|numbers| numbers.end),
        number(|numbers| numbers.contiguous),
        number(|numbers| numbers.base),
        numbers.map_or(0, |numbers| numbers.ranges.len() as u64),
        range(0).0,
        range(0).1,
        range(1).0,
        range(1).1,
        range(2).0,
        range(2).1,
        range(3).0,
        range(3).1,
        acknowledgement.into(),
        sack_edge.into(),
        sender.window.into(),
        sender.window_max.into(),
        sender.window_scale.unwrap_or(SCALE_UNKNOWN).into(),
        sender.isn.into(),
        sender.address_id.into(),
        match sender.fin {
            Fin::None => fin::NONE,
            Fin::Sent => fin::SENT,
            Fin::Acknowledged => fin::ACKNOWLEDGED,
        }
        .into(),
        sender.fin_end.into(),
        sender.retransmissions.into(),
        sender.uncertain.into(),
        sender.unacceptable.into(),
        sender.reanchored.into(),
        sender.run.begin.into(),
        sender.run.end.into(),
        sender.run.count.into(),
        sample.map_or(0, |sample| sample.sent_ns),
        sample.map_or(0, |sample| sample.end.into()),
        sample.map_or(0, |sample| sample.timestamp.into()),
        sender.rtt_samples.into(),
        sender.idsn.unwrap_or(0),
        dsn_first,
        dsn_next,
    ]
}

fn program_sender(sender: &abi::Sender) -> [u64; SENDER] {
    let range = |index: usize| match index < usize::from(sender.range_count) {
        true => (sender.ranges[index].begin.into(), sender.ranges[index].end.into()),
        false => (0, 0),
    };
    let sampling = |value: u32| if sender.rtt_sent_ns == 0 { 0 } else { u64::from(value) };
    [
        sender.packets,
        sender.bytes,
        sender.last_ns,
        sender.known.into(),
        sender.end.into(),
        sender.contiguous.into(),
        sender.base.into(),
        sender.range_count.into(),
        range(0).0,
        range(0).1,
        range(1).0,
        range(1).1,
        range(2).0,
        range(2).1,
        range(3).0,
        range(3).1,
        sender.acknowledgement.into(),
        sender.sack_edge.into(),
        sender.window.into(),
        sender.window_max.into(),
        sender.window_scale.into(),
        sender.isn.into(),
        sender.address_id.into(),
        sender.fin.into(),
        sender.fin_end.into(),
        sender.retransmissions.into(),
        sender.uncertain.into(),
        sender.unacceptable.into(),
        sender.reanchored.into(),
        sender.run_begin.into(),
        sender.run_end.into(),
        sender.run_count.into(),
        sender.rtt_sent_ns,
        sampling(sender.rtt_end),
        sampling(sender.rtt_timestamp),
        sender.rtt_samples.into(),
        sender.idsn,
        sender.dsn_first,
        sender.dsn_next,
    ]
}

const RECORD: [&str; 9] = [
    "first_ns",
    "last_ns",
    "connection",
    "local_token",
    "remote_token",
    "flags",
    "state",
    "version",
    "dsn_jump",
];

fn state(state: State) -> u32 {
    match state {
        State::Adopting => flow_state::ADOPTING,
        State::Syn => flow_state::SYN,
        State::SynAck => flow_state::SYNACK,
        State::Established => flow_state::ESTABLISHED,
        State::Closing => flow_state::CLOSING,
        State::Closed => flow_state::CLOSED,
    }
}

fn flags(record: &Record) -> u64 {
    let [local, remote] = &record.sender;
    bit(record.initial, flow_flag::INITIAL)
        | bit(record.joined, flow_flag::JOINED)
        | bit(record.partial, flow_flag::PARTIAL)
        | bit(record.opener == Some(Side::Local), flow_flag::LOCAL_OPENED)
        | bit(record.opener == Some(Side::Remote), flow_flag::REMOTE_OPENED)
        | bit(local.backup, flow_flag::BACKUP_LOCAL)
        | bit(remote.backup, flow_flag::BACKUP_REMOTE)
        | bit(record.address_ids, flow_flag::ADDRESS_IDS)
        | bit(record.checksum, flow_flag::CHECKSUM)
        | bit(record.one_direction, flow_flag::ONE_DIRECTION)
        | match record.jump {
            Some((Side::Local, _)) => flow_flag::DSN_JUMP_LOCAL.into(),
            Some((Side::Remote, _)) => flow_flag::DSN_JUMP_REMOTE.into(),
            None => 0,
        }
        | bit(local.reset_suspected, flow_flag::RESET_SUSPECTED_LOCAL)
        | bit(remote.reset_suspected, flow_flag::RESET_SUSPECTED_REMOTE)
}

fn named(record: [u64; 9], local: [u64; SENDER], remote: [u64; SENDER]) -> Vec<Field> {
    let names = RECORD
        .into_iter()
        .chain(sender_names(Side::Local))
        .chain(sender_names(Side::Remote));
    names.zip(record.into_iter().chain(local).chain(remote)).collect()
}

/// The fields of the model's record.
pub fn model_record(record: &Record) -> Vec<Field> {
    let [local, remote] = &record.sender;
    let own = [
        record.first_ns,
        record.last_ns,
        record.connection.unwrap_or(0),
        record.token[0].unwrap_or(0).into(),
        record.token[1].unwrap_or(0).into(),
        flags(record),
        state(record.state).into(),
        record.version.unwrap_or(0xff).into(),
        record.jump.map_or(0, |(_, next)| next),
    ];
    named(own, model_sender(local), model_sender(remote))
}

/// The fields of the program's record.
pub fn program_record(flow: &abi::Flow) -> Vec<Field> {
    let [local, remote] = &flow.sender;
    let own = [
        flow.first_ns,
        flow.last_ns,
        flow.connection.0,
        flow.local_token.0.into(),
        flow.remote_token.0.into(),
        // Whether the connection has counted it is the core's own affair.
        (u32::from(flow.flags) & !flow_flag::COUNTED).into(),
        flow.state.into(),
        flow.version.into(),
        match u32::from(flow.flags) & (flow_flag::DSN_JUMP_LOCAL | flow_flag::DSN_JUMP_REMOTE) {
            0 => 0,
            _ => flow.dsn_jump,
        },
    ];
    named(own, program_sender(local), program_sender(remote))
}

const CONNECTION: [&str; 17] = [
    "connection.id",
    "connection.first_ns",
    "connection.last_ns",
    "connection.packets",
    "connection.bytes",
    "connection.retransmissions",
    "connection.idsn[local]",
    "connection.idsn[remote]",
    "connection.data_ack[local]",
    "connection.data_ack[remote]",
    "connection.dsn_next[local]",
    "connection.dsn_next[remote]",
    "connection.window_max[local]",
    "connection.window_max[remote]",
    "connection.tokens",
    "connection.subflows",
    "connection.version",
];

/// The fields of the model's connection.
pub fn model_connection(connection: &Connection) -> Vec<Field> {
    let [local, remote] = connection.token.map(u64::from);
    let values = [
        connection.id,
        connection.first_ns,
        connection.last_ns,
        connection.packets,
        connection.bytes,
        connection.retransmissions,
        connection.idsn[0],
        connection.idsn[1],
        connection.data_ack[0].unwrap_or(0),
        connection.data_ack[1].unwrap_or(0),
        connection.dsn_next[0].unwrap_or(0),
        connection.dsn_next[1].unwrap_or(0),
        connection.window_max[0].into(),
        connection.window_max[1].into(),
        local << 32 | remote,
        connection.subflows.into(),
        connection.version.into(),
    ];
    CONNECTION.into_iter().zip(values).collect()
}

/// The fields of the program's connection.
pub fn program_connection(connection: &abi::Connection) -> Vec<Field> {
    let [local, remote] = connection.token.map(|token| u64::from(token.0));
    let values = [
        connection.id.0,
        connection.first_ns,
        connection.last_ns,
        connection.packets,
        connection.bytes,
        connection.retransmissions,
        connection.idsn[0],
        connection.idsn[1],
        connection.data_ack[0],
        connection.data_ack[1],
        connection.dsn_next[0],
        connection.dsn_next[1],
        connection.window_max[0].into(),
        connection.window_max[1].into(),
        local << 32 | remote,
        connection.subflows.into(),
        connection.version.into(),
    ];
    CONNECTION.into_iter().zip(values).collect()
}
