//! Writing edits, many to a send, with only the last one acknowledged: refusals are reported unasked.

use std::fmt;
use std::io;

use super::link::{Link, MAX_REQUEST};
use super::{Error, Ipvs};
use crate::codec::{self, Reply, Request};
use crate::edit::Edit;
use crate::types::Family;

/// The most edits in one send. The kernel works on them without letting others in between, about 1 µs each.
pub const MAX_BATCH: usize = 1_000;

/// What became of a list of edits that all reached the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "edits may have been refused"]
pub struct Applied {
    /// How many were done.
    pub done: usize,
    /// Those that were refused, in the order given. The others were done all the same.
    pub failures: Vec<EditFailure>,
}

/// An edit that the kernel refused.
///
/// Displayed with the edit, the reason, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EditFailure {
    /// Its place in the list.
    pub index: usize,
    /// The edit.
    pub edit: Edit,
    /// Why.
    pub refusal: Refusal,
}

/// Why an edit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The service or destination to be added is there: someone else added it since the table was read.
    Exists,
    /// The service is not there: someone else removed it since the table was read.
    ServiceMissing,
    /// The destination is not there: someone else removed it since the table was read.
    DestinationMissing,
    /// The kernel has no such scheduler or persistence engine, and no module for it.
    ModuleMissing,
    /// A threshold or weight is out of range for this kernel.
    OutOfRange,
    /// The kernel finds it senseless: for a destination an address that is not unicast, or families that mix.
    Invalid,
    /// This kernel was built without the address family.
    FamilyUnsupported,
    /// The kernel is short of memory.
    NoMemory,
    /// Any other error number.
    Other(i32),
}

impl Refusal {
    fn of(edit: &Edit, errno: i32) -> Refusal {
        match errno {
            libc::EEXIST => Refusal::Exists,
            libc::ESRCH => Refusal::ServiceMissing,
            libc::ENOENT if edit.destination().is_some() => Refusal::DestinationMissing,
            libc::ENOENT => Refusal::ModuleMissing,
            libc::ERANGE => Refusal::OutOfRange,
            libc::EINVAL => Refusal::Invalid,
            libc::EAFNOSUPPORT => Refusal::FamilyUnsupported,
            libc::ENOMEM => Refusal::NoMemory,
            other => Refusal::Other(other),
        }
    }

    /// Whether the table is not what the edit was made for: read it again and compare anew.
    pub const fn is_drift(self) -> bool {
        matches!(self, Refusal::Exists | Refusal::ServiceMissing | Refusal::DestinationMissing)
    }
}

impl fmt::Display for EditFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was refused: ", self.edit)?;
        match (self.refusal, &self.edit) {
            (Refusal::Exists, Edit::AddDestination { service, destination }) => {
                write!(f, "{service} already has the destination {}; read the table again", destination.key)
            }
            (Refusal::Exists, edit) => write!(f, "{} is already there; read the table again", edit.service()),
            (Refusal::ServiceMissing, edit) => {
                write!(f, "there is no service {}; read the table again", edit.service())
            }
            (Refusal::DestinationMissing, edit) => {
                write!(f, "{} has no such destination; read the table again", edit.service())
            }
            (Refusal::ModuleMissing, Edit::AddService(service) | Edit::SetService(service)) => {
                let name = service.scheduler;
                write!(f, "the kernel has no scheduler `{name}` (`modprobe ip_vs_{name}`)")?;
                match service.engine {
                    Some(name) => write!(f, " or no persistence engine `{name}` (`modprobe ip_vs_pe_{name}`)"),
                    None => Ok(()),
                }
            }
            (Refusal::ModuleMissing, _) => f.write_str("a kernel module is missing"),
            (Refusal::OutOfRange, _) => f.write_str("a weight or threshold is out of this kernel's range"),
            (Refusal::Invalid, Edit::AddDestination { .. } | Edit::SetDestination { .. }) => f.write_str(
                "the kernel finds the destination invalid: its address must be unicast and no broadcast address of an \
                 attached network; another address family needs tunnel forwarding and no sync daemon",
            ),
            (Refusal::Invalid, _) => f.write_str("the kernel finds it invalid: check persistence and scheduler flags"),
            (Refusal::FamilyUnsupported, edit) => {
                write!(f, "this kernel has no IPVS for {}", edit.service().family())
            }
            (Refusal::NoMemory, _) => f.write_str("the kernel is short of memory; try again later"),
            (Refusal::Other(errno), _) => io::Error::from_raw_os_error(errno).fmt(f),
        }
    }
}

