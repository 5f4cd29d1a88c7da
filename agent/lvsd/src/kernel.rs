//! The kernel's IPVS as a pass sees it, and what it means when it can't be used.
//!
//! Owns the seam between the reconciler and the netlink socket, and the words an operator reads when there is no
//! IPVS. It keeps no copy of the table.

use agent_api::{CauseCode, KernelTable};
use agent_ipvs::{Edit, Error, Info, Ipvs, Snapshot};

/// Something that has an IPVS table: the kernel, or a model of it in tests.
pub trait Kernel {
    /// Reads the whole table with its figures.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&mut self) -> Result<Snapshot, KernelError>;

    /// Makes `edits` in their order. Those that are refused do not stop the others and are returned.
    ///
    /// # Errors
    /// Nothing, or not everything, could be sent; what was done is seen by reading again.
    fn apply(&mut self, edits: &[Edit]) -> Result<Vec<Refusal>, KernelError>;
}

/// An edit that the kernel did not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The edit.
    pub edit: Edit,
    /// Which edit was refused, why, and what to do, in one line.
    pub why: String,
}

/// Why the table can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}; {remedy}")]
pub struct KernelError {
    /// Stable code: `ipvs_missing`, `ipvs_denied`, `ipvs_error`.
    pub cause: &'static str,
    /// What was tried and what came of it.
    pub detail: String,
    /// What to do.
    pub remedy: String,
}

impl KernelError {
    /// The same for the report.
    #[must_use]
    pub fn to_report(&self) -> KernelTable {
        match self.cause.parse::<CauseCode>() {
            Ok(cause) => {
                KernelTable::Unusable { cause, detail: self.detail.clone(), remedy: self.remedy.clone() }
            }
            // The codes are the literals below, all well formed.
            Err(_) => KernelTable::Unknown,
        }
    }
}

impl From<Error> for KernelError {
    fn from(error: Error) -> Self {
        let (cause, detail, remedy) = match &error {
            Error::Missing => (
                "ipvs_missing",
                "the running kernel has no IPVS".to_owned(),
                "run `modprobe ip_vs`; the module comes with the kernel's own package (Debian: linux-image-amd64), and \
                 a container needs it loaded on its host",
            ),
            Error::Denied => (
                "ipvs_denied",
                "the kernel's IPVS may not be read or changed".to_owned(),
                "lvsd needs CAP_NET_ADMIN in the initial user namespace: start it from its unit or as root, not in a \
                 user namespace",
            ),
            _ => (
                "ipvs_error",
                error.to_string(),
                "it is tried again; if it stays, see the log of lvsd and `dmesg`",
            ),
        };
        Self { cause, detail, remedy: remedy.to_owned() }
    }
}

/// The kernel of this network namespace, connected anew whenever the connection is in doubt.
#[derive(Debug, Default)]
pub struct LinuxKernel {
    ipvs: Option<Ipvs>,
    info: Option<Info>,
}

impl LinuxKernel {
    /// The version of IPVS, once it has been reached.
    #[must_use]
    pub fn version(&self) -> Option<String> {
        self.info.map(|info| info.version.to_string())
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Ipvs) -> Result<T, Error>) -> Result<T, KernelError> {
        let mut ipvs = match self.ipvs.take() {
            Some(ipvs) => ipvs,
            None => {
                let mut ipvs = Ipvs::connect()?;
                self.info = Some(ipvs.info()?);
                ipvs
            }
        };
        let done = act(&mut ipvs)?;
        // Kept only after success: after an error a fresh socket has no leftovers.
        self.ipvs = Some(ipvs);
        Ok(done)
    }
}

impl Kernel for LinuxKernel {
    fn read(&mut self) -> Result<Snapshot, KernelError> {
        self.with(Ipvs::snapshot)
    }

    fn apply(&mut self, edits: &[Edit]) -> Result<Vec<Refusal>, KernelError> {
        let applied = self.with(|ipvs| ipvs.apply(edits))?;
        let refusals = applied.failures.into_iter();
        Ok(refusals.map(|failure| Refusal { edit: failure.edit, why: failure.to_string() }).collect())
    }
}
