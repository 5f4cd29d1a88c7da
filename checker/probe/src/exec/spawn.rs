//! Starting a program: as whom, with what, and within which limits.
//!
//! Owns what happens between `fork` and `exec`: the resource limits and the change of user and group are made in the child, so
//! that they hold for all that it starts. It holds the only `unsafe` of this crate. It never waits for a child.

#![allow(unsafe_code, reason = "what is done in the child before exec has no safe interface")]

use std::ffi::CString;
use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::ptr;

use checker_core::exec::{ExecCheck, Limits};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, setgid, setgroups, setuid};

/// The words of a command, at most, where it is started with limits or as somebody else.
const WORDS_MAX: usize = 255;
const LANG: &str = "C.UTF-8";
/// Where programs are looked for by those that we start.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether this process may run programs as somebody else: it has CAP_SETUID and CAP_SETGID.
#[must_use]
pub fn may_become() -> bool {
    const SETGID_AND_SETUID: u64 = 1 << 6 | 1 << 7;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0);
    held & SETGID_AND_SETUID == SETGID_AND_SETUID
}

/// Starts the program. Its output, both streams together, comes out of the pipe.
pub(super) fn spawn(check: &ExecCheck) -> Result<(Child, PipeReader), String> {
    let identity = identity(check)?;
    start(check, identity).map_err(|error| remedy(check, &error))
}

/// As whom it is to be run, where that is not as whom we are.
fn identity(check: &ExecCheck) -> Result<Option<(Uid, Gid)>, String> {
    let user = match &check.user {
        None => None,
        Some(name) => match User::from_name(name) {
            Ok(Some(user)) => Some(user),
            Ok(None) => return Err(format!("there is no user {name} on this machine")),
            Err(errno) => return Err(format!("looking for the user {name}: {errno}")),
        },
    };
    let group = match &check.group {
        None => None,
        Some(name) => match Group::from_name(name) {
            Ok(Some(group)) => Some(group.gid),
            Ok(None) => return Err(format!("there is no group {name} on this machine")),
            Err(errno) => return Err(format!("looking for the group {name}: {errno}")),
        },
    };
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let gid = group.or(user.as_ref().map(|user| user.gid)).unwrap_or_else(getegid);
    Ok(Some((user.map_or_else(geteuid, |user| user.uid), gid)))
}

fn start(check: &ExecCheck, identity: Option<(Uid, Gid)>) -> io::Result<(Child, PipeReader)> {
    let mut words = check.command.iter();
    let program = words.next().ok_or_else(|| io::Error::other("no program is named"))?;
    let (reader, writer) = io::pipe()?;
    let flags = OFlag::from_bits_truncate(fcntl(&reader, FcntlArg::F_GETFL)?) | OFlag::O_NONBLOCK;
    fcntl(&reader, FcntlArg::F_SETFL(flags))?;
    let mut command = Command::new(program);
    command
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", LANG)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let limits = check.limits;
    // Without these the quick way of starting a process can be taken.
    if identity.is_some() || limits != Limits::default() {
        let words: Vec<CString> = check
            .command
            .iter()
            .map(|word| CString::new(word.as_str()))
            .collect::<Result<_, _>>()
            .map_err(|_| io::Error::other("an argument has a zero octet in it"))?;
        let environment = [format!("PATH={PATH}"), format!("LANG={LANG}")].map(CString::new);
        let environment = environment.into_iter().collect::<Result<Vec<_>, _>>()?;
        let work = move || {
            restrict(limits)?;
            if let Some((uid, gid)) = identity {
                become_other(uid, gid)?;
            }
            Err(replace(&words, &environment))
        };
        // SAFETY: `work` runs in the child between `fork` and `exec`, where other threads of the parent may have held any lock. It
        // takes none and does not allocate: it makes system calls with values that were copied into it, and an error is a number.
        unsafe { command.pre_exec(work) };
    }
    Ok((command.spawn()?, reader))
}

/// Makes this process the program. It returns only when that can't be done. What the standard library would do in its place hands a
/// file that is no program to a shell.
fn replace(words: &[CString], environment: &[CString]) -> io::Error {
    let mut argv = [ptr::null(); WORDS_MAX + 1];
    let mut envp = [ptr::null(); 8];
    for (list, room) in [(words, &mut argv[..]), (environment, &mut envp[..])] {
        // The last place stays for the end.
        if list.len() >= room.len() {
            return io::Error::from_raw_os_error(nix::libc::E2BIG);
        }
        for (place, text) in room.iter_mut().zip(list) {
            *place = text.as_ptr();
        }
    }
    // SAFETY: both arrays end with a null pointer, the rest of their pointers are to texts that end with a zero octet and outlive the
    // call. It does not allocate, so that it may be called between `fork` and `exec`.
    unsafe { nix::libc::execve(argv[0], argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

/// Lowers the limits of this process. None is raised: where ours is lower, that stays.
fn restrict(limits: Limits) -> io::Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_AS, limits.memory),
        (Resource::RLIMIT_CPU, limits.cpu),
        (Resource::RLIMIT_NOFILE, limits.files),
        (Resource::RLIMIT_NPROC, limits.processes),
    ] {
        if let Some(limit) = limit {
            let (_, hard) = getrlimit(resource)?;
            let limit = limit.min(hard);
            setrlimit(resource, limit, limit)?;
        }
    }
    Ok(())
}

/// Gives up our groups and our user for another's, and with them every capability.
fn become_other(uid: Uid, gid: Gid) -> io::Result<()> {
    setgroups(&[gid])?;
    setgid(gid)?;
    setuid(uid)?;
    // A process that had them as ambient ones, not being root, would hand them on.
    match nix::errno::Errno::result(clear_ambient()) {
        // A kernel that does not know them has none.
        Ok(_) | Err(Errno::EINVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn clear_ambient() -> nix::libc::c_int {
    // SAFETY: this call of prctl takes numbers only, no pointers.
    unsafe { nix::libc::prctl(nix::libc::PR_CAP_AMBIENT, nix::libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) }
}

fn remedy(check: &ExecCheck, error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => "it, or what its first line names, is not there".to_owned(),
        Some(Errno::EPERM) if check.user.is_some() || check.group.is_some() => {
            "this process may not run it as another user: that takes CAP_SETUID and CAP_SETGID, see docs/checks.md".to_owned()
        }
        Some(Errno::EACCES) => {
            "it is not executable for this user, or lies in a folder that is not".to_owned()
        }
        Some(Errno::ENOEXEC) => "it is no program; a script begins with a line such as #!/bin/sh".to_owned(),
        Some(Errno::ETXTBSY) => "it is being written".to_owned(),
        _ => error.to_string(),
    }
}
