//! Somebody who looks at the kernel's table all the time and remembers every change, however short.
//!
//! Owns one thread in the director's namespace. Counters of connections are not looked at.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Result, anyhow};

use crate::network::Namespace;
use crate::patience::LOOK;
use crate::table::Table;

/// A table, and when it was first seen.
#[derive(Debug, Clone)]
pub struct Sight {
    /// When.
    pub at: Instant,
    /// What.
    pub table: Table,
}

/// The witness.
#[derive(Debug)]
pub struct Witness {
    sights: Arc<Mutex<Vec<Sight>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Witness {
    /// Begins to look; returns after the first look.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let sights = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, ended) = (Arc::clone(&sights), Arc::clone(&stop));
        let thread = namespace.run(move || -> Result<_> {
            lock(&seen).push(Sight { at: Instant::now(), table: Table::read()? });
            // A thread that a thread starts is in the same namespace as that one.
            Ok(thread::spawn(move || look(&seen, &ended)))
        })??;
        Ok(Self { sights, stop, thread: Some(thread) })
    }

    /// Every different table that was there after `from`, beginning with the one that was there at `from`.
    #[must_use]
    pub fn since(&self, from: Instant) -> Vec<Sight> {
        let sights = lock(&self.sights);
        let first = sights.partition_point(|sight| sight.at <= from).saturating_sub(1);
        sights.get(first..).unwrap_or_default().to_vec()
    }

    /// When a real server was first not in any service of that address, after `from`.
    #[must_use]
    pub fn left(&self, from: Instant, vip: IpAddr, real: IpAddr) -> Option<Instant> {
        self.since(from).iter().find(|sight| sight.table.lacks(vip, real)).map(|sight| sight.at)
    }

    /// When a real server was first in every service of that address, after `from`.
    #[must_use]
    pub fn joined(&self, from: Instant, vip: IpAddr, real: IpAddr) -> Option<Instant> {
        self.since(from).iter().find(|sight| sight.table.serves(vip, real)).map(|sight| sight.at)
    }

    /// Stops looking.
    ///
    /// # Errors
    /// The table could not be read at some time.
    pub fn finish(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| anyhow!("the witness panicked"))?,
            None => Ok(()),
        }
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn look(sights: &Mutex<Vec<Sight>>, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        let table = Table::read()?;
        let mut sights = lock(sights);
        if sights.last().is_none_or(|last| last.table.shape() != table.shape()) {
            sights.push(Sight { at: Instant::now(), table });
        }
    }
    Ok(())
}

fn lock(sights: &Mutex<Vec<Sight>>) -> MutexGuard<'_, Vec<Sight>> {
    sights.lock().unwrap_or_else(PoisonError::into_inner)
}
