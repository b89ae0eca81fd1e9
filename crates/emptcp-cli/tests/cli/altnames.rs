//! A policy may name a device by an alternative name; every command shows the device by its own.

use crate::common::Netns;
use emptcp::require;

#[test]
fn an_alternative_name_means_its_device_in_every_place_of_a_policy() {
    require!(
        emptcp::testing::is_root(),
        "needs root: it makes network namespaces and loads programs"
    );
    let netns = Netns::new();
    let other = "uplink-of-the-second-provider";
    netns.ip(&["link", "property", "add", "dev", "v0", "altname", other]);
    let policies = |name: &str| {
        format!(
            "[[policy]]\nname = \"a\"\ndevice = [\"{name}\", \"v1\"]\nhook = \"ingress\"\ndo = ['count']\n\
             [[policy]]\nname = \"b\"\ndevice = [\"{name}\", \"v1\"]\nhook = \"egress\"\n\
             when = 'device == {name} and sample 1 in 2'\ndo = ['count']\n"
        )
    };
    let applied = netns.apply(&policies(other), &["--json"]).exits(0).json();
    let attached = applied["attached"].as_array().unwrap();
    assert_eq!(attached.len(), 4, "two devices, two directions: {applied}");
    assert!(!applied.to_string().contains(other), "{applied}");
    let list = netns.emptcp(&["list", "--json"]).exits(0).json();
    assert_eq!(list[0]["devices"], serde_json::json!(["v0", "v1"]), "{list}");
    netns.emptcp(&["check", "--in-force"]).exits(0);

    // The policy is the same with either name in the file.
    let one =
        |name: &str| format!("[[policy]]\nname = \"c\"\ndevice = \"{name}\"\nhook = \"ingress\"\ndo = ['count']\n");
    netns.apply(&one(other), &[]).exits(0);
    let again = netns.apply(&one("v0"), &["--json"]).exits(0).json();
    assert_eq!(again["changes"][0]["change"], "unchanged", "{again}");
    assert_eq!(again["attached"], serde_json::json!([]), "{again}");
    let unknown = netns.apply(&policies("no-such-uplink-of-any-provider"), &[]).exits(1);
    assert!(
        unknown.err.contains("v0") && unknown.err.contains("no-such-uplink"),
        "{unknown:?}"
    );
}

#[test]
fn a_policy_that_names_one_device_by_two_names_is_refused() {
    require!(
        emptcp::testing::is_root(),
        "needs root: it makes network namespaces and loads programs"
    );
    let netns = Netns::new();
    for other in ["first-uplink", "second-uplink"] {
        netns.ip(&["link", "property", "add", "dev", "v0", "altname", other]);
    }
    for [one, other] in [
        ["first-uplink", "v0"],
        ["v0", "first-uplink"],
        ["first-uplink", "second-uplink"],
    ] {
        let policy =
            format!("[[policy]]\nname = 'a'\ndevice = ['{one}', '{other}']\nhook = 'ingress'\ndo = ['count']\n");
        for arguments in [&["--json"][..], &["--json", "--dry-run"]] {
            let said = netns.apply(&policy, arguments).exits(2);
            let named = format!("`{one}` and `{other}` are names of one device, `v0`");
            assert!(said.err.contains(&named), "{said:?}");
            assert_eq!(said.json()["error"]["kind"], "same_device");
        }
    }
    netns.emptcp(&["show"]).exits(1);
}
