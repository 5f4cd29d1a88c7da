//! Prints the IPVS table of this network namespace, as `ipvsadm -Sn` does but with thresholds, or with `--stats` what
//! passed through each service and destination.
//!
//! ```sh
//! sudo cargo run -p agent-ipvs --example table -- --stats
//! ```

use std::io::{self, Write};
use std::process::ExitCode;

use agent_ipvs::{Ipvs, Snapshot, Stats, text};

fn main() -> ExitCode {
    let stats = std::env::args().any(|argument| argument == "--stats");
    match print(&mut io::stdout().lock(), stats) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "table: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the table and prints it.
pub fn print(out: &mut impl Write, stats: bool) -> Result<(), Box<dyn std::error::Error>> {
    let snapshot = Ipvs::connect()?.snapshot()?;
    if stats {
        print_stats(out, &snapshot)?;
    } else {
        out.write_all(text::export_snapshot(&snapshot, text::Style::Complete).as_bytes())?;
    }
    Ok(())
}

fn print_stats(out: &mut impl Write, snapshot: &Snapshot) -> io::Result<()> {
    let figures = |stats: &Stats| {
        format!(
            "{} connections, {} bytes in, {} bytes out",
            stats.connections, stats.bytes_in, stats.bytes_out
        )
    };
    for status in &snapshot.services {
        writeln!(out, "{} {}: {}", status.service.key(), status.service.scheduler, figures(&status.stats))?;
        for destination in &status.destinations {
            let (own, now) = (&destination.destination, &destination.connections);
            writeln!(
                out,
                "  {} {} weight {}: {}; now {} active, {} inactive",
                own.key,
                own.forwarding,
                own.weight,
                figures(&destination.stats),
                now.active,
                now.inactive
            )?;
        }
    }
    Ok(())
}
