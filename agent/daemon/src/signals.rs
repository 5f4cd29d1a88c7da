//! Signals as calls: stop and reload.
//!
//! Owns which signal means what and the thread that waits for them. What stopping takes is the daemon's to know.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals as Iterator};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: end.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// Signals are turned into calls as long as this lives.
#[derive(Debug)]
pub struct Signals {
    handle: Handle,
}

impl Signals {
    /// Calls `callback` for every signal from now on, in a thread of its own. Signals that come in quick succession may
    /// be one call.
    ///
    /// # Errors
    /// The handlers can't be installed or the thread can't be started.
    pub fn start(mut callback: impl FnMut(Signal) + Send + 'static) -> io::Result<Self> {
        let mut signals = Iterator::new([SIGTERM, SIGINT, SIGHUP])?;
        let handle = signals.handle();
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                callback(if signal == SIGHUP { Signal::Reload } else { Signal::Stop });
            }
        })?;
        Ok(Self { handle })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
    }
}
