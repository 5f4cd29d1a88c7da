//! Events: what happened, once, in past tense, numbered.
//!
//! Owns their kinds and their JSON form. Events of verdicts and orders are found by the ledger when facts change;
//! a daemon adds those that only it can see (drift mended, fail-open). Nothing here decides who is told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{CauseCode, Name};

/// What kind of thing happened. The word in JSON is the variant in `snake_case`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A real server passes its checks again, or for the first time after it had failed.
    RealServerWentUp,
    /// A real server fails its checks.
    RealServerWentDown,
    /// A real server works, but worse than asked for.
    RealServerDegraded,
    /// A real server can't be judged: the trouble is at our own end.
    RealServerBecameUnknown,
    /// Someone else changed the kernel table; it was put right.
    DriftMended,
    /// More servers are down than `min_serving` allows to eject: the latest to fail stay in the table.
    FailOpenBegan,
    /// Ejection works normally again.
    FailOpenEnded,
    /// An advisory check of a real server fails: it warns and changes nothing.
    AdvisoryCheckFailed,
    /// An advisory check that had failed passes again.
    AdvisoryCheckPassed,
    /// Fewer real servers serve than the quorum asks for.
    QuorumLost,
    /// Enough real servers serve again.
    QuorumRegained,
    /// No real server serves: the sorry server answers instead.
    SorryServerTookOver,
    /// A real server serves again: the sorry server is out of the table.
    SorryServerLeft,
    /// What real servers depend on fails its checks: they can't be judged.
    DependencyWentDown,
    /// What real servers depend on works again.
    DependencyWentUp,
    /// This director sees nothing any more: most servers fail and no sentinel answers. Failures don't count until it sees again.
    DirectorWentBlind,
    /// This director sees again.
    DirectorSawAgain,
    /// The kernel's IPVS can't be used.
    IpvsLost,
    /// The kernel's IPVS can be used again.
    IpvsFound,
    /// The kernel refused an edit.
    EditRefused,
    /// An operator drains a real server.
    DrainOrdered,
    /// A drain ended: by the operator or because its time was over.
    DrainEnded,
    /// A virtual router of this machine became Active: the addresses are here now.
    RouterBecameActive,
    /// A virtual router of this machine became Backup.
    RouterBecameBackup,
    /// A virtual router of this machine can't take part.
    RouterFaulted,
    /// The priority of a virtual router changed by what it tracks.
    RouterPriorityChanged,
    /// Another router says that it is Active, though it should yield to this one.
    SplitBrainSeen,
    /// Another router is set differently.
    RouterDiscrepancySeen,
    /// Another machine says that it has a virtual address of this one.
    DuplicateAddressSeen,
    /// Somebody removed a virtual address; it was put back.
    AddressPutBack,
    /// `vipd` did not run for so long that it listens again before it speaks.
    RouterStalled,
    /// A watched director answers no more.
    DirectorFellSilent,
    /// A watched director answers again.
    DirectorReturned,
    /// The standby is cut off itself: neither the director nor a sentinel answers.
    StandbyCutOff,
    /// An operator wants a virtual router here or elsewhere.
    HandoverOrdered,
    /// Such an order ended: by the operator or because its time was over.
    HandoverEnded,
    /// An operator silences alerts.
    SilenceOrdered,
    /// A silence ended: by the operator or because its time was over.
    SilenceEnded,
    /// A daemon has not been heard for longer than its facts may be trusted.
    ReporterFellSilent,
    /// A daemon that had fallen silent reports again.
    ReporterReturned,
    /// A kind that this version does not know.
    #[serde(other)]
    Other,
}

impl EventKind {
    /// The word used in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RealServerWentUp => "real_server_went_up",
            Self::RealServerWentDown => "real_server_went_down",
            Self::RealServerDegraded => "real_server_degraded",
            Self::RealServerBecameUnknown => "real_server_became_unknown",
            Self::DriftMended => "drift_mended",
            Self::FailOpenBegan => "fail_open_began",
            Self::FailOpenEnded => "fail_open_ended",
            Self::AdvisoryCheckFailed => "advisory_check_failed",
            Self::AdvisoryCheckPassed => "advisory_check_passed",
            Self::QuorumLost => "quorum_lost",
            Self::QuorumRegained => "quorum_regained",
            Self::SorryServerTookOver => "sorry_server_took_over",
            Self::SorryServerLeft => "sorry_server_left",
            Self::DependencyWentDown => "dependency_went_down",
            Self::DependencyWentUp => "dependency_went_up",
            Self::DirectorWentBlind => "director_went_blind",
            Self::DirectorSawAgain => "director_saw_again",
            Self::IpvsLost => "ipvs_lost",
            Self::IpvsFound => "ipvs_found",
            Self::EditRefused => "edit_refused",
            Self::DrainOrdered => "drain_ordered",
            Self::DrainEnded => "drain_ended",
            Self::RouterBecameActive => "router_became_active",
            Self::RouterBecameBackup => "router_became_backup",
            Self::RouterFaulted => "router_faulted",
            Self::RouterPriorityChanged => "router_priority_changed",
            Self::SplitBrainSeen => "split_brain_seen",
            Self::RouterDiscrepancySeen => "router_discrepancy_seen",
            Self::DuplicateAddressSeen => "duplicate_address_seen",
            Self::AddressPutBack => "address_put_back",
            Self::RouterStalled => "router_stalled",
            Self::DirectorFellSilent => "director_fell_silent",
            Self::DirectorReturned => "director_returned",
            Self::StandbyCutOff => "standby_cut_off",
            Self::HandoverOrdered => "handover_ordered",
            Self::HandoverEnded => "handover_ended",
            Self::SilenceOrdered => "silence_ordered",
            Self::SilenceEnded => "silence_ended",
            Self::ReporterFellSilent => "reporter_fell_silent",
            Self::ReporterReturned => "reporter_returned",
            Self::Other => "other",
        }
    }
}

/// An event before the ledger has numbered it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    /// When it happened.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: EventKind,
    /// The virtual server concerned, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_server: Option<Name>,
    /// The real server concerned, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_server: Option<Name>,
    /// The virtual router concerned, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_router: Option<Name>,
    /// What real servers depend on, if the event concerns that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<Name>,
    /// The cause code, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseCode>,
    /// One line for people.
    pub text: String,
}

/// A numbered event. Numbers rise by one for ever; a reader that knows the last one it handled misses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number, from 1.
    pub number: u64,
    /// What happened.
    #[serde(flatten)]
    pub what: NewEvent,
}
