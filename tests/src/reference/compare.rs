//! The fields of a record, of the model and of the program, by name.

use emptcp_abi::{self as abi, SCALE_UNKNOWN, fin, flow_flag, flow_state, known};
use emptcp_flow_reference::{Connection, Fin, Numbers, Record, Sender, Side, State};

/// A field's name and value.
pub type Field = (&'static str, u64);

/// A field: its name, and how to read it from the model and from the program.
type Row<Name, Model, Program> = (Name, fn(&Model) -> u64, fn(&Program) -> u64);

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

/// A field of a sender, with its names for each [`Side`]. Without a function, the field has that name.
macro_rules! sender {
    ($name:expr, $model:expr, $program:expr) => {
        ([concat!("local.", $name), concat!("remote.", $name)], $model, $program)
    };
    ($field:ident, $model:expr) => {
        sender!(stringify!($field), $model, |program| u64::from(program.$field))
    };
    ($field:ident) => {
        sender!($field, |model| u64::from(model.$field))
    };
}

macro_rules! range {
    ($index:literal, $name:literal, $end:tt) => {
        sender!(
            concat!("ranges[", $index, "].", $name),
            |model| model_range(model, $index).$end,
            |program| program_range(program, $index).$end
        )
    };
}

const SENDER: [Row<[&str; 2], Sender, abi::Sender>; 39] = [
    sender!(packets),
    sender!(bytes),
    sender!(last_ns),
    sender!(known, |model| bit(model.numbers.is_some(), known::STARTED)
        | bit(model.acknowledged.is_some(), known::ACKNOWLEDGING)),
    sender!(end, |model| number(model, |numbers| numbers.end)),
    sender!(contiguous, |model| number(model, |numbers| numbers.contiguous)),
    sender!(base, |model| number(model, |numbers| numbers.base)),
    sender!(range_count, |model| number(model, |numbers| numbers.ranges.len()
        as u32)),
    range!(0, "begin", 0),
    range!(0, "end", 1),
    range!(1, "begin", 0),
    range!(1, "end", 1),
    range!(2, "begin", 0),
    range!(2, "end", 1),
    range!(3, "begin", 0),
    range!(3, "end", 1),
    sender!(acknowledgement, |model| model.acknowledged.unwrap_or_default().0.into()),
    sender!(sack_edge, |model| model.acknowledged.unwrap_or_default().1.into()),
    sender!(window),
    sender!(window_max),
    sender!(window_scale, |model| model.window_scale.unwrap_or(SCALE_UNKNOWN).into()),
    sender!(isn),
    sender!("address_id", |model| model.address_id.into(), |program| program
        .address_id
        .0
        .into()),
    sender!(fin, |model| fin(model.fin).into()),
    sender!(fin_end),
    sender!(retransmissions),
    sender!(uncertain),
    sender!(unacceptable),
    sender!(reanchored),
    sender!(run_begin, |model| model.run.begin.into()),
    sender!(run_end, |model| model.run.end.into()),
    sender!(run_count, |model| model.run.count.into()),
    sender!(rtt_sent_ns, |model| model.sample.map_or(0, |sample| sample.sent_ns)),
    sender!(
        "rtt_end",
        |model| model.sample.map_or(0, |sample| sample.end.into()),
        |program| sampling(program, program.rtt_end)
    ),
    sender!(
        "rtt_timestamp",
        |model| model.sample.map_or(0, |sample| sample.timestamp.into()),
        |program| sampling(program, program.rtt_timestamp)
    ),
    sender!(rtt_samples),
    sender!("idsn", |model| model.idsn.unwrap_or(0), |program| program.idsn.0),
    sender!("dsn_first", |model| model.dsn.unwrap_or_default().0, |program| program
        .dsn_first
        .0),
    sender!("dsn_next", |model| model.dsn.unwrap_or_default().1, |program| program
        .dsn_next
        .0),
];

fn number(sender: &Sender, field: fn(&Numbers) -> u32) -> u64 {
    sender.numbers.as_ref().map_or(0, |numbers| field(numbers).into())
}

fn model_range(sender: &Sender, index: usize) -> (u64, u64) {
    let range = sender.numbers.as_ref().and_then(|numbers| numbers.ranges.get(index));
    range.map_or((0, 0), |&(begin, end)| (begin.into(), end.into()))
}

fn program_range(sender: &abi::Sender, index: usize) -> (u64, u64) {
    match index < usize::from(sender.range_count) {
        true => (sender.ranges[index].begin.into(), sender.ranges[index].end.into()),
        false => (0, 0),
    }
}

fn fin(fin: Fin) -> u32 {
    match fin {
        Fin::None => fin::NONE,
        Fin::Sent => fin::SENT,
        Fin::Acknowledged => fin::ACKNOWLEDGED,
    }
}

/// What goes with a sample that is under way.
fn sampling(sender: &abi::Sender, value: u32) -> u64 {
    if sender.rtt_sent_ns == 0 { 0 } else { value.into() }
}

const RECORD: [Row<&str, Record, abi::Flow>; 9] = [
    ("first_ns", |model| model.first_ns, |program| program.first_ns),
    ("last_ns", |model| model.last_ns, |program| program.last_ns),
    (
        "connection",
        |model| model.connection.unwrap_or(0),
        |program| program.connection.0,
    ),
    (
        "local_token",
        |model| model.token[0].unwrap_or(0).into(),
        |program| program.local_token.0.into(),
    ),
    (
        "remote_token",
        |model| model.token[1].unwrap_or(0).into(),
        |program| program.remote_token.0.into(),
    ),
    // Whether the connection has counted it is internal to the core.
    ("flags", flags, |program| {
        (u32::from(program.flags) & !flow_flag::COUNTED).into()
    }),
    (
        "state",
        |model| state(model.state).into(),
        |program| program.state.into(),
    ),
    (
        "version",
        |model| model.version.unwrap_or(0xff).into(),
        |program| program.version.into(),
    ),
    (
        "dsn_jump",
        |model| model.jump.map_or(0, |(_, next)| next),
        |program| match u32::from(program.flags) & (flow_flag::DSN_JUMP_LOCAL | flow_flag::DSN_JUMP_REMOTE) {
            0 => 0,
            _ => program.dsn_jump.0,
        },
    ),
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

/// The fields of the model's record.
pub fn model_record(record: &Record) -> Vec<Field> {
    let own = RECORD.into_iter().map(|(name, model, _)| (name, model(record)));
    let sides = record.sender.iter().enumerate();
    own.chain(sides.flat_map(|(side, sender)| SENDER.map(|(names, model, _)| (names[side], model(sender)))))
        .collect()
}

/// The fields of the program's record.
pub fn program_record(flow: &abi::Flow) -> Vec<Field> {
    let own = RECORD.into_iter().map(|(name, _, program)| (name, program(flow)));
    let sides = flow.sender.iter().enumerate();
    own.chain(sides.flat_map(|(side, sender)| SENDER.map(|(names, _, program)| (names[side], program(sender)))))
        .collect()
}

/// A field of a connection: the one that has the same name in both, or how to read it.
macro_rules! connection {
    ($name:expr, $model:expr, $program:expr) => {
        (concat!("connection.", $name), $model, $program)
    };
    ($field:ident) => {
        connection!(
            stringify!($field),
            |model| u64::from(model.$field),
            |program| u64::from(program.$field)
        )
    };
}

const CONNECTION: [Row<&str, Connection, abi::Connection>; 17] = [
    connection!("id", |model| model.id, |program| program.id.0),
    connection!(first_ns),
    connection!(last_ns),
    connection!(packets),
    connection!(bytes),
    connection!(retransmissions),
    connection!("idsn[local]", |model| model.idsn[0], |program| program.idsn[0].0),
    connection!("idsn[remote]", |model| model.idsn[1], |program| program.idsn[1].0),
    connection!("data_ack[local]", |model| model.data_ack[0].unwrap_or(0), |program| {
        program.data_ack[0].0
    }),
    connection!("data_ack[remote]", |model| model.data_ack[1].unwrap_or(0), |program| {
        program.data_ack[1].0
    }),
    connection!("dsn_next[local]", |model| model.dsn_next[0].unwrap_or(0), |program| {
        program.dsn_next[0].0
    }),
    connection!("dsn_next[remote]", |model| model.dsn_next[1].unwrap_or(0), |program| {
        program.dsn_next[1].0
    }),
    connection!("window_max[local]", |model| model.window_max[0].into(), |program| {
        program.window_max[0].into()
    }),
    connection!("window_max[remote]", |model| model.window_max[1].into(), |program| {
        program.window_max[1].into()
    }),
    connection!("tokens", |model| tokens(model.token), |program| tokens(
        program.token.map(|token| token.0)
    )),
    connection!(subflows),
    connection!(version),
];

fn tokens([local, remote]: [u32; 2]) -> u64 {
    u64::from(local) << 32 | u64::from(remote)
}

/// The fields of the model's connection.
pub fn model_connection(connection: &Connection) -> Vec<Field> {
    CONNECTION.map(|(name, model, _)| (name, model(connection))).to_vec()
}

/// The fields of the program's connection.
pub fn program_connection(connection: &abi::Connection) -> Vec<Field> {
    CONNECTION
        .map(|(name, _, program)| (name, program(connection)))
        .to_vec()
}
