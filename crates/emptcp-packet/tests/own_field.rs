//! A custom element declares a word of conditions: `ip.ttl`, as `docs/writing-elements.md` shows it.

mod common;

use common::{documented, element, manifest, message, packets::arriving, plan};
use emptcp_packet::{
    Catalog, element as elements, require,
    testing::is_root,
    testrun::{Input, Sandbox},
};
use emptcp_plan::manifest::Hook;
use std::fs;

fn policy(condition: &str) -> String {
    format!("[[policy]]\nname = \"p\"\ndevice = \"lo\"\nhook = \"ingress\"\nwhen = '{condition}'\ndo = ['count']\n")
}

#[test]
fn a_field_of_an_operator_s_own_element_is_a_word_of_conditions_and_selects_packets() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let (sources, installed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let unknown = emptcp_plan::compile("p", &policy("ip.ttl < 65"), &Catalog::built_in().manifests()).unwrap_err();
    assert!(unknown.to_string().contains("unknown word `ip.ttl`"), "{unknown}");
    elements::install_into(&documented(sources.path(), "hop_limit"), installed.path())
        .unwrap_or_else(|error| panic!("{error}"));
    let catalog = Catalog::load_from(installed.path()).unwrap();
    assert!(catalog.broken().is_empty(), "{:?}", catalog.broken());
    // The packets of these tests have 64; the SYN and the third ACK of one subflow.
    for (hook, condition, selected) in [
        (Hook::Xdp, "ip.ttl < 65", 2),
        (Hook::TcIngress, "ip.ttl < 64", 0),
        (Hook::TcIngress, "ip.ttl in {1, 60-70} and not packet is syn", 1),
        (Hook::TcIngress, "ip.ttl not in {1, 60-70}", 0),
    ] {
        let plan = plan(&catalog, &policy(condition));
        let sandbox = Sandbox::new(&plan, hook, &catalog, &[("lo", 1)]).unwrap();
        for packet in arriving() {
            sandbox.run(&Input::new(&packet)).unwrap();
        }
        let (_, policies) = sandbox.stats().unwrap();
        assert_eq!(policies[0].matched.packets, selected, "{condition} at {hook:?}");
    }
}

#[test]
fn an_element_with_the_field_of_another_is_refused_and_left_out() {
    require!(
        is_root(),
        "this test installs elements, which the verifier looks at first"
    );
    let (sources, installed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    elements::install_into(&documented(sources.path(), "hop_limit"), installed.path()).unwrap();
    let field = "[[argument]]\nname = \"least\"\ntype = \"integer\"\nhelp = \"h\"\n\
                 [[field]]\nname = \"ip.ttl\"\nform = \"set\"\narguments = [\"least\"]\n";
    let source = "#include <emptcp/element.h>\nstruct arguments { __u64 least; };\nARGUMENTS;\n\
                  SELECTOR(other)\n{\n\treturn packet->segments > arguments.least;\n}\n";
    let other = element(sources.path(), "other", &manifest("other", "selector", field), source);
    let refused = message(elements::install_into(&other, installed.path()));
    let wanted = "it declares the field `ip.ttl`, as the element `hop_limit` does";
    assert!(refused.contains(wanted), "{refused}");
    // Installed by copying instead.
    let copy = installed.path().join("other");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&other).unwrap().flatten() {
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let catalog = Catalog::load_from(installed.path()).unwrap();
    let broken: Vec<String> = catalog.broken().iter().map(ToString::to_string).collect();
    assert!(broken.len() == 1 && broken[0].contains(wanted), "{broken:?}");
    let again = elements::install_into(&sources.path().join("hop_limit"), installed.path());
    assert!(again.is_ok(), "an element can be installed again");
}
