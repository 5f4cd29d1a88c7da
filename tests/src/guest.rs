//! Getting into the test kernel: a test program that needs it runs itself again inside.
//!
//! Owns the hand-over from `cargo test` on this machine to `tests/testkernel.sh`. Never skips: no guest is a failure.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// What the programs under test are: they are built before the guest starts, because compiling inside would take minutes.
const PACKAGES: [&str; 6] = ["agentd", "checkd", "lvsd", "vipd", "holdfast", "dnscheck"];

/// Whether this is the test kernel.
#[must_use]
pub fn is_inside() -> bool {
    env::var_os("TESTKERNEL").is_some()
}

/// Builds the programs under test.
///
/// # Errors
/// They cannot be built.
pub fn build_programs() -> Result<()> {
    // `cargo test` builds a program only if its own package has tests for it.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.arg("build").arg("--quiet").arg("--bins").current_dir(env!("CARGO_MANIFEST_DIR"));
    for package in PACKAGES {
        build.args(["--package", package]);
    }
    ensure!(build.status().context("cannot start cargo")?.success(), "cannot build the programs under test");
    Ok(())
}

/// This very program with the same arguments and some more, in the test kernel for `seconds` at most: ready to be started.
///
/// # Errors
/// The program's own file cannot be found.
pub fn again_inside(seconds: u32, more: &[String]) -> Result<Command> {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("testkernel.sh"));
    command
        .args(["--timeout", &seconds.to_string(), "--"])
        .arg(env::current_exe().context("cannot find this program's own file")?)
        .args(env::args_os().skip(1))
        .args(more);
    Ok(command)
}
