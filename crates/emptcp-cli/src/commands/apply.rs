//! `emptcp apply`.

use crate::{
    commands::policy_file,
    failure::{Note, Unreported},
    progress,
    session::{BOLD, GREEN, RED, Session, YELLOW},
    table::Table,
    units, words,
};
use anyhow::{Result, bail};
use clap::Args;
use emptcp::{
    Applied, AttachedTo, Change, Instance, Policies, Preview, Report, Shaped, memory,
    plan::{Plan, PolicyPlan},
};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Put a policy file in force: all of it or nothing
#[derive(Args, Debug)]
#[command(
    long_about = "Put a policy file in force: all of it or nothing.\n\n\
        The file is compiled, every element is loaded and verified by the kernel, and then one store switches all \
        devices to the new set at once. Policies that are the same in the old set keep their counters and their state. \
        On any error the old set stays in force. No process has to run afterwards; a reboot ends it.\n\n\
        What another build of emptcp has put in force is taken over, with its records and counters, where the layout of the tables \
        is the same; otherwise the error says so, and --replace makes new tables (docs/upgrade.md).\n\n\
        What changes is printed with `+` new, `-` gone, `~` changed, `=` the same.",
    after_long_help = "\
Examples:
  emptcp apply policy.toml
  emptcp apply --dry-run policy.toml            what would change?
  emptcp apply --replace policy.toml            where another version is in force
  emptcp apply --netns gateway policy.toml      in a network namespace
  emptcp --instance lab apply lab.toml          beside the default instance, on other devices

JSON:
  {\"instance\", \"dry_run\", \"generation\",
   \"changes\": [{\"change\", \"policy\", \"what\": [...]}],
   \"policies\": [{\"name\", \"direction\", \"attached\": [{\"device\", \"kind\"}]}],
   \"attached\": [{\"device\", \"direction\", \"kind\"}], \"detached\": [...],
   \"shaped\": [{\"device\", \"qdisc\", \"made\" (by this apply),
     \"replaces\" (kind of the kernel's own qdisc, or null)}] (root qdiscs for classes),
   \"programs\", \"adopted\", \"replaced\": {\"both_acted_us\"} or null (see --replace), \"warnings\", \"duration_ms\"}
  change: \"added\" | \"removed\" | \"changed\" | \"unchanged\" | \"tables\"
  With --dry-run what would be: \"instance\", \"dry_run\", \"changes\", \"policies\", \"attached\", \"detached\", \"shaped\",
  \"unshaped\" (devices whose root qdisc would be removed), \"programs\", \"warnings\".
  kind: \"tcx\" | \"clsact\" | \"xdp_native\" | \"xdp_generic\"

Exit status: 0 in force; 1 failed, 2 wrong file or command line, both with what was in force before still in force;
3 in force, but the result could not be written."
)]
pub(crate) struct Apply {
    /// The policy file; `-` is the standard input
    file: PathBuf,
    /// Only say what would change; loads and verifies everything, attaches nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave alone the connections of this host that already run
    #[arg(long)]
    no_adopt: bool,
    /// Attach by clsact filters even where the kernel has tcx
    #[arg(long)]
    clsact: bool,
    /// Replace the tables of another version of emptcp that this one cannot use; records and
    /// counters are lost. Otherwise the same as without --replace
    #[arg(long)]
    replace: bool,
    /// Make the tables even when there seems to be too little memory for them
    #[arg(long)]
    force: bool,
}

