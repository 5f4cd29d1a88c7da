//! Getting into the test kernel: a test program that needs it runs itself again inside.
//!
//! Owns the hand-over from `cargo test` on this machine to `tests/testkernel.sh`. Never skips: no guest is a failure.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};

/// What the programs under test are: they are built before the guest starts, because compiling inside would take minutes.
const PACKAGES: [&str; 5] = ["agentd", "checkd", "lvsd", "holdfast", "dnscheck"];

/// Whether this is the test kernel.
#[must_use]
pub fn is_inside() -> bool {
    env::var_os("TESTKERNEL").is_some()
}

/// Runs this very program with the same arguments in the test kernel, for `seconds` at most, and returns its exit status.
///
/// # Errors
/// The programs under test cannot be built, or the guest cannot be started.
pub fn run_again_inside(seconds: u32) -> Result<ExitCode> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    // `cargo test` builds a program only if its own package has tests for it.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.arg("build").arg("--quiet").arg("--bins").current_dir(here);
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    ensure!(build.status().context("cannot start cargo")?.success(), "cannot build the programs under test");

    let script = here.join("testkernel.sh");
    let status = Command::new(&script)
        .args(["--timeout", &seconds.to_string(), "--"])
        .arg(env::current_exe().context("cannot find this program's own file")?)
        .args(env::args_os().skip(1))
        .status()
        .with_context(|| format!("cannot start {}", script.display()))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
