//! What `doctor` finds must be what the other tests rely on.

use emptcp_packet::{probe, require, testing::is_root};

#[test]
fn a_kernel_on_which_the_other_tests_run_is_reported_as_usable() {
    require!(is_root(), "this test loads BPF programs, which needs root");
    let inode = emptcp_host::namespace::inode().unwrap();
    let report = probe::probe();
    assert!(report.usable, "{report:#?}");
    assert!(
        report
            .features
            .iter()
            .all(|feature| !feature.detail.is_empty() && !feature.consequence.is_empty())
    );
    assert_eq!(
        emptcp_host::namespace::inode().unwrap(),
        inode,
        "the trials ran elsewhere"
    );
    for feature in &report.features {
        println!("{:<20} {:?} {}", feature.name, feature.available, feature.detail);
    }
}