impl Apply {
    pub(crate) fn run(&self, session: &Session) -> Result<()> {
        let policies = policy_file::read(&self.file)?;
        let instance = session.instance()?;
        let policies = instance.namespace().resolve(&policies)?;
        self.check_memory(&instance, &policies)?;
        let changes = instance.changes(&policies)?;
        let how = emptcp::Apply::new()
            .adopt(!self.no_adopt)
            .clsact(self.clsact)
            .replace(self.replace);
        let elements: usize = policies.iter().map(|policy| policy.nodes.len()).sum();
        let what = format!("loading and verifying {}", units::count(elements as u64, "element"));
        if self.dry_run {
            let preview = progress::during(&what, || instance.preview(&policies, how))?;
            if session.wants_json() {
                return session.print_json(&json!({
                    "instance": instance.name(),
                    "dry_run": true,
                    "changes": changes,
                    "policies": attached(policies.plan(), &preview.attachments),
                    "attached": preview.attached,
                    "detached": preview.detached,
                    "shaped": preview.shaped,
                    "unshaped": preview.unshaped,
                    "programs": preview.programs,
                    "warnings": preview.warnings,
                }));
            }
            let end = format!(
                "\n{} accepted by the verifier; nothing was changed: this was a dry run\n",
                units::count(preview.programs as u64, "program")
            );
            let text = [
                written(&changes),
                policy_table(policies.plan(), &preview.attachments),
                would_change(policies.plan(), &preview),
                end,
                words::warnings(&preview.warnings),
            ]
            .concat();
            return Ok(session.print(&text)?);
        }
        // An instance that cannot be read is in force too.
        let former = !matches!(instance.show(), Err(error) if error.is_nothing_in_force());
        let applied = progress::during(&what, || instance.apply(&policies, how)).map_err(|error| match former {
            true => anyhow::Error::from(error).context(Note("what was in force before stays in force".to_owned())),
            false => error.into(),
        })?;
        self::report(session, policies.plan(), &changes, &applied).map_err(|source| {
            let done = format!("the policies are in force as instance `{instance}`");
            Unreported { done, source }.into()
        })
    }
}

/// Reports the result. A failure here does not change what is in force.
fn report(session: &Session, plan: &Plan, changes: &[Change], applied: &Applied) -> Result<()> {
    let points = hook_points(&applied.instance)?;
    let applied = &applied.report;
    if session.wants_json() {
        return session.print_json(&json!({
            "instance": applied.instance,
            "dry_run": false,
            "generation": applied.generation,
            "changes": changes,
            "policies": attached(plan, &points),
            "attached": applied.attached,
            "detached": applied.detached,
            "shaped": applied.shaped,
            "programs": applied.programs,
            "adopted": applied.adopted,
            "replaced": applied.replaced.map(|former| json!({
                "both_acted_us": u64::try_from(former.both_acted.as_micros()).unwrap_or(u64::MAX),
            })),
            "warnings": applied.warnings,
            "duration_ms": u64::try_from(applied.duration.as_millis()).unwrap_or(u64::MAX),
        }));
    }
    let text = [written(changes), policy_table(plan, &points), summary(plan, applied)].concat();
    Ok(session.print(&text)?)
}

impl Apply {
    /// Checks the memory for new tables; an existing instance keeps its own.
    fn check_memory(&self, instance: &Instance, policies: &Policies) -> Result<()> {
        let what = match instance.exists() {
            Ok(true) => "the tables of new elements",
            Ok(false) => "the tables",
            // Both sets of tables exist until the new one is in force.
            Err(_) if self.replace => "the new tables",
            // Reported when it is applied.
            Err(_) => return Ok(()),
        };
        let needed = instance.memory_for(policies)?;
        let Some(available) = memory::available().filter(|available| needed > *available) else {
            return Ok(());
        };
        if self.force {
            return Ok(());
        }
        bail!(
            "{what} would take {}, but only {} of memory are available; make them smaller in `[tables]`, or use --force",
            units::bytes(needed),
            units::bytes(available)
        )
    }
}

/// Where the instance is attached now.
fn hook_points(instance: &Instance) -> Result<Vec<AttachedTo>> {
    let points = instance.attached()?.into_iter().filter_map(|info| {
        Some(AttachedTo {
            device: info.device?,
            direction: info.direction,
            kind: info.kind,
        })
    });
    Ok(points.collect())
}

/// Where a policy sees packets.
fn on<'a>(policy: &'a PolicyPlan, points: &'a [AttachedTo]) -> impl Iterator<Item = &'a AttachedTo> {
    let here = move |device: &String| {
        points
            .iter()
            .find(move |point| point.device == *device && point.direction == policy.direction)
    };
    policy.devices.iter().filter_map(here)
}

