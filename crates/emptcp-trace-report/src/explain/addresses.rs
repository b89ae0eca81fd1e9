//! ADD_ADDR, REMOVE_ADDR and MP_PRIO: announcements, and their effects.

use super::collector::Facts;
use super::handshake::Handshake;
use super::weigh::{Weighed, Weighing};
use super::{At, Capped, SentenceKind, StoryWriter, words};
use emptcp_trace::record::{Cause, Connection, Hash, MarkKind, Subflow};
use emptcp_trace::{Direction, Span, SubflowId};
use mptcp_wire::mptcp::{AddAddr, AddAddrForm, MpPrio};
use mptcp_wire::{AddressId, Version};
use std::net::IpAddr;

/// Repetitions of a signal within this time, on any subflow, count as one signal.
const AGAIN: Span = Span::from_seconds(2);
/// A subflow that ends within this time of a REMOVE_ADDR ended because of it.
const CONSEQUENCE: Span = Span::from_seconds(10);

/// Without a known round trip, an echo comes within this time.
const ECHO: Span = Span::from_seconds(1);

/// An address that was announced.
#[derive(Clone, Debug)]
pub(super) struct Announcement {
    direction: Direction,
    pub(super) id: AddressId,
    address: IpAddr,
    port: Option<u16>,
    first: At,
    last: At,
    times: u64,
    authenticated: bool,
    echo: Option<At>,
}

/// Addresses that were withdrawn.
#[derive(Clone, Debug)]
struct Removal {
    direction: Direction,
    ids: Vec<AddressId>,
    first: At,
    last: At,
}

/// A change of priority.
#[derive(Clone, Debug)]
struct Priority {
    direction: Direction,
    subflow: SubflowId,
    option: MpPrio,
    first: At,
    last: At,
    /// Bytes that the subflow had carried when the signal came.
    carried: u64,
}

/// All signals about addresses.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    announcements: Capped<Announcement>,
    removals: Capped<Removal>,
    priorities: Capped<Priority>,
}

impl Addresses {
    pub(super) fn add(&mut self, direction: Direction, at: At, option: &AddAddr) {
        let echo = option.form == AddAddrForm::Echo;
        let announced_by = if echo { direction.reverse() } else { direction };
        let known = self.announcements.items.iter_mut().rev().find(|announcement| {
            announcement.direction == announced_by
                && (announcement.id, announcement.address, announcement.port)
                    == (option.address_id, option.address, option.port)
        });
        match (known, echo) {
            (Some(announcement), true) => {
                announcement.echo.get_or_insert(at);
            }
            (Some(announcement), false) => {
                announcement.times += 1;
                announcement.last = at;
            }
            (None, _) => self.announcements.push(Announcement {
                direction: announced_by,
                id: option.address_id,
                address: option.address,
                port: option.port,
                first: at,
                last: at,
                times: u64::from(!echo),
                authenticated: option.form != AddAddrForm::Version0,
                echo: echo.then_some(at),
            }),
        }
    }

    pub(super) fn remove(&mut self, direction: Direction, at: At, ids: &[AddressId]) {
        let again =
            self.removals.items.last_mut().filter(|removal| {
                removal.direction == direction && removal.ids == ids && at.t - removal.last.t < AGAIN
            });
        match again {
            Some(removal) => removal.last = at,
            None => self.removals.push(Removal {
                direction,
                ids: ids.to_vec(),
                first: at,
                last: at,
            }),
        }
    }

    pub(super) fn priority(&mut self, direction: Direction, at: At, subflow: SubflowId, option: MpPrio, carried: u64) {
        let again = self.priorities.items.last_mut().filter(|priority| {
            (priority.direction, priority.subflow, priority.option) == (direction, subflow, option)
                && at.t - priority.last.t < AGAIN
        });
        match again {
            Some(priority) => priority.last = at,
            None => self.priorities.push(Priority {
                direction,
                subflow,
                option,
                first: at,
                last: at,
                carried,
            }),
        }
    }

    /// The signal that made a subflow a backup before this moment, if the last one did.
    pub(super) fn backup_before(&self, subflow: SubflowId, at: At) -> Option<At> {
        let last = self
            .priorities
            .items
            .iter()
            .rfind(|priority| priority.subflow == subflow && priority.first <= at)?;
        last.option.backup.then_some(last.first)
    }

