//! The command line of `lvsd`; what it does is in the library beside it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use agent_daemon::Start;
use clap::Parser;
use lvsd::daemon;
use lvsd::once::{self, Task};

/// Keeps the kernel's IPVS table as the configuration and the verdicts of the checks demand.
#[derive(Debug, Parser)]
#[command(name = "lvsd", version, about, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    start: Start,
    /// Print the edits that the next pass would make, in ipvsadm's words, and end. Changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// Make one pass, print its edits and end. Where nothing is known of any check, every real server serves.
    #[arg(long, conflicts_with_all = ["remove", "drain"])]
    once: bool,
    /// Remove our services from the kernel's table, print the edits and end. With --dry-run only print them.
    #[arg(long, conflicts_with = "drain")]
    remove: bool,
    /// Give weight 0 to every real server of our services, print the edits and end. With --dry-run only print them.
    #[arg(long)]
    drain: bool,
}

fn main() -> ExitCode {
    agent_daemon::main(
        |args: &Args| args.start.common.log_level,
        |args| {
            let task = match (args.remove, args.drain) {
                (true, _) => Task::Remove,
                (_, true) => Task::Drain,
                _ => Task::Pass,
            };
            if args.dry_run || args.once || task != Task::Pass {
                once::run(&args.start, task, args.dry_run)
            } else {
                daemon::run(args.start)
            }
        },
    )
}