/// Policies and where they see packets, for programs.
fn attached(plan: &Plan, points: &[AttachedTo]) -> Value {
    let policies = plan.policies.iter().map(|policy| {
        let here = on(policy, points).map(|point| json!({ "device": point.device, "kind": point.kind }));
        json!({ "name": policy.name, "direction": policy.direction, "attached": here.collect::<Vec<_>>() })
    });
    policies.collect()
}

fn written(changes: &[Change]) -> String {
    let lines = changes.iter().map(|change| match change {
        Change::Added { .. } => format!("{GREEN}{change}{GREEN:#}\n"),
        Change::Removed { .. } => format!("{RED}{change}{RED:#}\n"),
        Change::Changed { .. } | Change::Tables { .. } => format!("{YELLOW}{change}{YELLOW:#}\n"),
        Change::Unchanged { .. } => format!("{change}\n"),
    });
    lines.collect()
}

fn policy_table(plan: &Plan, points: &[AttachedTo]) -> String {
    let mut table = Table::new(&["policy", "direction", "device", "attached by"]);
    for policy in &plan.policies {
        for point in on(policy, points) {
            table.row([
                policy.name.clone(),
                words::direction(policy.direction).to_owned(),
                point.device.clone(),
                point.kind.name().to_owned(),
            ]);
        }
    }
    if table.is_empty() {
        String::new()
    } else {
        format!("\n{}", table.render(0))
    }
}

/// Why a device has programs in a direction that no policy is for.
fn why(plan: &Plan, point: &AttachedTo) -> &'static str {
    let is_for = |policy: &PolicyPlan| policy.direction == point.direction && policy.devices.contains(&point.device);
    if plan.policies.iter().any(is_for) {
        ""
    } else {
        ": to follow connections, which takes both directions"
    }
}

/// What a dry run found would change on devices.
fn would_change(plan: &Plan, preview: &Preview) -> String {
    let mut text = String::new();
    for new in &preview.attached {
        text += &format!("would attach to {}{}\n", words::attached_to(new), why(plan, new));
    }
    for gone in &preview.detached {
        text += &format!("would detach from {}\n", words::attached_to(gone));
    }
    for shaped in &preview.shaped {
        let Shaped { device, qdisc, .. } = shaped;
        text += &match (&shaped.replaces, shaped.made) {
            (Some(former), true) => format!("{device}: root qdisc {qdisc} for classes would replace `{former}`\n"),
            (None, true) => format!("{device}: root qdisc {qdisc} would be made for classes\n"),
            (_, false) => format!("{device}: root qdisc {qdisc} stays for classes\n"),
        };
    }
    for device in &preview.unshaped {
        text += &format!("{device}: the root qdisc made for classes would be removed\n");
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn summary(plan: &Plan, applied: &Report) -> String {
    let mut text = String::from("\n");
    for new in &applied.attached {
        text += &format!("attached to {}{}\n", words::attached_to(new), why(plan, new));
    }
    for gone in &applied.detached {
        text += &format!("detached from {}\n", words::attached_to(gone));
    }
    for shaped in &applied.shaped {
        let former = shaped.replaces.as_ref().map(|former| format!(", replacing `{former}`"));
        text += &format!(
            "{}: root qdisc {} {} for classes{}; `emptcp remove` takes it away\n",
            shaped.device,
            shaped.qdisc,
            if shaped.made { "made" } else { "stays" },
            former.unwrap_or_default()
        );
    }
    if let Some(former) = applied.replaced {
        text += "new tables replace those of another version: records, counters and the state of elements start empty;  \
            one store switched all devices\n";
        if !former.both_acted.is_zero() {
            text += &format!(
                "on devices that have another hook than before both sets acted for {:.1} ms\n",
                former.both_acted.as_secs_f64() * 1e3
            );
        }
    }
    text += &format!(
        "{BOLD}instance {}{BOLD:#}: policy set {} is in force; {} loaded in {}",
        applied.instance,
        applied.generation,
        units::count(applied.programs as u64, "program"),
        units::milliseconds(u64::try_from(applied.duration.as_millis()).unwrap_or(u64::MAX)),
    );
    if applied.adopted > 0 {
        text += &format!(
            ", {} taken over",
            units::count(applied.adopted as u64, "running subflow")
        );
    }
    text.push('\n');
    text + &words::warnings(&applied.warnings)
}
