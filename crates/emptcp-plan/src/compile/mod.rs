//! A policy file to a [`Plan`].
//!
//! * `policy`: one policy of the file; splits its condition at the top-level ANDs.
//! * `rules`: what is static, as rules of the classifier.
//! * `calls`: what is not, as calls of the selectors that declare the fields; `elements`: their arguments; `bare`:
//!   values without a name; `chain`: nodes and jumps.
//! * `formula`: AND, OR and NOT as jumps, for both.
//! * `correct`: corrects mistakes whose correction is known.
//! * `impossible`: conditions that no packet can fulfil; `segments`: what the kind of a segment excludes.
//! * `exclusive`, `limits`: the set as a whole against the limits of the kernel and of `emptcp-abi`.

mod bare;
mod calls;
mod chain;
mod correct;
mod elements;
mod exclusive;
mod formula;
mod impossible;
pub(crate) mod limits;
mod policy;
mod rules;
mod segments;

use crate::catalog::Catalog;
use crate::diagnostics::{Diagnostics, Reporter};
use crate::file;
use crate::plan::Plan;

/// Compiles the policy file `text`; `source_name` is how messages call it.
///
/// # Errors
/// All mistakes of the file, as far as they are independent of each other.
pub fn compile(source_name: &str, text: &str, catalog: &Catalog) -> Result<Plan, Diagnostics> {
    let mut reporter = Reporter::new(source_name, text);
    let plan = plan(text, catalog, &mut reporter);
    reporter.correct(|corrected| {
        let mut again = Reporter::new(source_name, corrected);
        self::plan(corrected, catalog, &mut again);
        again.found()
    });
    reporter.finish()?;
    Ok(plan)
}

/// The plan, valid only if nothing is reported.
fn plan(text: &str, catalog: &Catalog, reporter: &mut Reporter<'_>) -> Plan {
    let file = file::read(text, reporter);
    let drafts: Vec<policy::Draft> = file
        .policies
        .iter()
        .flat_map(|raw| policy::compile(raw, catalog, reporter))
        .collect();
    let mut rules = Vec::new();
    for (position, draft) in drafts.iter().enumerate() {
        rules::append(&mut rules, position, draft.condition.clone());
    }
    rules::close(&mut rules);
    limits::check(&drafts, &rules, reporter);
    Plan {
        features: drafts.iter().fold(0, |bits, draft| bits | draft.features),
        policies: drafts.into_iter().map(|draft| draft.plan).collect(),
        rules,
        tables: file.tables,
    }
}
