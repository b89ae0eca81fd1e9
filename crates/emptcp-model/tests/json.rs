//! What is written as JSON is read back as it was, by another program too.

use emptcp_model::{
    Connection, ConnectionId, Counter, DeviceDirection, DeviceState, ElementStats, Event, EventBody, Flow, FlowId,
    FlowState, Generation, NamedCounter, PolicyId, PolicyStats, SenderStats, Standing, Stats, SubflowRole, TableStats,
    Totals, Unit,
};
use mptcp_wire::{AddressId, DataSequenceNumber, Key, Side, Token, Version};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, fmt::Debug};

/// Written as text and by way of a value, as `--json` does it, which puts members in another order.
fn is_read_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(what: &T) {
    let text = serde_json::to_string(what).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *what, "{text}");
    let value = serde_json::to_value(what).unwrap();
    assert_eq!(serde_json::from_value::<T>(value).unwrap(), *what, "{text}");
}

fn flow() -> Flow {
    Flow {
        id: FlowId(u64::MAX),
        local: "10.0.0.1:5000".parse().unwrap(),
        remote: "[2001:db8::1]:443".parse().unwrap(),
        state: FlowState::SynAck,
        role: Some(SubflowRole::Joined),
        opened_by: Some(Side::Remote),
        flags: vec!["joined".to_owned()],
        version: Some(Version::V1),
        device: Some("wwan0".to_owned()),
        ifindex: 7,
        connection: Some(ConnectionId(5)),
        local_token: None,
        remote_token: Some(Token(9)),
        age_ms: 4_000,
        idle_ms: 30,
        sent: SenderStats {
            packets: u64::from(u32::MAX) + 1,
            rtt_us: Some(20_300),
            address_id: Some(AddressId(3)),
            dsn: Some((DataSequenceNumber(u64::MAX), DataSequenceNumber(1))),
            ..SenderStats::default()
        },
        received: SenderStats::default(),
        policies: vec!["cap".to_owned()],
    }
}

fn event(body: EventBody) -> Event {
    let flow = flow();
    Event {
        time_ns: u64::MAX,
        flow: flow.id,
        local: flow.local,
        remote: flow.remote,
        policy: None,
        policy_id: PolicyId(3),
        direction: DeviceDirection::Egress,
        body,
    }
}

#[test]
fn a_subflow_is_written_in_the_order_of_its_members_and_read_back() {
    is_read_back(&flow());
    assert_eq!(
        serde_json::to_string(&flow()).unwrap(),
        r#"{"id":"0xffffffffffffffff","local":"10.0.0.1:5000","remote":"[2001:db8::1]:443","state":"synack","role":"joined","opened_by":"remote","flags":["joined"],"version":1,"device":"wwan0","ifindex":7,"connection":"0x0000000000000005","local_token":null,"remote_token":"0x00000009","age_ms":4000,"idle_ms":30,"sent":{"packets":4294967296,"bytes":0,"retransmissions":0,"rtt_us":20300,"rtt_min_us":null,"window":null,"address_id":3,"dsn":["18446744073709551615","1"]},"received":{"packets":0,"bytes":0,"retransmissions":0,"rtt_us":null,"rtt_min_us":null,"window":null,"address_id":null,"dsn":null},"policies":["cap"]}"#
    );
    let mut shown = serde_json::to_value(flow()).unwrap();
    shown["ifindex"] = serde_json::Value::Null;
    assert_eq!(serde_json::from_value::<Flow>(shown).unwrap().ifindex, 0);
}

#[test]
fn a_connection_is_read_back() {
    is_read_back(&Connection {
        id: ConnectionId(5),
        local_token: Some(Token(0xab)),
        remote_token: None,
        subflows: 2,
        packets: 1,
        bytes: 2,
        retransmissions: 3,
        age_ms: 4,
        idle_ms: 5,
        version: None,
        ended: Totals::default(),
    });
}

#[test]
fn an_event_of_every_kind_is_read_back() {
    for keys in [None, Some([Key([1; 8]), Key([0xff; 8])])] {
        is_read_back(&event(EventBody::Connection {
            connection: ConnectionId(1),
            local_token: Some(Token(2)),
            remote_token: None,
            version: Some(Version::V0),
            opened_by: Side::Local,
            keys,
        }));
    }
    is_read_back(&event(EventBody::Subflow {
        connection: None,
        local_token: None,
        remote_token: Some(Token(1)),
        established: true,
        reset: false,
        opened_by: None,
        initial: Some(true),
        backup: true,
        address_ids: Some([AddressId(0), AddressId(255)]),
    }));
    is_read_back(&event(EventBody::User {
        kind: 64,
        body: vec![0, 255],
    }));
}

#[test]
fn the_record_in_an_event_has_the_end_points_of_the_event_and_no_member_twice() {
    let event = event(EventBody::Record(Box::new(flow())));
    is_read_back(&event);
    let text = serde_json::to_string(&event).unwrap();
    for member in serde_json::to_value(flow()).unwrap().as_object().unwrap().keys() {
        assert!(
            text.contains(&format!(r#""{member}":"#)),
            "{member} is missing in {text}"
        );
    }
    assert_eq!(text.matches(r#""local":"#).count(), 1, "{text}");
}

#[test]
fn a_subflow_without_a_device_has_no_index_in_an_event_either() {
    let event = event(EventBody::Record(Box::new(Flow { ifindex: 0, ..flow() })));
    assert!(serde_json::to_value(&event).unwrap()["ifindex"].is_null());
    is_read_back(&Event {
        body: EventBody::Record(Box::new(Flow {
            ifindex: 0,
            local: event.local,
            remote: event.remote,
            ..flow()
        })),
        ..event
    });
}

#[test]
fn counters_are_read_back() {
    is_read_back(&Stats {
        instance: "default".to_owned(),
        generation: Generation(7),
        core: BTreeMap::from([("tracked".to_owned(), 5)]),
        devices: vec![DeviceState {
            device: "eth0".to_owned(),
            direction: DeviceDirection::Ingress,
            state: Standing::QdiscReplaced,
            renamed_to: None,
            moved: false,
            came_back: true,
            qdisc: Some("htb 1:".to_owned()),
        }],
        policies: vec![PolicyStats {
            name: "cap".to_owned(),
            id: PolicyId(1),
            direction: DeviceDirection::Egress,
            devices: vec!["eth0".to_owned()],
            matched: Counter { packets: 1, bytes: 2 },
            elements: vec![ElementStats {
                element: "count".to_owned(),
                source: "count".to_owned(),
                counters: vec![NamedCounter {
                    name: "seen".to_owned(),
                    unit: Unit::Events,
                    counter: Counter { packets: 1, bytes: 0 },
                }],
            }],
        }],
        tables: vec![TableStats {
            name: "flows".to_owned(),
            used: 1,
            size: 2,
            evicted: None,
        }],
    });
}
