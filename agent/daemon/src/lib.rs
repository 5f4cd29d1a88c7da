//! What every Holdfast daemon's `main` does alike.
//!
//! Owns the common flags, logging, the loading of the configuration, signals, the talk with systemd, and exit codes.
//! It knows nothing of what a daemon is for, and starts none.

#![deny(unsafe_code)]

mod args;
mod boot;
mod exit;
mod load;
mod logging;
mod memory;
mod notify;
mod signals;

pub use args::{Common, DEFAULT_CONFIG, DEFAULT_SOCKET, DEFAULT_STATE, LogLevel, Start};
pub use boot::boot_id;
pub use exit::{EXIT_FAILURE, EXIT_USAGE, UsageError, main, run};
pub use load::{LoadError, load_config, load_sources, take_config};
pub use logging::init_logging;
pub use memory::give_back;
pub use notify::{Watchdog, ready, reloading, status, stopping};
pub use signals::{Signal, Signals};
