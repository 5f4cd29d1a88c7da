//! One check by a file.
//!
//! Owns its reading, on a thread that may wait where the loop may not: a file can lie on a machine that is gone. What it says is
//! [`checker_core::file`]'s.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use checker_core::file::{FileCheck, Found, LENGTH_MAX, judge};
use checker_core::{Cause, Finding};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Runs a probe to its end. A read that hangs is left behind: such threads are bounded in number, and when none is left files can't
/// be read until one returns.
pub(super) async fn run(check: &Arc<FileCheck>) -> Finding {
    let limit = check.timeout.get();
    let path = check.path.clone();
    match timeout(limit, spawn_blocking(move || read(&path))).await {
        Ok(Ok(Ok(Some((content, age))))) => judge(check, &Found::Content(&content, age)),
        Ok(Ok(Ok(None))) => judge(check, &Found::Nothing),
        Ok(Ok(Err(error))) => judge(check, &Found::Unreadable(error.to_string())),
        Ok(Err(_)) => Finding::failed(Cause::LateTimer, Cause::LateTimer.meaning().to_owned()),
        Err(_) => judge(check, &Found::Unreadable(format!("it took longer than {} ms", limit.as_millis()))),
    }
}

/// The content of the file and how long ago it was changed; `None` when there is no file.
fn read(path: &Path) -> io::Result<Option<(Vec<u8>, Duration)>> {
    let read = crate::file::open(path).and_then(|(file, about)| {
        let content = crate::file::rest(file, LENGTH_MAX)?;
        // A time that is still to come is a clock that was set back, not an old file.
        let age = SystemTime::now().duration_since(about.modified()?).unwrap_or_default();
        Ok((content, age))
    });
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
