//! A network namespace with MPTCP traffic.

use emptcp::Namespace;
use std::{
    net::{TcpListener, TcpStream},
    process::Command,
};

pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// A namespace with a pair of devices, both ends up.
pub(crate) struct Own(pub(crate) String);

impl Own {
    pub(crate) fn new(name: &str) -> Self {
        let own = Self(format!("emf-{name}-{}", std::process::id()));
        let name = &own.0;
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link add wwan0 type veth peer name other"));
        ip(&format!("-n {name} link set lo up"));
        own
    }

    pub(crate) fn namespace(&self) -> Namespace {
        Namespace::named(&self.0).unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Ok(namespace) = Namespace::named(&self.0) {
            for instance in namespace.instances().unwrap_or_default() {
                let _ = instance.remove();
            }
        }
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Opens an MPTCP connection over the namespace's loopback device and closes it.
pub(crate) fn connect(namespace: &Namespace) {
    let transfer = || {
        let socket = |_| {
            let protocol = Some(socket2::Protocol::MPTCP);
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, protocol).unwrap()
        };
        let [listener, client] = [0, 1].map(socket);
        let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
        listener.bind(&any.into()).unwrap();
        listener.listen(1).unwrap();
        client.connect(&listener.local_addr().unwrap()).unwrap();
        let (server, client) = (TcpListener::from(listener).accept().unwrap().0, TcpStream::from(client));
        std::io::Write::write_all(&mut &client, b"hello").unwrap();
        let mut read = [0; 5];
        std::io::Read::read_exact(&mut &server, &mut read).unwrap();
    };
    namespace.run(transfer).unwrap();
}