    /// The withdrawal of an address that a subflow uses, before this moment.
    pub(super) fn removal_before(&self, connection: &Connection, subflow: SubflowId, at: At) -> Option<At> {
        let subflow = connection.subflows.iter().find(|one| one.sf_id == subflow)?;
        let of = |removal: &&Removal| {
            removal.first <= at && address_id(subflow, removal.direction).is_some_and(|id| removal.ids.contains(&id))
        };
        self.removals.items.iter().find(of).map(|removal| removal.first)
    }

    /// The announcement that a subflow was opened to.
    pub(super) fn announcement_used(&self, subflow: &Subflow, opener: Direction) -> Option<&Announcement> {
        self.announcements
            .items
            .iter()
            .find(|announcement| announcement.leads_to(subflow, opener))
    }
}

impl Announcement {
    /// Whether the peer uses no address of that kind itself.
    fn is_elsewhere(&self, connection: &Connection) -> bool {
        connection.subflows.iter().all(|subflow| {
            let peer = match self.direction {
                Direction::ClientToServer => subflow.server.ip(),
                Direction::ServerToClient => subflow.client.ip(),
            };
            words::private(peer) != words::private(self.address)
        })
    }

    fn leads_to(&self, subflow: &Subflow, opener: Direction) -> bool {
        let target = match opener {
            Direction::ClientToServer => subflow.server,
            Direction::ServerToClient => subflow.client,
        };
        self.direction == opener.reverse()
            && self.address == target.ip()
            && self.port.is_none_or(|port| port == target.port())
            && self.first.t <= subflow.t_syn
    }
}

pub(super) fn write(facts: &Facts, writer: &mut StoryWriter<'_>) {
    let addresses = &facts.addresses;
    for announcement in &addresses.announcements.items {
        write_announcement(announcement, facts, writer);
    }
    for removal in &addresses.removals.items {
        write_removal(removal, facts, writer);
    }
    for (index, priority) in addresses.priorities.items.iter().enumerate() {
        let later = addresses.priorities.items.iter().skip(index + 1);
        write_priority(priority, later, facts, writer);
    }
    let more = [
        (addresses.announcements.more, "announcement"),
        (addresses.removals.more, "withdrawal"),
        (addresses.priorities.more, "change of priority"),
    ];
    for (number, what) in more.into_iter().filter(|(number, _)| *number > 0) {
        let text = format!("Not described here: {}.", words::counted(number, what));
        writer.remark(SentenceKind::Address, writer.connection.t_end, text, Weighed::default());
    }
}

fn write_announcement(announcement: &Announcement, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let port = announcement
        .port
        .map(|port| format!(", port {port},"))
        .unwrap_or_default();
    let mut text = format!(
        "{} announced its address {}{port} as id {} (ADD_ADDR",
        words::sentence(&words::sender(announcement.direction)),
        announcement.address,
        announcement.id.0
    );
    match announcement.times {
        0 => text.push_str("; only the echo is in the capture)"),
        1 => text.push(')'),
        times => text.push_str(&format!("; sent {times} times)")),
    }
    let peer = words::receiver(announcement.direction);
    let mut last = announcement.last;
    if let Some(echo) = announcement.echo.filter(|_| announcement.times > 0) {
        text.push_str(&format!(
            "; {peer} echoed it {} later",
            words::duration(echo.t - announcement.first.t)
        ));
        last = echo;
    } else if announcement.authenticated && announcement.times > 0 {
        text.push_str("; no echo came back");
    }
    let users: Vec<_> = writer
        .connection
        .subflows
        .iter()
        .filter(|subflow| opener(subflow) == announcement.direction.reverse() && subflow.sf_id.0 > 0)
        .filter(|subflow| announcement.leads_to(subflow, announcement.direction.reverse()))
        .map(|subflow| subflow.sf_id)
        .collect();
    match users.as_slice() {
        [] => {
            text.push_str(&format!(
                ". {} opened no subflow to it in this capture",
                words::sentence(&peer)
            ));
            if let Some(kind) =
                words::private(announcement.address).filter(|_| announcement.is_elsewhere(writer.connection))
            {
                text.push_str(&format!(": it is {kind}, which only its own network can reach"));
            }
        }
        users => text.push_str(&format!(
            ". {} opened {} to it",
            words::sentence(&peer),
            words::subflows(users)
        )),
    }
    let about = announcement.direction;
    let span = [announcement.first, last];
    let wrong = facts.moments(MarkKind::WrongHmac);
    if !wrong
        .iter()
        .any(|moment| moment.mark.packet == announcement.first.packet)
    {
        text.push('.');
        let weighed = weigh_no_echo(announcement, users.is_empty(), facts, writer.connection);
        writer.say(SentenceKind::Address, about, span, text, weighed);
        return;
    }
    let who = words::sender(announcement.direction);
    // An implementation that makes tokens with SHA-1 may also compute HMACs differently.
    let draft = writer.connection.hash == Hash::Sha1 && writer.connection.version == Version::V1;
    text.push_str(if draft {
        ". Its HMAC is not that of RFC 8684."
    } else {
        ". Its HMAC is wrong."
    });
    let weighed = Weighing::of([announcement.first.packet])
        .may(
            Cause::Violation,
            format!("{who}, or somebody in its name, computed it otherwise"),
        )
        .unless(
            Cause::AddressTranslated,
            "something on the path changed the address in the option",
            draft.then_some("the tokens are not those of RFC 8684 either"),
        )
        .weigh();
    writer.say(SentenceKind::Address, about, span, text, weighed);
}

