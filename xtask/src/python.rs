//! Python packages that tests use as independent references, in an environment of their own below `target`.

use std::path::PathBuf;

use crate::process::Invocation;
use crate::report;

/// What is installed: DuckDB reads the Parquet tables that we write.
const PACKAGES: &[&str] = &["duckdb>=1.1"];

/// The Python of the environment.
fn python() -> PathBuf {
    crate::root().join("target/python/bin/python")
}

/// The Python of the environment, when it has all packages.
pub(crate) fn installed() -> Option<PathBuf> {
    let python = python();
    let works = Invocation::new(&python).arguments(["-c", "import duckdb"]).succeeds();
    works.then_some(python)
}

/// Makes the environment, unless it is there. Packages come from where this machine's pip has them from.
pub(crate) fn install() -> anyhow::Result<()> {
    if installed().is_some() {
        report::note("every package of Python is there");
        return Ok(());
    }
    let environment = crate::root().join("target/python");
    Invocation::new("python3")
        .arguments(["-m", "venv"])
        .arguments([&environment])
        .run()?;
    Invocation::new(python())
        .arguments(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .arguments(PACKAGES)
        .run()
}
