//! Being in time: real-time scheduling and memory that stays in memory.
//!
//! Owns what is asked of the kernel for the thread that speaks, and the words for what it does not grant. Without these
//! rights everything works, only not always in time; that is said at the start and nothing is stretched silently.

use std::time::Duration;

use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::sys;

/// The longest the speaking thread may compute without waiting once. If it does it hangs: the kernel ends the process, and
/// its addresses go with their lease.
const LONGEST: Duration = Duration::from_secs(2);

/// What the kernel granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// The real-time priority; absent when none was wanted or granted.
    pub priority: Option<u8>,
    /// Whether the memory is locked.
    pub locked: bool,
    /// What was wanted and refused, with what to do about it; one line each.
    pub refusals: Vec<String>,
}

/// Locks what the process has in memory, and from now on what it touches. The stacks of its threads and the code that only the
/// start needs are large and are not wanted; what an advert needs is there by then, see [`crate::rehearsal`].
///
/// # Errors
/// The kernel refuses.
fn lock_memory() -> nix::Result<()> {
    crate::sys::trim_heap();
    crate::pages::give_back();
    crate::rehearsal::rehearse();
    let flags = libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT;
    mlockall(MlockAllFlags::from_bits_retain(flags))
}

/// Asks for both. `priority` 0 asks for no scheduling.
#[must_use]
pub fn ask(priority: u8, lock: bool) -> Grants {
    let mut grants = Grants { priority: None, locked: false, refusals: Vec::new() };
    if lock {
        match lock_memory() {
            Ok(()) => grants.locked = true,
            Err(errno) => grants.refusals.push(format!(
                "the memory can't be locked ({}): when memory is short, adverts may be late; \
                 LimitMEMLOCK=infinity in the unit grants it",
                errno.desc()
            )),
        }
    }
    if priority > 0 {
        limit_computing();
        match sys::schedule_round_robin(i32::from(priority)) {
            Ok(()) => grants.priority = Some(priority),
            Err(error) => grants.refusals.push(format!(
                "no real-time scheduling ({error}): on a busy machine adverts of less than a second may be late, and others \
                 may take over falsely; LimitRTPRIO={priority} in the unit grants it"
            )),
        }
    }
    grants
}

fn limit_computing() {
    let most = u64::try_from(LONGEST.as_micros()).unwrap_or(u64::MAX);
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_RTTIME) {
        // Never above what the system allows.
        let _ = setrlimit(Resource::RLIMIT_RTTIME, soft.min(most).min(hard), hard);
    }
}
