//! `emptcp monitor`.

use crate::{
    session::Session,
    units,
    watch::{Seconds, end_on_signal, is_removed, say_removed},
    words,
};
use anyhow::Result;
use clap::Args;
use emptcp::{
    Begin,
    abi::ConnectionId,
    model::{Event, EventBody},
    wire::{Side, Token},
};
use jiff::{Timestamp, tz::TimeZone};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Print events as they come, until Ctrl-C
#[derive(Args, Debug)]
#[command(
    long_about = "Print what policies report by `get_connect`, `get_subflow`, `record` and by elements of your own, \
        as it comes, until Ctrl-C or until the instance is removed. It begins with new events, or with the oldest \
        that is kept (--backlog). Any number of readers see every event. Each CPU keeps its newest events, as many as \
        `[tables] events` has room for; a reader that is too slow reports how many it missed.\n\n\
        `time` is computed from `time_ns` by the clocks of this machine when the reader starts: for two readers the same event may \
        differ by some microseconds, and by more when the clock was set in between. `time_ns`, with the ids, identifies it.",
    after_long_help = "\
Examples:
  emptcp monitor
  emptcp monitor --json | jq 'select(.event == \"subflow\")'
  emptcp monitor --for 10 --count 100
  emptcp monitor --backlog --for 0.1      what is kept

JSON, one object per line:
  {\"time\" (seconds since 1970), \"time_ns\" (CLOCK_MONOTONIC, a string), \"flow\", \"local\",
   \"remote\", \"policy\", \"policy_id\", \"direction\", \"event\", ...}, and by \"event\":
  connection  \"connection\", \"local_token\", \"remote_token\", \"version\", \"opened_by\",
              \"keys\" (when the policy asks for them)
  subflow     \"connection\", \"local_token\", \"remote_token\", \"established\", \"reset\",
              \"opened_by\", \"initial\", \"backup\", \"address_ids\"; what is not known is null
  record      as a flow of `emptcp flows --json`
  user        \"kind\", \"body\" (bytes)
Between them {\"time\", \"event\": \"missed\", \"count\"}: the number that newer ones overwrote unread."
)]
pub(crate) struct Monitor {
    /// End after SECONDS seconds
    #[arg(long = "for", value_name = "SECONDS")]
    time: Option<Seconds>,
    /// End after EVENTS events
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Also print the events that are kept from before, including those of replaced policies
    #[arg(long)]
    backlog: bool,
}

/// How long one wait for events takes at most.
const SLICE: Duration = Duration::from_secs(2);

impl Monitor {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let begin = if self.backlog { Begin::Kept } else { Begin::Now };
        let mut events = session.instance()?.events_from(begin)?;
        end_on_signal()?;
        let clocks = Clocks::read();
        let end = self
            .time
            .map(|Seconds(time)| (Instant::now() + time, clocks.monotonic + time));
        let mut left = self.count;
        let mut missed = 0;
        loop {
            let time = end.map_or(SLICE, |(end, _)| {
                end.saturating_duration_since(Instant::now()).min(SLICE)
            });
            let event = match events.next_within(time) {
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    if !is_removed(session, &error) {
                        return Err(error);
                    }
                    say_removed();
                    return Ok(());
                }
                Ok(event) => event,
            };
            if events.missed() > missed {
                print_missed(session, events.missed() - missed)?;
                missed = events.missed();
            }
            match event {
                // It happened after the requested time.
                Some(event) if end.is_some_and(|(_, end)| Duration::from_nanos(event.time_ns) > end) => return Ok(()),
                Some(event) => print(session, &event, clocks)?,
                None if events.has_ended() => {
                    say_removed();
                    return Ok(());
                }
                None if end.is_some_and(|(end, _)| end <= Instant::now()) => return Ok(()),
                None => continue,
            }
            left = left.map(|left| left - 1);
            if left == Some(0) {
                return Ok(());
            }
        }
    }
}

fn print_missed(session: &Session, count: u64) -> Result<()> {
    let now = Timestamp::now();
    if session.wants_json() {
        let time = now.as_duration().as_secs_f64();
        return session.print_json_line(&json!({ "time": time, "event": "missed", "count": count }));
    }
    let time = shown(now);
    let (events, they) = if count == 1 {
        ("event", "it")
    } else {
        ("events", "they")
    };
    Ok(session.print(&format!(
        "{time} {count} {events} missed: newer ones overwrote {they}; to keep more, raise `events` in `[tables]`\n"
    ))?)
}

fn print(session: &Session, event: &Event, clocks: Clocks) -> Result<()> {
    let time = clocks.wall(event.time_ns);
    if session.wants_json() {
        let mut value = serde_json::to_value(event)?;
        if let Value::Object(members) = &mut value {
            members.insert("time".to_owned(), json!(time.as_duration().as_secs_f64()));
        }
        return session.print_json_line(&value);
    }
    let policy = event
        .policy
        .clone()
        .unwrap_or_else(|| format!("policy id {}", event.policy_id));
    let time = shown(time);
    let what = describe(&event.body);
    Ok(session.print(&format!(
        "{time} {policy}: {what}: {} <-> {}\n",
        event.local, event.remote
    ))?)
}

/// The time of day, its date and its offset from UTC.
fn shown(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%F %T.%6f%:z").to_string()
}

