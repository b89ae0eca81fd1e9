//! Two hosts that speak MPTCP.

use super::{Namespace, run};
use emptcp_host::namespace;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    io::{Read, Write},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

/// Whether this kernel has MPTCP.
pub fn has_mptcp() -> bool {
    Path::new("/proc/sys/net/mptcp/enabled").exists()
}

/// A client namespace with `b0`, 10.9.0.2, beside a server namespace with `a0`, 10.9.0.1.
pub struct Pair {
    /// The server's namespace.
    pub server: Namespace,
    /// The name of the client's.
    pub client: String,
}

impl Pair {
    /// Makes both.
    pub fn new() -> Self {
        let server = Namespace::new();
        let client = format!("{}c", server.name);
        run(&format!("ip netns add {client}"));
        server.run(&format!("ip link set b0 netns {client}"));
        server.run("ip addr add 10.9.0.1/24 dev a0");
        server.run("ip link set a0 up");
        run(&format!("ip -n {client} addr add 10.9.0.2/24 dev b0"));
        run(&format!("ip -n {client} link set b0 up"));
        Self { server, client }
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        let address = SockAddr::from("10.9.0.1:7000".parse::<SocketAddr>().unwrap());
        let listener = self.server.within(|| {
            let listener = socket();
            listener.set_reuse_address(true).unwrap();
            listener.bind(&address).unwrap();
            listener.listen(4).unwrap();
            listener
        });
        let client = namespace::within(&self.client, || {
            let client = socket();
            client.connect(&address).unwrap();
            client
        })
        .unwrap();
        let (server, _) = listener.accept().unwrap();
        Connection { server, client }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = std::process::Command::new("ip")
            .args(["netns", "del", &self.client])
            .status();
    }
}

fn socket() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::MPTCP)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    socket
}

/// Both ends of a connection.
pub struct Connection {
    server: Socket,
    client: Socket,
}

impl Connection {
    /// Sends some bytes from the client to the server and back.
    pub fn exchange(&mut self, bytes: usize) {
        let mut received = vec![0; bytes];
        self.client.write_all(&vec![5; bytes]).unwrap();
        self.server.read_exact(&mut received).unwrap();
        self.server.write_all(&received).unwrap();
        self.client.read_exact(&mut received).unwrap();
        assert!(received.iter().all(|byte| *byte == 5));
    }
}
