//! The bed's own threads before the machine's other work.
//!
//! An answer that a starved responder sends after its host has given up the address would count as lost, though vipd, which runs
//! in real time itself, had no part in it. Owns no thread; what may not be had is done without.

use std::process::{Command, Stdio};

/// Gives the calling thread real-time scheduling, below vipd's own.
pub fn first_in_line() {
    let thread = nix::unistd::gettid().to_string();
    let _ = Command::new("chrt").args(["--rr", "--pid", "40", &thread]).stderr(Stdio::null()).status();
}
