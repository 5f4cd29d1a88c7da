//! Sending, with an end.
//!
//! Owns how long a reader may take and how much memory replies on their way may cost together. A reader that makes no
//! progress, or too little, is given up.

use std::time::Duration;

use agent_core::ledger::Ledger;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// A reader must make progress within this time.
pub const STALL: Duration = Duration::from_secs(30);
/// And take at least so many bytes a second on the whole.
const LEAST_RATE: usize = 64 * 1024;
/// How much is offered to the kernel at once.
const PIECE: usize = 64 * 1024;
/// Replies below this size need no permit: they fit into what any connection may cost.
const SMALL: usize = 64 * 1024;
/// What large replies may cost together, in KiB: for readers, and for our own users.
const READERS_KIB: u32 = 128 * 1024;
const OURS_KIB: u32 = 512 * 1024;

/// The reader took too long or is gone.
#[derive(Debug)]
pub struct Gone;

/// The memory for large replies.
#[derive(Debug)]
pub struct Budget {
    readers: Semaphore,
    ours: Semaphore,
}

impl Budget {
    pub fn new() -> Self {
        let permits = |kib: u32| Semaphore::new(usize::try_from(kib).unwrap_or(usize::MAX));
        Self { readers: permits(READERS_KIB), ours: permits(OURS_KIB) }
    }

    /// Waits until there is memory for a reply with the whole state.
    pub async fn whole(&self, ours: bool, ledger_size: usize) -> Option<SemaphorePermit<'_>> {
        if ledger_size < SMALL {
            return None;
        }
        let (semaphore, most) = if ours { (&self.ours, OURS_KIB) } else { (&self.readers, READERS_KIB) };
        let kib = u32::try_from(ledger_size / 1024).unwrap_or(u32::MAX).min(most);
        semaphore.acquire_many(kib).await.ok()
    }
}

/// About how long the state is as JSON.
pub fn size_of(ledger: &Ledger) -> usize {
    let state = ledger.state();
    let destinations: usize = state.lvsd.items.values().map(|service| service.destinations.len()).sum();
    (state.checkd.items.len() + state.lvsd.items.len()) * 400
        + state.vipd.items.len() * 4_000
        + state.alertd.items.len() * 1_000
        + destinations * 150
        + state.events.len() * 400
}

/// Sends all of `bytes`.
pub async fn send(to: &mut OwnedWriteHalf, bytes: &[u8]) -> Result<(), Gone> {
    let seconds = u64::try_from(bytes.len() / LEAST_RATE).unwrap_or(u64::MAX);
    let end = Instant::now() + STALL + Duration::from_secs(seconds);
    let mut left = bytes;
    while !left.is_empty() {
        let piece = left.get(..left.len().min(PIECE)).unwrap_or_default();
        let stalled = end.min(Instant::now() + STALL);
        match timeout_at(stalled, to.write(piece)).await {
            Ok(Ok(sent)) if sent > 0 => left = left.get(sent..).unwrap_or_default(),
            _ => return Err(Gone),
        }
    }
    Ok(())
}
