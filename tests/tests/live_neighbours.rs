//! A policy set does not change what others have on the machine: programs, filters, qdiscs, and running connections.

use emptcp_lab::{FourTuple, Host, IpVersion, TransferDirection};
use emptcp_packet::{ApplyOptions, Error, Instance, instance::DEFAULT, require, testing::is_root};
use emptcp_plan::compile;
use emptcp_tests::live::{Bed, seconds, shell, two_paths, wait_for};
use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    path::PathBuf,
};

const COUNT: &str = "[[policy]]\nname = \"mine\"\ndevice = [\"path1\", \"path2\"]\nhook = [\"ingress\", \"egress\"]\n\
                     attach = \"tc\"\ndo = ['count']\n";

/// Foreign programs: a policy set whose pins are hidden.
struct ForeignSet<'a> {
    bed: &'a Bed,
    name: &'static str,
    folder: PathBuf,
    hidden: PathBuf,
}

impl<'a> ForeignSet<'a> {
    fn new(bed: &'a Bed, name: &'static str, policies: &str, clsact: bool) -> Self {
        let server = bed.lab.server();
        let plan = compile("foreign.toml", policies, &bed.catalog.manifests()).unwrap();
        let options = ApplyOptions {
            clsact,
            ..ApplyOptions::default()
        };
        let folder = server
            .run(|| {
                emptcp_packet::apply(name, &plan, policies, &bed.catalog, &options).unwrap();
                Instance::open(name).unwrap().show().unwrap().folder
            })
            .unwrap();
        let hidden = folder
            .parent()
            .unwrap()
            .with_file_name(format!("{}-{name}", server.netns().name()));
        fs::rename(&folder, &hidden).unwrap();
        Self {
            bed,
            name,
            folder,
            hidden,
        }
    }

    /// Packets that its programs have counted.
    fn counted(&self) -> u64 {
        // The folder is removed with the last known policy set.
        fs::create_dir_all(self.folder.parent().expect("a folder of the namespace")).unwrap();
        fs::rename(&self.hidden, &self.folder).unwrap();
        let instance = || Instance::open(self.name).and_then(|instance| instance.stats(&self.bed.catalog));
        let stats = self.bed.lab.server().run(instance).unwrap();
        fs::rename(&self.folder, &self.hidden).unwrap();
        stats
            .unwrap()
            .policies
            .iter()
            .map(|policy| policy.matched.packets)
            .sum()
    }
}

impl Drop for ForeignSet<'_> {
    fn drop(&mut self) {
        let removed = fs::create_dir_all(self.folder.parent().expect("a folder of the namespace"))
            .and_then(|()| fs::rename(&self.hidden, &self.folder))
            .map(|()| self.bed.lab.server().run(|| emptcp_packet::remove(self.name)));
        if !matches!(removed, Ok(Ok(Ok(_)))) {
            eprintln!("{}: {removed:?}", self.name);
        }
    }
}

/// Filters, qdiscs and XDP programs of the host, by `tc` and `ip`.
fn network(host: &Host) -> String {
    let mut text = shell(host, "ip -details -json link show") + &shell(host, "tc qdisc show");
    for device in ["path1", "path2"] {
        for hook in ["root", "ingress", "egress"] {
            text += &shell(host, &format!("tc filter show dev {device} {hook}"));
        }
    }
    text
}

#[test]
fn programs_filters_and_qdiscs_of_others_stay_as_they_are_and_go_on_working() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    let server = bed.lab.server();
    for command in [
        "tc qdisc add dev path1 root handle 77: pfifo limit 500",
        "tc qdisc add dev path2 clsact",
        "tc filter add dev path2 ingress protocol ip prio 7 u32 match ip protocol 17 0xff classid 1:7",
        "tc filter add dev path2 egress protocol ip prio 7 u32 match ip protocol 17 0xff classid 1:8",
    ] {
        shell(server, command);
    }
    let of_stranger = |device: &str, attach: &str| {
        format!(
            "[[policy]]\nname = \"theirs\"\ndevice = \"{device}\"\nhook = [\"ingress\", \"egress\"]\n\
             attach = \"{attach}\"\ndo = ['count']\n"
        )
    };
    let strangers = [
        ForeignSet::new(&bed, "foreign-tcx", &of_stranger("path2", "tc"), false),
        ForeignSet::new(&bed, "foreign-cls", &of_stranger("path2", "tc"), true),
        ForeignSet::new(&bed, "foreign-xdp", &of_stranger("path1", "xdp-generic"), false),
    ];
    assert!(
        server.run(Instance::list).unwrap().unwrap().is_empty(),
        "they are unknown to emptcp"
    );
    let before = network(server);
    assert!(
        before.contains("xdpgeneric") || before.contains("prog/xdp") || before.contains("\"xdp\""),
        "{before}"
    );
    assert!(
        before.contains("flowid 1:7") && before.contains("flowid 1:8"),
        "{before}"
    );

    for clsact in [false, true] {
        let counted = strangers.each_ref().map(ForeignSet::counted);
        bed.apply_with(
            server,
            COUNT,
            &ApplyOptions {
                clsact,
                ..ApplyOptions::default()
            },
        );
        let report = bed
            .lab
            .bulk()
            .bytes(3_000_000)
            .direction(TransferDirection::Both)
            .run()
            .unwrap();
        assert_eq!(report.upload.unwrap().received, 3_000_000);
        let mine: Vec<u64> = bed
            .stats(server)
            .policies
            .iter()
            .map(|policy| policy.matched.packets)
            .collect();
        let theirs = strangers.each_ref().map(ForeignSet::counted);
        eprintln!("clsact {clsact}: mine {mine:?}, theirs {counted:?} then {theirs:?}");
        assert!(mine.iter().all(|packets| *packets > 500), "{mine:?}");
        for (foreign, (was, is)) in strangers.iter().zip(counted.into_iter().zip(theirs)) {
            assert!(is > was + 500, "{} goes on: {was} to {is}", foreign.name);
        }
        bed.remove(server);
        assert_eq!(network(server), before, "clsact {clsact}");
    }

    let refused = |policies: &str| {
        let plan = compile("refused.toml", policies, &bed.catalog.manifests()).unwrap();
        let apply = || emptcp_packet::apply(DEFAULT, &plan, policies, &bed.catalog, &ApplyOptions::default());
        let error = server.run(apply).unwrap().unwrap_err();
        assert!(server.run(Instance::list).unwrap().unwrap().is_empty(), "{error}");
        assert_eq!(network(server), before, "{error}");
        error
    };
    let error = refused(
        "[[policy]]\nname = \"mine\"\ndevice = \"path1\"\nhook = \"egress\"\ndo = ['rate_limit rate=1mbit mode=shape']\n",
    );
    assert!(
        matches!(error, Error::Shape { .. }) && error.to_string().contains("pfifo"),
        "{error}"
    );
    let error = refused(&of_stranger("path1", "xdp-generic"));
    assert!(error.to_string().contains("path1"), "{error}");
    eprintln!("{error}");
    bed.assert_clean("neighbours");
}

