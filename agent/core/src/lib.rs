//! What the agent thinks, without hands: merging reports, planning the kernel table, finding the difference.
//!
//! Owns the [`ledger`] (reports into state), the [`blueprint`] (the configuration as kernel objects), the [`plan`]
//! (facts into the wanted table), the [`diff`] (wanted minus actual into edits) and the [`view`] (state into what
//! people read), the [`digest`] (events into what staff are told). No I/O, no clock.

#![forbid(unsafe_code)]

pub mod blueprint;
mod cursor;
pub mod diff;
pub mod digest;
pub mod ledger;
pub mod plan;
pub mod timeline;
pub mod view;
