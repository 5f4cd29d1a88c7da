//! The spool: what has to outlive the process, on disk.
//!
//! Owns one directory: `alertd.json` (what the digest remembers and what is to be delivered, one document, replaced
//! atomically) and one file for each notice that waits. A notice is on disk before the document that names it, and the document
//! before anything is delivered: so a crash at any moment neither loses a notice nor makes one twice.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use agent_core::digest::outbox::Outbox;
use agent_core::digest::{Notice, Saved};
use serde::{Deserialize, Serialize};

const DOCUMENT: &str = "alertd.json";
const FOLDER: &str = "notices";
/// The largest file that is read.
const LARGEST: u64 = 64 << 20;

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Document<D, O> {
    schema: u32,
    digest: D,
    outbox: O,
}

const SCHEMA: u32 = 1;

/// Why the spool can't be used.
#[derive(Debug, thiserror::Error)]
#[error("can't {what} {}: {source}", path.display())]
pub struct StoreError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The spool directory.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Held as long as this lives, so that no second alertd delivers from here.
    _lock: File,
}

impl Store {
    /// Opens the spool at `folder`, making it if it is not there, and reads what a former run left.
    pub fn open(folder: &Path) -> Result<(Self, Option<(Saved, Outbox)>), StoreError> {
        let notices = folder.join(FOLDER);
        let fail = |what, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError { what, path, source }
        };
        fs::create_dir_all(&notices).map_err(fail("make the spool", &notices))?;
        let lock_path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(fail("open", &lock_path))?;
        lock.try_lock().map_err(|error| StoreError {
            what: "lock (another alertd uses it; stop that one)",
            path: lock_path.clone(),
            source: error.into(),
        })?;
        let store = Self { folder: folder.to_owned(), _lock: lock };
        let path = folder.join(DOCUMENT);
        let former = match read(&path) {
            Ok(bytes) => match serde_json::from_slice::<Document<Saved, Outbox>>(&bytes) {
                Ok(document) if document.schema <= SCHEMA => Some((document.digest, document.outbox)),
                Ok(document) => {
                    store.put_aside(&path, &format!("it has schema {}", document.schema));
                    None
                }
                Err(error) => {
                    store.put_aside(&path, &error.to_string());
                    None
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(StoreError { what: "read", path, source }),
        };
        Ok((store, former))
    }

    fn put_aside(&self, path: &Path, why: &str) {
        let aside = path.with_extension("json.bad");
        tracing::error!(
            "{} can't be used and is put aside as {}: {why}; what had been told may be told again",
            path.display(),
            aside.display()
        );
        if let Err(error) = fs::rename(path, &aside) {
            tracing::error!("can't put it aside: {error}");
        }
    }

    /// Writes a notice, before the document that names it.
    pub fn put(&self, file: u64, notice: &Notice) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(notice).map_err(|error| StoreError {
            what: "write",
            path: self.path(file),
            source: error.into(),
        })?;
        self.replace(&self.path(file), &bytes)
    }

    /// The notice in `file`.
    pub fn get(&self, file: u64) -> Result<Notice, StoreError> {
        let path = self.path(file);
        let fail = |source| StoreError { what: "read the notice", path: path.clone(), source };
        serde_json::from_slice(&read(&path).map_err(fail)?).map_err(|error| fail(error.into()))
    }

    /// Makes what was handled and what is to be delivered outlive the process.
    pub fn commit(&self, digest: &Saved, outbox: &Outbox) -> Result<(), StoreError> {
        let path = self.folder.join(DOCUMENT);
        let document = Document { schema: SCHEMA, digest, outbox };
        let bytes = serde_json::to_vec(&document).map_err(|error| StoreError {
            what: "write",
            path: path.clone(),
            source: error.into(),
        })?;
        self.replace(&path, &bytes)
    }

    /// Removes the notices that nobody waits for.
    pub fn sweep(&self, needed: &BTreeSet<u64>) {
        let Ok(entries) = fs::read_dir(self.folder.join(FOLDER)) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
            if number.is_none_or(|number| !needed.contains(&number))
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::debug!("can't remove {}: {error}", entry.path().display());
            }
        }
    }

    fn path(&self, file: u64) -> PathBuf {
        self.folder.join(FOLDER).join(format!("{file}.json"))
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let fail = |source| StoreError { what: "write (is the disk full?)", path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(&self.folder);
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fail)?;
        file.write_all(bytes).map_err(fail)?;
        file.as_file().sync_all().map_err(fail)?;
        file.persist(path).map_err(|error| fail(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
