//! Runs the example of the crate's documentation on private devices.

mod common;

use common::{Own, connect};
use emptcp::{Apply, Begin, ErrorKind, Instance, Namespace, Policies, model::EventBody};
use std::{os::fd::AsFd, time::Duration};

const CAP: &str = "[[policy]]\nname = \"cap\"\ndevice = \"wwan0\"\nhook = \"ingress\"\n\
                   when = 'ip.src in 203.0.113.0/24'\ndo = [\"count\"]\n";

#[test]
fn a_policy_is_compiled_applied_read_and_removed_in_a_namespace_that_no_thread_enters() {
    emptcp::require!(
        emptcp::testing::is_root(),
        "this test loads BPF programs, which needs root"
    );
    let own = Own::new("cap");
    let here = Namespace::current().unwrap();
    let policies = Policies::parse("cap.toml", CAP).unwrap();
    let instance = own.namespace().instance(Instance::DEFAULT);
    assert!(!instance.is_in_force().unwrap());
    assert_eq!(
        instance.stats(policies.elements()).unwrap_err().kind(),
        ErrorKind::NoInstance
    );

    let applied = instance.apply(&policies, Apply::new()).unwrap();
    assert_eq!(applied.generation().0, 1);
    assert_eq!(own.namespace().instances().unwrap(), std::slice::from_ref(&instance));
    assert!(instance.is_in_force().unwrap());
    assert_eq!(instance.show().unwrap().source, CAP);
    let stats = instance.stats(policies.elements()).unwrap();
    assert_eq!(stats.policies[0].name, "cap");
    assert_eq!(stats.policies[0].matched.packets, 0);
    assert_eq!(Namespace::current().unwrap(), here);

    let elsewhere = Policies::parse("cap.toml", &CAP.replace("wwan0", "wwan1")).unwrap();
    let error = instance.apply(&elsewhere, Apply::new()).unwrap_err();
    assert_eq!((error.device(), error.policy()), (Some("wwan1"), Some("cap")));
    assert_eq!(instance.generation().unwrap().0, 1, "what was in force stays");

    instance.remove().unwrap();
    assert!(!instance.is_in_force().unwrap());
}

const WATCH: &str = "[[policy]]\nname = \"watch\"\ndevice = \"lo\"\nhook = \"ingress\"\ndo = [\"get_connect\"]\n";

#[test]
fn events_come_by_the_iterator_and_the_descriptor_and_end_when_the_instance_is_removed() {
    emptcp::require!(
        emptcp::testing::is_root(),
        "this test loads BPF programs, which needs root"
    );
    let own = Own::new("events");
    let namespace = own.namespace();
    let policies = Policies::parse("watch.toml", WATCH).unwrap();
    let instance = namespace
        .instance("watch")
        .apply(&policies, Apply::new())
        .unwrap()
        .instance;
    let mut events = instance.events().unwrap();
    assert_eq!(events.try_next().unwrap(), None);
    connect(&namespace);
    let event = events.next().unwrap().unwrap();
    assert_eq!(event.policy.as_deref(), Some("watch"));
    assert!(matches!(event.body, EventBody::Connection { .. }), "{event:?}");

    let mut readable = [nix::poll::PollFd::new(events.as_fd(), nix::poll::PollFlags::POLLIN)];
    assert_eq!(nix::poll::poll(&mut readable, 10_000_u16).unwrap(), 1);
    // Another reader sees the same event, now.
    let mut again = instance.events_from(Begin::Kept).unwrap();
    assert_eq!(again.next_within(Duration::from_secs(10)).unwrap().unwrap(), event);

    instance.remove().unwrap();
    // A connection on `lo` is reported for each of its two ends.
    let rest: Vec<_> = events.by_ref().collect();
    assert!(rest.iter().all(Result::is_ok), "{rest:?}");
    assert!(events.has_ended());
    assert_eq!(events.missed(), 0);
}

#[test]
fn a_stream_yields_the_events_and_ends_when_the_instance_is_removed() {
    use futures_util::StreamExt;
    emptcp::require!(
        emptcp::testing::is_root(),
        "this test loads BPF programs, which needs root"
    );
    let own = Own::new("stream");
    let namespace = own.namespace();
    let policies = Policies::parse("watch.toml", WATCH).unwrap();
    let instance = namespace
        .instance("watch")
        .apply(&policies, Apply::new())
        .unwrap()
        .instance;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut events = emptcp::EventStream::new(instance.events().unwrap());
        connect(&namespace);
        let event = tokio::time::timeout(Duration::from_secs(10), events.next())
            .await
            .unwrap();
        let event = event.unwrap().unwrap();
        assert!(matches!(event.body, EventBody::Connection { .. }), "{event:?}");
        instance.remove().unwrap();
        let end = async { while events.next().await.transpose().unwrap().is_some() {} };
        tokio::time::timeout(Duration::from_secs(10), end).await.unwrap();
        assert_eq!(events.missed(), 0);
    });
}