/// Why an announcement had neither an echo (RFC 8684, 3.4.1) nor a subflow, although much came back after it.
fn weigh_no_echo(announcement: &Announcement, unused: bool, facts: &Facts, connection: &Connection) -> Weighed {
    let first = announcement.first;
    let observed = Weighed::observed([first.packet]);
    let expected = announcement.authenticated && announcement.times > 0 && announcement.echo.is_none() && unused;
    let whole =
        !facts.moments.contains_key(&MarkKind::NotCaptured) && !connection.lossy_capture && facts.headers_cut == 0;
    let (who, peer) = (
        words::sender(announcement.direction),
        words::receiver(announcement.direction),
    );
    let later = facts.handshakes.values().find_map(|handshake| {
        let way = &handshake.ways[announcement.direction.reverse()];
        way.last
            .filter(|last| last.t - first.t > handshake.round_trip().unwrap_or(ECHO) && way.packets > 0)
    });
    let Some(later) = later.filter(|_| expected && whole) else {
        return observed;
    };
    Weighing::of([first.packet, later.packet])
        .not(Cause::NotCaptured, "no byte is missing in the capture")
        .may(
            Cause::Violation,
            format!("{peer} does not echo it, as RFC 8684 demands"),
        )
        .may(
            Cause::OptionRemoved,
            format!("something between the capture point and {peer} removed it, or its echo"),
        )
        .may(
            Cause::PacketsLost,
            format!("the packet of {who}, or the one with the echo, was lost"),
        )
        .weigh()
}

pub(super) fn opener(subflow: &Subflow) -> Direction {
    match subflow.opened_by {
        emptcp_trace::record::Opener::Client => Direction::ClientToServer,
        emptcp_trace::record::Opener::Server => Direction::ServerToClient,
    }
}

/// The identifier of the address of a subflow at the sender of a direction; the initial one has 0 (RFC 8684, 3.4.1).
fn address_id(subflow: &Subflow, side: Direction) -> Option<AddressId> {
    let [client, server] = subflow.address_ids;
    let id = match side {
        Direction::ClientToServer => client,
        Direction::ServerToClient => server,
    };
    id.or((subflow.sf_id.0 == 0).then_some(AddressId(0)))
}

