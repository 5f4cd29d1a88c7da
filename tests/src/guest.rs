//! Getting into the test kernel: a test program that needs it runs itself again inside.
//!
//! Owns the hand-over from `cargo test` on this machine to `tests/testkernel.sh`. Never skips: no guest is a failure.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Whether this is the test kernel.
#[must_use]
pub fn is_inside() -> bool {
    env::var_os("TESTKERNEL").is_some()
}

/// Builds the programs under test before the guest starts: compiling inside would take minutes.
///
/// # Errors
/// They cannot be built.
pub fn build_programs() -> Result<()> {
    // `cargo test` builds a program only if its own package has tests for it. All together, as `make test` has built them:
    // some alone would be built with other features, and so once more.
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo says to a test of its package would make it build ring, and all above it, anew.
    let for_a_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(for_a_test)) {
        build.env_remove(name);
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