#[test]
fn a_connection_that_already_runs_is_taken_over_with_its_tokens_and_window_scales() {
    require!(is_root(), "this test makes network namespaces");
    let Some(bed) = Bed::new(two_paths()) else { return };
    for version in [IpVersion::V4, IpVersion::V6] {
        let listener = bed.lab.server().listen(version).unwrap();
        let remote = SocketAddr::new(bed.lab.server().address(0, version).unwrap(), listener.port());
        let client = bed.lab.client().connect(remote, seconds(5.0)).unwrap();
        let server = listener.accept(seconds(5.0)).unwrap();
        let exchange = || {
            for (from, to) in [(&client, &server), (&server, &client)] {
                from.as_tcp().write_all(&[1; 50_000]).unwrap();
                to.as_tcp().read_exact(&mut [0; 50_000]).unwrap();
            }
            std::thread::sleep(seconds(0.2));
        };
        exchange();
        wait_for("two subflows", || {
            [&client, &server]
                .iter()
                .all(|end| end.info().unwrap().subflows.len() == 2)
        });
        let (client_info, server_info) = (client.info().unwrap(), server.info().unwrap());
        assert_eq!(server_info.subflows.len(), 2);

        for (host, own, other, infos) in [
            (
                bed.lab.client(),
                client_info.token,
                server_info.token,
                &client_info.subflows,
            ),
            (
                bed.lab.server(),
                server_info.token,
                client_info.token,
                &server_info.subflows,
            ),
        ] {
            let applied = bed.apply(host, COUNT);
            assert_eq!(applied.adopted, 2, "{version:?} {}", host.role());
            exchange();
            let flows = host.run(|| Instance::open(DEFAULT).unwrap().flows().unwrap()).unwrap();
            assert_eq!(flows.len(), 2, "{flows:?}");
            for flow in &flows {
                let info = infos
                    .iter()
                    .find(|info| info.addresses == FourTuple::new(flow.local, flow.remote));
                let info = info.unwrap_or_else(|| panic!("the kernel does not have {flow:?}"));
                assert_eq!(flow.local_token, own, "{flow:?}");
                // The kernel of a host that was connected to does not keep the token of the other.
                assert!(
                    flow.remote_token == other || (flow.remote_token.is_none() && host.role() == "server"),
                    "{flow:?}"
                );
                assert_eq!(flow.connection, flows[0].connection, "{flows:?}");
                let role = if bed.lab.path_of(&info.addresses) == Some(0) {
                    "initial"
                } else {
                    "joined"
                };
                assert!(flow.flags.iter().any(|flag| flag == role), "{flow:?}");
                assert!(flow.flags.iter().any(|flag| flag == "partial"), "{flow:?}");
                // Without a scale a window above 65 535 bytes cannot be announced.
                if flow.sent.packets > 0 {
                    assert!(flow.sent.window.is_some_and(|window| window > 0xffff), "{flow:?}");
                }
                if flow.received.packets > 0 {
                    assert!(flow.received.window.is_some_and(|window| window > 0xffff), "{flow:?}");
                }
            }
            assert!(
                flows
                    .iter()
                    .any(|flow| flow.sent.packets > 0 && flow.received.packets > 0),
                "{flows:?}"
            );
            assert!(bed.counted(host, "mine/ingress", "count", "counted") > 0);
            bed.remove(host);
        }
    }
    bed.assert_clean("adoption");
}
