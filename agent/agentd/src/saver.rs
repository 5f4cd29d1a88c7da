//! The thread that writes the state file.
//!
//! Owns the [`Store`], because a disk may take its time and nobody else shall wait for it. One file at a time.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc;

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::store::Store;

/// What is to be written.
struct Job {
    bytes: Vec<u8>,
    done: oneshot::Sender<Result<(), String>>,
}

/// The way to the writing thread. It ends when this is dropped and the last file is written.
#[derive(Debug)]
pub struct Saver {
    jobs: mpsc::SyncSender<Job>,
    path: PathBuf,
}

impl Saver {
    pub fn start(mut store: Store, path: PathBuf) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(1);
        std::thread::Builder::new().name("saver".to_owned()).spawn(move || {
            while let Ok(Job { bytes, done }) = inbox.recv() {
                let _nobody_waits = done.send(store.save(&bytes, Timestamp::now()));
            }
        })?;
        Ok(Self { jobs, path })
    }

    /// Writes `bytes`. Only one call at a time has a place: whoever writes holds the hub's pen.
    pub async fn save(&self, bytes: Vec<u8>) -> Result<(), String> {
        let gone =
            || format!("can't write {}: the writing thread is gone; restart agentd", self.path.display());
        let (done, result) = oneshot::channel();
        self.jobs.try_send(Job { bytes, done }).map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}
