//! Other processes' netlink sockets, to make them lose answers.
//!
//! Owns the reach into a process by its descriptors. It changes only how much such a socket holds.

use std::collections::HashSet;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// Shrinks the receive buffer of every netlink socket of a process to the least that the kernel allows: some five answers.
///
/// # Errors
/// The process has none, or may not be touched.
pub fn shrink_buffers(pid: u32) -> Result<usize> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/netlink"))?;
    let inodes: HashSet<&str> = table.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let process = Pid::from_raw(i32::try_from(pid)?).context("no process has that number")?;
    let process = pidfd_open(process, PidfdFlags::empty()).context("cannot open the process")?;
    let mut shrunk = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // It may be gone by now.
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let target = target.to_string_lossy().into_owned();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        if inode.is_some_and(|inode| inodes.contains(inode)) {
            let number = entry.file_name().to_string_lossy().parse()?;
            let socket = pidfd_getfd(&process, number, PidfdGetfdFlags::empty())
                .context("cannot reach a socket of the process")?;
            set_socket_recv_buffer_size(&socket, 0).context("cannot shrink a buffer")?;
            shrunk += 1;
        }
    }
    ensure!(shrunk > 0, "process {pid} has no netlink socket");
    Ok(shrunk)
}
