//! What the kernel says of this process, under the names that every exporter uses.
//!
//! Owns the reading of `/proc/self` (`proc(5)`). What can't be read is left out.

use std::fs;

use jiff::Timestamp;
use nix::unistd::{SysconfVar, sysconf};

use super::seconds;
use super::text::{Exposition, Kind};

/// Writes the process metrics.
pub fn process(out: &mut Exposition, started_at: Timestamp) {
    out.family("process_start_time_seconds", Kind::Gauge, "When the process started.");
    out.sample(&[], seconds(started_at));
    let unit =
        |var| sysconf(var).ok().flatten().and_then(|value| u64::try_from(value).ok()).filter(|v| *v > 0);
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name may hold anything; what follows it are numbers, utime and stime the 12th and 13th of them.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let times: Vec<u64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse().ok()).collect();
    if let (Some(hertz), [user, system]) = (unit(SysconfVar::CLK_TCK), times.as_slice()) {
        let centis = (user + system) * 100 / hertz;
        out.family("process_cpu_seconds", Kind::Counter, "Processor time used.");
        out.sample(&[], format_args!("{}.{:02}", centis / 100, centis % 100));
    }
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    if let (Some(page), Some(pages)) = (unit(SysconfVar::PAGE_SIZE), resident) {
        out.family("process_resident_memory_bytes", Kind::Gauge, "Memory in use.");
        out.sample(&[], pages * page);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        out.family("process_open_fds", Kind::Gauge, "Open file descriptors.");
        out.sample(&[], open.count());
    }
}