fn describe(body: &EventBody) -> String {
    match body {
        EventBody::Connection {
            connection,
            local_token,
            remote_token,
            version,
            opened_by,
            keys,
        } => {
            let mut text = format!(
                "connection {connection}, {}, MPTCP v{}, opened by {}",
                tokens(*local_token, *remote_token),
                words::known(*version),
                side(*opened_by)
            );
            if let Some([local, remote]) = keys {
                text += &format!(", keys {} <-> {}", local.reveal(), remote.reveal());
            }
            text
        }
        EventBody::Subflow {
            connection,
            local_token,
            remote_token,
            established,
            reset,
            opened_by,
            initial,
            backup,
            address_ids,
        } => format!(
            "{}subflow{} {}, {}, {}, {}, {}",
            match initial {
                Some(true) => "initial ",
                Some(false) => "joined ",
                None => "",
            },
            if *backup { " (backup)" } else { "" },
            match (established, reset) {
                (true, _) => "established",
                (false, true) => "reset",
                (false, false) => "closed",
            },
            of_connection(*connection),
            tokens(*local_token, *remote_token),
            opened_by.map_or_else(
                || "opener not known".to_owned(),
                |opener| format!("opened by {}", side(opener))
            ),
            address_ids.map_or_else(
                || "address ids not known".to_owned(),
                |[local, remote]| format!("address ids {local} <-> {remote}")
            ),
        ),
        EventBody::Record(flow) => format!(
            "record, {}, {}, {}, sent {}, received {}, RTT {}, age {}",
            of_connection(flow.connection),
            tokens(flow.local_token, flow.remote_token),
            flow.state,
            units::bytes(flow.sent.bytes),
            units::bytes(flow.received.bytes),
            units::microseconds(flow.sent.rtt_us.or(flow.received.rtt_us)),
            units::milliseconds(flow.age_ms),
        ),
        EventBody::User { kind, body } => {
            let bytes: Vec<_> = body.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("event {kind}, {}", bytes.join(" "))
        }
    }
}

fn of_connection(connection: Option<ConnectionId>) -> String {
    connection.map_or_else(
        || "connection not known".to_owned(),
        |connection| format!("connection {connection}"),
    )
}

fn tokens(local: Option<Token>, remote: Option<Token>) -> String {
    format!("tokens {} <-> {}", words::known(local), words::known(remote))
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Local => "the local side",
        Side::Remote => "the remote side",
    }
}

/// The difference between the clock of events and the time of day.
#[derive(Clone, Copy)]
struct Clocks {
    monotonic: Duration,
    wall: Timestamp,
}

impl Clocks {
    fn read() -> Self {
        let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map(Duration::from)
            .unwrap_or_default();
        Self {
            monotonic,
            wall: Timestamp::now(),
        }
    }

    /// The time of day of an event.
    fn wall(self, monotonic_ns: u64) -> Timestamp {
        let event = Duration::from_nanos(monotonic_ns);
        let shifted = if event >= self.monotonic {
            self.wall.checked_add(event - self.monotonic)
        } else {
            self.wall.checked_sub(self.monotonic - event)
        };
        shifted.unwrap_or(self.wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emptcp::wire::{AddressId, Version};

    #[test]
    fn an_event_is_one_sentence() {
        let subflow = EventBody::Subflow {
            connection: Some(ConnectionId(0xab)),
            local_token: None,
            remote_token: Some(Token(0x1234)),
            established: false,
            reset: true,
            opened_by: Some(Side::Remote),
            initial: Some(false),
            backup: true,
            address_ids: Some([1, 2].map(AddressId)),
        };
        assert_eq!(
            describe(&subflow),
            "joined subflow (backup) reset, connection 0x00000000000000ab, tokens ? <-> 0x00001234, \
             opened by the remote side, address ids 1 <-> 2"
        );
        let unknown = EventBody::Subflow {
            connection: None,
            local_token: None,
            remote_token: None,
            established: true,
            reset: false,
            opened_by: None,
            initial: None,
            backup: false,
            address_ids: None,
        };
        assert_eq!(
            describe(&unknown),
            "subflow established, connection not known, tokens ? <-> ?, opener not known, address ids not known"
        );
        let unknown = serde_json::to_value(&unknown).unwrap();
        for member in ["connection", "local_token", "opened_by", "initial", "address_ids"] {
            assert!(unknown[member].is_null(), "{member} in {unknown}");
        }
        let connection = EventBody::Connection {
            connection: ConnectionId(1),
            local_token: Some(Token(0x1234)),
            remote_token: None,
            version: Some(Version::V1),
            opened_by: Side::Local,
            keys: None,
        };
        assert_eq!(
            describe(&connection),
            "connection 0x0000000000000001, tokens 0x00001234 <-> ?, MPTCP v1, opened by the local side"
        );
        assert_eq!(
            describe(&EventBody::User {
                kind: 70,
                body: vec![1, 255]
            }),
            "event 70, 01 ff"
        );
    }

    #[test]
    fn the_time_of_an_event_is_a_time_of_day() {
        let wall = Timestamp::from_second(1_000).unwrap();
        let clocks = Clocks {
            monotonic: Duration::from_secs(50),
            wall,
        };
        assert_eq!(clocks.wall(49_000_000_000), Timestamp::from_second(999).unwrap());
        assert_eq!(
            clocks.wall(51_500_000_000),
            Timestamp::from_millisecond(1_001_500).unwrap()
        );
    }
}
