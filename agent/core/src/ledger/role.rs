//! Whose section it is.
//!
//! Owns the names of those who report, and which of them a report is from. Whether its sender may be that one is the caller's.

use agent_api::CauseCode;
use agent_api::wire::Report;

use super::Refusal;

/// Whose section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `checkd`: verdicts.
    Checkd,
    /// `lvsd`: the kernel's table.
    Lvsd,
    /// `vipd`: virtual routers.
    Vipd,
    /// `alertd`: channels.
    Alertd,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Checkd, Self::Lvsd, Self::Vipd, Self::Alertd];

    /// The daemon's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checkd => "checkd",
            Self::Lvsd => "lvsd",
            Self::Vipd => "vipd",
            Self::Alertd => "alertd",
        }
    }

    /// The section that `report` is about.
    ///
    /// # Errors
    /// It has none, or two.
    pub fn of(report: &Report) -> Result<Self, Refusal> {
        match (&report.checkd, &report.lvsd, &report.vipd, &report.alertd) {
            (Some(_), None, None, None) => Ok(Self::Checkd),
            (None, Some(_), None, None) => Ok(Self::Lvsd),
            (None, None, Some(_), None) => Ok(Self::Vipd),
            (None, None, None, Some(_)) => Ok(Self::Alertd),
            _ => Err(Refusal::NotOneSection),
        }
    }

    /// The cause code of its silence, by which a later run knows that it was told.
    pub(super) fn silence(self) -> Option<CauseCode> {
        format!("{}_silent", self.as_str()).parse().ok()
    }
}
