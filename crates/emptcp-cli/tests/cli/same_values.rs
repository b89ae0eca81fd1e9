//! Text and JSON of a command show the same values, of a real MPTCP connection; and JSON survives readers that keep
//! numbers as doubles.

use crate::{
    common::{Netns, Said, wait_until},
    hosts::{Python, hosts},
};
use emptcp::require;
use serde_json::Value;
use std::{
    io::Write,
    process::{Command, Stdio},
};

const POLICY: &str = "\
[[policy]]
name   = 'in'
device = 'v0'
hook   = 'ingress'
when   = 'dsn in 1..9223372036854775809'
do     = ['count']

[[policy]]
name   = 'out'
device = 'v0'
hook   = 'egress'
do     = ['get_connect', 'get_subflow', 'count']
";

/// Sends 20000 bytes over MPTCP, says so, and closes when its standard input ends.
const CLIENT: &str = "\
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.connect(('10.77.0.2', 7000))
s.sendall(bytes(20000))
s.recv(1)
print('sent', flush=True)
sys.stdin.read()
s.close()
";

const SERVER: &str = "\
import socket
l = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
l.bind(('10.77.0.2', 7000))
l.listen()
print('ready', flush=True)
s, _ = l.accept()
left = 20000
while left:
    left -= len(s.recv(left))
s.sendall(b'x')
s.recv(1)
";

/// Reads JSON twice: as it is, and with every whole number through a double. Returns where they differ.
const THROUGH_DOUBLES: &str = "\
import json, sys
text = sys.stdin.read()
assert json.loads(text) == json.loads(text, parse_int=lambda n: int(float(n))), 'numbers change'
";

fn survives_doubles(text: &str) {
    let mut child = Command::new("python3")
        .args(["-c", THROUGH_DOUBLES])
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("it ends").success(), "{text}");
}

/// 10 to 99.9 kB, as the command writes them.
fn kilobytes(bytes: u64) -> String {
    assert!((10_000..99_950).contains(&bytes), "{bytes}");
    format!("{:.1} kB", bytes as f64 / 1000.0)
}

/// The words of the line that begins with `name`.
fn line<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let words = |line: &'a str| line.split_whitespace().collect::<Vec<_>>();
    text.lines()
        .map(words)
        .find(|words| words.first() == Some(&name))
        .unwrap_or_else(|| panic!("no line `{name}` in {text}"))
}

/// JSON and text of a command, with no packet counted in between: neighbour discovery may send packets.
fn both(netns: &Netns, command: &str) -> (Said, String) {
    let json = || netns.emptcp(&[command, "--json"]).exits(0);
    let mut still = None;
    wait_until(&format!("{command} stands still"), || {
        let (before, text, after) = (json(), netns.emptcp(&[command]).exits(0).out, json());
        still = (before.out == after.out).then_some((before, text));
        still.is_some()
    });
    still.expect("it stood still")
}

