//! What the user sees: lines with the time, and on a terminal one line below them that changes.
//!
//! Owns standard output. In a pipe there are only whole lines.

use std::io::{Write as _, stderr, stdout};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

const WIPE: &str = "\r\x1b[K";

/// The screen.
#[derive(Debug)]
pub(crate) struct Screen {
    live: Mutex<bool>,
    start: Instant,
}

impl Screen {
    pub(crate) fn new(live: bool) -> Self {
        Self { live: Mutex::new(live), start: Instant::now() }
    }

    /// A line about what happens, with the seconds since the start.
    pub(crate) fn say(&self, text: &str) {
        self.put(&format!("{:6.1} s  {text}\n", self.start.elapsed().as_secs_f64()));
    }

    /// A line that begins a part.
    pub(crate) fn title(&self, text: &str) {
        let styled = if self.is_live() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
        self.put(&format!("\n{styled}\n"));
    }

    /// The output of some command, set in.
    pub(crate) fn block(&self, text: &str) {
        self.put(&text.lines().map(|line| format!("          {line}\n")).collect::<String>());
    }

    /// The line that changes; nothing in a pipe.
    pub(crate) fn now(&self, text: &str) {
        if self.is_live() {
            write(&format!("{WIPE}{:6.1} s  {text}", self.start.elapsed().as_secs_f64()));
        }
    }

    /// From here on whole lines only.
    pub(crate) fn end_live(&self) {
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if *live {
            write(WIPE);
        }
        *live = false;
    }

    fn is_live(&self) -> bool {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, text: &str) {
        let wipe = if self.is_live() { WIPE } else { "" };
        write(&format!("{wipe}{text}"));
    }
}

/// A reader who has gone away needs no text; what happened shows in the exit status.
fn write(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// A line on standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}
