//! The words the Holdfast daemons exchange: names, causes, reports, the state schema and the configuration.
//!
//! Owns every type that two daemons must agree on, and the text forms of each (JSON on the socket and in the
//! state file, TOML in the configuration). It never opens a file or a socket and never reads a clock: whoever
//! loads a file hands its text in, whoever stamps an event hands the time in.

#![forbid(unsafe_code)]

pub mod alert;
pub mod basis;
pub mod config;
pub mod event;
pub mod id;
pub mod order;
pub mod router;
pub mod section;
pub mod state;
pub mod telling;
mod traffic;
pub mod wire;

pub use alert::{Hours, Severity, Silence, SilenceTarget};
pub use basis::{Basis, ProbeRun};
pub use checker_core::Verdict;
pub use event::{Event, EventKind, NewEvent};
pub use id::{AddressFamily, CauseCode, Name, NameError, Protocol, RealServerId, ServiceAddress};
pub use order::{AlertTest, Drain, DrainTarget, Handover, HandoverKind, Orders};
pub use router::{
    HeardRouter, PriorityPart, RouterDiscrepancy, RouterKind, RouterReport, RouterSection, RouterSender,
    RouterState, RouterTransition, RouterUpdate, VipHead,
};
pub use section::{
    CheckHead, CheckReport, CheckSection, CheckUpdate, DestinationReport, KeptBy, KernelTable, LvsHead,
    LvsSection, LvsUpdate, RealServerHealth, Reporter, Section, SectionUpdate, ServiceReport, Setting,
};
pub use state::{SCHEMA, State, Storage, Update};
pub use telling::{AlertHead, AlertSection, AlertUpdate, Channel, ChannelReport, TestReport, ToldOver};
pub use traffic::Traffic;
