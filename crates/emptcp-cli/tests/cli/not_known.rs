//! A subflow whose connection is unknown: it was first seen in mid-stream, and no socket reports it.

use crate::{
    common::wait_until,
    hosts::{Python, hosts},
};
use emptcp::require;
use serde_json::Value;

const POLICY: &str = "\
[[policy]]
name   = 'tell'
device = 'v0'
hook   = ['ingress', 'egress']
do     = ['get_subflow', 'record every=0s']
";

/// Sends a request every 20 ms and waits for its answer, until its standard input ends.
const CLIENT: &str = "\
import select, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.connect(('10.77.0.2', 7000))
first = True
while not select.select([sys.stdin], [], [], 0.02)[0]:
    s.sendall(b'request')
    s.recv(100)
    if first:
        print('open', flush=True)
    first = False
";

const SERVER: &str = "\
import socket
l = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
l.bind(('10.77.0.2', 7000))
l.listen()
print('ready', flush=True)
s, _ = l.accept()
while s.recv(100):
    s.sendall(b'answer')
";

#[test]
fn a_subflow_whose_connection_is_not_known_says_so_in_text_and_in_every_event() {
    require!(
        emptcp::testing::is_root(),
        "needs root: it makes network namespaces and loads programs"
    );
    require!(
        std::path::Path::new("/proc/sys/net/mptcp/enabled").exists(),
        "needs MPTCP in the kernel"
    );
    let (netns, peer) = hosts();
    let server = Python::start(&peer, SERVER);
    let client = Python::start(&netns, CLIENT);
    netns.apply(POLICY, &["--no-adopt"]).exits(0);

    let mut events: Vec<Value> = Vec::new();
    wait_until("the subflow is reported", || {
        let said = netns
            .emptcp(&["monitor", "--backlog", "--for", "0.1", "--json"])
            .exits(0);
        let lines = said.out.lines();
        events = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        let has = |what: &str| events.iter().any(|event| event["event"] == what);
        has("subflow") && has("record")
    });
    for event in events.iter().filter(|event| event["event"] != "missed") {
        for member in ["connection", "local_token", "remote_token", "opened_by"] {
            assert_eq!(event.get(member), Some(&Value::Null), "{member} in {event}");
        }
        match event["event"].as_str() {
            Some("subflow") => assert!(event["initial"].is_null() && event["address_ids"].is_null(), "{event}"),
            _ => assert!(event["role"].is_null(), "{event}"),
        }
    }
    let text = netns.emptcp(&["monitor", "--backlog", "--for", "0.1"]).exits(0).out;
    assert!(
        text.contains("subflow established, connection not known, tokens ? <-> ?"),
        "{text}"
    );
    assert!(text.contains("opener not known, address ids not known"), "{text}");

    let groups = netns.emptcp(&["flows", "--json"]).exits(0).json();
    assert!(
        groups[0]["connection"].is_null() && groups[0]["flows"][0]["opened_by"].is_null(),
        "{groups}"
    );
    let text = netns.emptcp(&["flows"]).exits(0).out;
    assert!(text.starts_with("1 subflow, its connection is not known\n"), "{text}");
    assert!(text.contains("? <-> ?"), "{text}");

    // The kernel knows it: after the takeover both name it.
    netns.apply(POLICY, &[]).exits(0);
    let groups = netns.emptcp(&["flows", "--json"]).exits(0).json();
    let flow = &groups[0]["flows"][0];
    assert_eq!(
        (&flow["opened_by"], &flow["role"]),
        (&"local".into(), &"initial".into()),
        "{groups}"
    );
    let text = netns.emptcp(&["flows"]).exits(0).out;
    assert!(text.contains("  local  "), "{text}");
    client.finish();
    drop(server);
}
