//! The kernel's IPVS as a pass sees it, and what it means when it can't be used.
//!
//! Owns the seam between the reconciler and the netlink socket, and the words an operator reads when there is no
//! IPVS. It keeps no copy of the table.

use agent_api::config::Timeouts;
use agent_api::{CauseCode, KernelTable};
use agent_ipvs::{Edit, Error, Info, Ipvs, Snapshot, SyncDaemon};

/// Something that has an IPVS table: the kernel, or a model of it in tests.
pub trait Kernel {
    /// Reads the whole table with its figures. `between` is called whenever a part of it has been read.
    ///
    /// # Errors
    /// It can't be read.
    fn read_while(&mut self, between: &mut dyn FnMut()) -> Result<Snapshot, KernelError>;

    /// Reads it with nothing to do meanwhile.
    ///
    /// # Errors
    /// It can't be read.
    fn read(&mut self) -> Result<Snapshot, KernelError> {
        self.read_while(&mut || {})
    }

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

/// What the configuration asks of the kernel beside the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Timeouts of idle connections.
    pub timeouts: Timeouts,
    /// The sync daemons that are to run; absent: they are left alone.
    pub sync: Option<Vec<SyncDaemon>>,
}

impl LinuxKernel {
    /// Compares timeouts and sync daemons with `wanted` and puts right what differs. Returns what was done and what was refused, a
    /// line each.
    ///
    /// # Errors
    /// The kernel could not be asked.
    pub fn hold(&mut self, wanted: &Beside) -> Result<Held, KernelError> {
        let mut held = Held::default();
        let Timeouts { tcp, tcp_fin, udp } = wanted.timeouts;
        if tcp.or(tcp_fin).or(udp).is_some() {
            let has = self.with(Ipvs::timeouts)?;
            // 0 leaves one as it is.
            let edit = |wanted: Option<u32>, has: u32| wanted.filter(|wanted| *wanted != has).unwrap_or(0);
            let change =
                (edit(tcp, has.tcp_secs()), edit(tcp_fin, has.tcp_fin_secs()), edit(udp, has.udp_secs()));
            if change != (0, 0, 0) {
                let done = agent_ipvs::Timeouts::new(change.0, change.1, change.2)
                    .map_err(|error| error.to_string())
                    .and_then(|timeouts| {
                        self.with(|ipvs| ipvs.set_timeouts(&timeouts)).map_err(|error| error.to_string())
                    });
                let what = format!(
                    "timeouts (tcp, tcp_fin, udp; 0: as it was) to {} {} {} s",
                    change.0, change.1, change.2
                );
                held.note(&format!("set {what}"), done);
            }
        }
        if let Some(wanted) = &wanted.sync {
            self.hold_sync(wanted, &mut held)?;
        }
        Ok(held)
    }

    fn hold_sync(&mut self, wanted: &[SyncDaemon], held: &mut Held) -> Result<(), KernelError> {
        let has = self.with(Ipvs::sync_daemons)?;
        let role_is = |daemons: &[SyncDaemon], role| daemons.iter().any(|daemon| daemon.role == role);
        // Of one role only one can run, so other settings mean to stop it first; a change of roles begins with the new one.
        let gone = has.iter().filter(|daemon| !wanted.contains(daemon));
        let (other, over): (Vec<_>, Vec<_>) = gone.partition(|daemon| role_is(wanted, daemon.role));
        let stop = |this: &mut Self, held: &mut Held, gone: &SyncDaemon| {
            let done = this.with(|ipvs| ipvs.stop_sync_daemon(gone.role)).map_err(|error| error.to_string());
            held.note(&format!("stopped the sync daemon {:?} on {}", gone.role, gone.interface), done);
        };
        other.into_iter().for_each(|daemon| stop(self, held, daemon));
        for new in wanted.iter().filter(|daemon| !has.contains(daemon)) {
            let done = self.with(|ipvs| ipvs.start_sync_daemon(new)).map_err(|error| error.to_string());
            held.note(
                &format!("started the sync daemon {:?} on {}, id {}", new.role, new.interface, new.id),
                done,
            );
        }
        over.into_iter().for_each(|daemon| stop(self, held, daemon));
        Ok(())
    }
}

/// What [`LinuxKernel::hold`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// What was done.
    pub done: Vec<String>,
    /// What the kernel refused.
    pub refused: Vec<String>,
}

impl Held {
    fn note(&mut self, what: &str, done: Result<(), String>) {
        match done {
            Ok(()) => self.done.push(what.to_owned()),
            Err(error) => self.refused.push(format!("not {what}: {error}")),
        }
    }
}

impl Kernel for LinuxKernel {
    fn read_while(&mut self, between: &mut dyn FnMut()) -> Result<Snapshot, KernelError> {
        self.with(|ipvs| ipvs.snapshot_while(between))
    }

    fn apply(&mut self, edits: &[Edit]) -> Result<Vec<Refusal>, KernelError> {
        let applied = self.with(|ipvs| ipvs.apply(edits))?;
        let refusals = applied.failures.into_iter();
        Ok(refusals.map(|failure| Refusal { edit: failure.edit, why: failure.to_string() }).collect())
    }
}