#[test]
fn text_and_json_show_the_same_values_of_a_real_connection() {
    require!(
        emptcp::testing::is_root(),
        "needs root: it makes network namespaces and loads programs"
    );
    require!(
        std::path::Path::new("/proc/sys/net/mptcp/enabled").exists(),
        "needs MPTCP in the kernel"
    );
    let (netns, peer) = hosts();
    netns.apply(POLICY, &[]).exits(0);
    let server = Python::start(&peer, SERVER);
    let client = Python::start(&netns, CLIENT);

    // The last acknowledgement is delayed (TCP_DELACK_MIN).
    let volumes = |said: &Said| {
        let connection = said.json()[0]["connection"].clone();
        (connection["packets"].as_u64(), connection["bytes"].as_u64())
    };
    let mut flows = netns.emptcp(&["flows", "--json"]).exits(0);
    wait_until("all of it is counted", || {
        let before = std::mem::replace(&mut flows, netns.emptcp(&["flows", "--json"]).exits(0));
        let (packets, bytes) = volumes(&flows);
        (packets, bytes) == volumes(&before) && bytes >= Some(20_001)
    });
    let text = netns.emptcp(&["flows"]).exits(0).out;
    survives_doubles(&flows.out);
    let groups = flows.json();
    let (connection, flow) = (&groups[0]["connection"], &groups[0]["flows"][0]);
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("a number: {value}"));
    for what in ["packets", "bytes"] {
        let sum = number(&flow["sent"][what]) + number(&flow["received"][what]);
        assert_eq!(number(&connection[what]), sum, "{what} in {groups}");
    }
    assert!(number(&connection["bytes"]) >= 20_001, "{groups}");
    for wanted in [
        connection["id"].as_str().unwrap(),
        connection["local_token"].as_str().unwrap(),
        connection["remote_token"].as_str().unwrap(),
        &kilobytes(number(&connection["bytes"])),
        &kilobytes(number(&flow["sent"]["bytes"])),
        flow["local"].as_str().unwrap(),
    ] {
        assert!(text.contains(wanted), "{wanted} in {text}");
    }
    assert_eq!(connection["id"], flow["connection"], "{groups}");
    assert!(flow["id"].as_str().unwrap().starts_with("0x"), "{groups}");

    let (stats, text) = both(&netns, "stats");
    survives_doubles(&stats.out);
    let stats = stats.json();
    for (name, packets) in stats["core"].as_object().unwrap() {
        assert_eq!(line(&text, name)[1], packets.to_string(), "{name} in {text}");
    }
    for table in stats["tables"].as_array().unwrap() {
        assert_eq!(
            line(&text, table["name"].as_str().unwrap())[1..3],
            [table["used"].to_string(), table["size"].to_string()]
        );
    }
    // One event each.
    let elements = &stats["policies"][1]["elements"];
    for position in [0, 1] {
        let counter = &elements[position]["counters"][0];
        assert_eq!(
            (
                counter["name"].as_str(),
                number(&counter["packets"]),
                number(&counter["bytes"])
            ),
            (Some("emitted"), 1, 0),
            "{stats}"
        );
    }

    let (list, text) = both(&netns, "list");
    survives_doubles(&list.out);
    for (entry, line) in list.json().as_array().unwrap().iter().zip(text.lines().skip(1)) {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[1], entry["policy"].as_str().unwrap(), "{text}");
        assert_eq!(words[4], entry["matched"]["packets"].to_string(), "{text}");
    }
    assert_eq!(text.lines().count(), 3, "{text}");

    let (show, text) = (
        netns.emptcp(&["show", "--json"]).exits(0),
        netns.emptcp(&["show"]).exits(0).out,
    );
    survives_doubles(&show.out);
    let show = show.json();
    assert!(text.contains(&format!("policy set {}", show["generation"])), "{text}");
    assert!(text.contains(&format!("{} flows", show["tables"]["flows"])), "{text}");

    let (elements, text) = (
        netns.emptcp(&["elements", "--json"]).exits(0),
        netns.emptcp(&["elements"]).exits(0).out,
    );
    for element in elements.json().as_array().unwrap() {
        assert_eq!(line(&text, element["name"].as_str().unwrap())[1], element["kind"]);
    }

    // Two events are kept for readers.
    let first = netns
        .emptcp(&["monitor", "--backlog", "--count", "1", "--json"])
        .exits(0);
    survives_doubles(&first.out);
    let both = netns.emptcp(&["monitor", "--backlog", "--for", "0.1"]).exits(0);
    assert_eq!(both.out.lines().count(), 2, "{both:?}");
    for line in both.out.lines() {
        assert!(line.contains(first.json()["connection"].as_str().unwrap()), "{line}");
    }

    client.finish();
    drop(server);
    wait_until("the subflow is closed", || {
        let groups = netns.emptcp(&["flows", "--json"]).exits(0).json();
        let flows = groups[0]["flows"].as_array().into_iter().flatten();
        flows.into_iter().all(|flow| flow["state"] == "closed")
    });
    let now = netns.emptcp(&["monitor", "--for", "0.3"]).exits(0);
    assert_eq!(now.out, "", "the end of the subflow was before");
    let closed = netns.emptcp(&["flows", "--closed", "--json"]).exits(0).json();
    assert_eq!(closed[0]["connection"]["id"], connection["id"]);
}