impl std::error::Error for EditFailure {}

impl Ipvs {
    /// Carries out edits in the order given.
    ///
    /// A refused edit does not stop those after it. Edits go to the kernel in batches of up to [`MAX_BATCH`], and
    /// nothing else gets in between within a batch; who has something urgent to follow gives shorter lists.
    ///
    /// # Errors
    /// Then it is not known how many edits were done: read the table again. [`Error::Overrun`] if refusals were lost,
    /// [`Error::Denied`] if the capability is gone, [`Error::Missing`] if the module is; other [`Error`]s.
    pub fn apply(&mut self, edits: &[Edit]) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        if edits.is_empty() {
            return Ok(applied);
        }
        let size = self.link()?.batch;
        for (number, batch) in edits.chunks(size).enumerate() {
            let refused = self.batch(batch)?;
            applied.done += batch.len() - refused.len();
            let first = number * size;
            applied.failures.extend(refused.into_iter().filter_map(|(at, errno)| {
                let edit = *batch.get(at)?;
                Some(EditFailure { index: first + at, edit, refusal: Refusal::of(&edit, errno) })
            }));
        }
        // To a family that is no more, everything is ENOENT.
        if applied.done == 0 && applied.failures.iter().all(|f| is_enoent(f.refusal)) {
            self.info()?;
        }
        Ok(applied)
    }

    /// Sends one batch; gives place and error number of each refused edit.
    fn batch(&mut self, edits: &[Edit]) -> Result<Vec<(usize, i32)>, Error> {
        self.written += edits.len() as u64;
        let result = send_batch(self.link()?, edits);
        if result.is_err() {
            self.link = None;
        }
        let refused = result?;
        if refused.iter().any(|(_, errno)| *errno == libc::EPERM) {
            return Err(Error::Denied);
        }
        Ok(refused)
    }
}

fn is_enoent(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::DestinationMissing | Refusal::ModuleMissing)
}

fn send_batch(link: &mut Link, edits: &[Edit]) -> Result<Vec<(usize, i32)>, Error> {
    const DOING: &str = "writing edits";
    let mut bytes = Vec::with_capacity(edits.len() * MAX_REQUEST / 2);
    let mut last = 0;
    for (at, edit) in edits.iter().enumerate() {
        let flags = if at + 1 == edits.len() { codec::ACK } else { 0 };
        last = link.append(&mut bytes, flags, &Request::Edit(edit));
    }
    link.send(DOING, &bytes)?;
    let mut refused = Vec::new();
    let mut complete = false;
    // Each datagram is about at least one of the edits, or a late answer to something before; both are bounded.
    for _ in 0..2 * edits.len() + 16 {
        link.receive(DOING, |message| {
            // Counted back from the last one, so that numbers may wrap.
            let back = last.wrapping_sub(message.sequence) as usize;
            if let Some(at) = edits.len().checked_sub(back + 1)
                && let Reply::Status(status) = codec::decode(message, Family::Ipv4)?
            {
                refused.extend(status.map(|errno| (at, errno)));
                complete |= back == 0;
            }
            Ok(())
        })?;
        if complete {
            return Ok(refused);
        }
    }
    Err(Error::Silent { doing: DOING })
}