fn write_removal(removal: &Removal, facts: &Facts, writer: &mut StoryWriter<'_>) {
    let ids: Vec<_> = removal.ids.iter().map(|id| id.0.to_string()).collect();
    let mut text = format!(
        "{} withdrew its address{} with id {} (REMOVE_ADDR)",
        words::sentence(&words::sender(removal.direction)),
        if ids.len() == 1 { "" } else { "es" },
        words::list(&ids)
    );
    let gone: Vec<_> = writer
        .connection
        .subflows
        .iter()
        .filter(|subflow| address_id(subflow, removal.direction).is_some_and(|id| removal.ids.contains(&id)))
        .filter(|subflow| subflow.t_syn <= removal.first.t && subflow.t_last >= removal.first.t + Span(-AGAIN.0))
        .collect();
    let mut last = removal.last;
    if gone.is_empty() {
        text.push_str("; no subflow was using it");
    }
    for subflow in gone {
        let name = words::subflow(subflow.sf_id);
        let handshake = facts.handshakes.get(&subflow.sf_id);
        let near = |at: &At| at.t - removal.first.t < CONSEQUENCE;
        let reset = handshake
            .and_then(Handshake::first_reset)
            .filter(|(_, reset)| near(&reset.at));
        let fin = handshake.and_then(Handshake::first_fin).filter(|(_, at)| near(at));
        if let Some((direction, reset)) = reset {
            let who = words::sender(direction);
            text.push_str(&format!("; {who} reset {name} (packet {})", reset.at.packet));
            last = later(last, reset.at);
            writer.described.insert(reset.at.packet);
            writer
                .described
                .extend(handshake.and_then(Handshake::first_fin).map(|(_, at)| at.packet));
        } else if let Some((direction, at)) = fin {
            let who = words::sender(direction);
            text.push_str(&format!("; {who} closed {name} (FIN, packet {})", at.packet));
            last = later(last, at);
            writer.described.insert(at.packet);
        } else if subflow.t_last - removal.last.t < CONSEQUENCE {
            text.push_str(&format!("; {name} fell silent"));
        } else {
            text.push_str(&format!("; {name} continued nevertheless"));
        }
    }
    text.push('.');
    let weighed = Weighing::of([removal.first.packet])
        .may(Cause::HostClosed, "the host withdrew it")
        .weigh();
    writer.say(
        SentenceKind::Address,
        removal.direction,
        [removal.first, last],
        text,
        weighed.unsaid(),
    );
}

fn later(one: At, other: At) -> At {
    if other.t > one.t { other } else { one }
}

fn write_priority<'a>(
    priority: &Priority,
    mut later: impl Iterator<Item = &'a Priority>,
    facts: &Facts,
    writer: &mut StoryWriter<'_>,
) {
    // Version 0 may name an address of the sender, and means all subflows that use it (RFC 6824, 3.3.8).
    if let Some(id) = priority.option.address_id {
        write_priority_of_address(priority, id, writer);
        return;
    }
    let subflow = priority.subflow;
    let who = words::sentence(&words::sender(priority.direction));
    let peer = words::receiver(priority.direction);
    let name = words::subflow(subflow);
    let text = if priority.option.backup {
        let next = later.find(|next| next.subflow == subflow && !next.option.backup);
        let total = facts.handshakes.get(&subflow).map_or(0, |handshake| handshake.carried);
        let until = next.map_or(total, |next| next.carried);
        let meanwhile = match (until.saturating_sub(priority.carried), next) {
            (0, None) => " It carried nothing from then on.".to_owned(),
            (0, Some(_)) => " Until that changed it carried nothing.".to_owned(),
            (carried, None) => format!(" From then on it carried {}.", words::bytes(carried)),
            (carried, Some(_)) => format!(" Until that changed it carried {}.", words::bytes(carried)),
        };
        format!("{who} asked {peer} to keep {name} as backup (MP_PRIO).{meanwhile}")
    } else {
        format!("{who} asked {peer} to use {name} as a regular subflow again (MP_PRIO).")
    };
    let span = [priority.first, priority.last];
    let weighed = by_choice(priority);
    writer.say(
        SentenceKind::Priority,
        (subflow, priority.direction),
        span,
        text,
        weighed,
    );
}

fn write_priority_of_address(priority: &Priority, id: AddressId, writer: &mut StoryWriter<'_>) {
    let ids: Vec<_> = writer
        .connection
        .subflows
        .iter()
        .filter(|subflow| address_id(subflow, priority.direction) == Some(id) && subflow.t_syn <= priority.first.t)
        .map(|subflow| subflow.sf_id)
        .collect();
    let which = match ids.as_slice() {
        [] => "which no subflow here uses".to_owned(),
        ids => words::subflows(ids),
    };
    let what = if priority.option.backup {
        "as backup"
    } else {
        "as regular subflows again"
    };
    let text = format!(
        "{} asked {} to use the subflows of its address with id {} ({which}) {what} (MP_PRIO).",
        words::sentence(&words::sender(priority.direction)),
        words::receiver(priority.direction),
        id.0
    );
    let about = super::About {
        subflow: ids.first().copied().filter(|_| ids.len() == 1),
        direction: Some(priority.direction),
    };
    writer.say(
        SentenceKind::Priority,
        about,
        [priority.first, priority.last],
        text,
        by_choice(priority),
    );
}

fn by_choice(priority: &Priority) -> Weighed {
    Weighing::of([priority.first.packet])
        .may(Cause::Scheduler, "the host chose it")
        .weigh()
        .unsaid()
}
