//! Names of up to 15 characters: of kernel modules that a service uses (its scheduler, its persistence engine), of network
//! interfaces.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// `IP_VS_SCHEDNAME_MAXLEN` and `IP_VS_PENAME_MAXLEN` less the closing NUL (`linux/ip_vs.h`).
const MAX: usize = 15;

/// 1 to 15 printable ASCII characters without blanks, held in place so that services stay `Copy`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Name {
    /// NUL-padded, so that the derived order is the order of the text.
    bytes: [u8; MAX],
}

impl Name {
    const fn new(text: &[u8]) -> Option<Name> {
        if text.is_empty() || text.len() > MAX {
            return None;
        }
        let mut bytes = [0; MAX];
        let mut i = 0;
        while i < text.len() {
            if !text[i].is_ascii_graphic() {
                return None;
            }
            bytes[i] = text[i];
            i += 1;
        }
        Some(Name { bytes })
    }

    /// For names written in this file only: a bad one does not compile.
    const fn literal(text: &str) -> Name {
        match Name::new(text.as_bytes()) {
            Some(name) => name,
            None => unreachable!(),
        }
    }

    fn as_str(&self) -> &str {
        let len = self.bytes.iter().position(|&b| b == 0).unwrap_or(MAX);
        // Only ASCII gets in.
        std::str::from_utf8(self.bytes.get(..len).unwrap_or_default()).unwrap_or_default()
    }
}

macro_rules! name_type {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Name);

        impl $type {
            /// Takes 1 to 15 printable ASCII characters without blanks.
            ///
            /// # Errors
            /// [`ValueError::Name`] for any other text. Whether the kernel has a module of that name is found
            /// out when the service is written.
            pub fn new(name: &str) -> Result<Self, ValueError> {
                Name::new(name.as_bytes())
                    .map(Self)
                    .ok_or_else(|| ValueError::Name { what: $what, name: name.to_owned() })
            }

            /// The name as the kernel knows it.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl FromStr for $type {
            type Err = ValueError;

            fn from_str(name: &str) -> Result<Self, ValueError> {
                Self::new(name)
            }
        }
    };
}

name_type!(
    /// The name of a scheduler: `wrr`, `mh`, …
    ///
    /// Any well-formed name is accepted, since the kernel loads a module `ip_vs_NAME` for one it does not know;
    /// [`Scheduler::KNOWN`] lists those of Linux 6.1 for a configuration that wants to warn early.
    Scheduler,
    "scheduler"
);

name_type!(
    /// The name of a persistence engine; Linux has one, `sip`.
    PersistenceEngine,
    "persistence engine"
);

name_type!(
    /// The name of a network interface: `eth1`.
    Interface,
    "interface"
);

impl Scheduler {
    /// Round robin.
    pub const RR: Scheduler = Scheduler(Name::literal("rr"));
    /// Weighted round robin.
    pub const WRR: Scheduler = Scheduler(Name::literal("wrr"));
    /// Least connections.
    pub const LC: Scheduler = Scheduler(Name::literal("lc"));
    /// Weighted least connections: what `ipvsadm` takes where nothing is said.
    pub const WLC: Scheduler = Scheduler(Name::literal("wlc"));
    /// Source hashing.
    pub const SH: Scheduler = Scheduler(Name::literal("sh"));
    /// Maglev hashing.
    pub const MH: Scheduler = Scheduler(Name::literal("mh"));

    /// The schedulers of Linux 6.1, plus `twos` (5.17, not built everywhere).
    ///
    /// `none`, which the kernel dumps for a service without a scheduler and which refuses every packet, is not
    /// among them.
    pub const KNOWN: &[&str] =
        &["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];

    /// What `ipvsadm` calls the three scheduler flags of this scheduler, lowest bit first.
    ///
    /// `sh` and `mh` give names to the first two and have no third; every other scheduler has three plain ones.
    pub fn flag_names(&self) -> &'static [&'static str] {
        match self.as_str() {
            "sh" => &["sh-fallback", "sh-port"],
            "mh" => &["mh-fallback", "mh-port"],
            _ => &["flag-1", "flag-2", "flag-3"],
        }
    }
}

impl Default for Scheduler {
    /// [`Scheduler::WLC`], as in `ipvsadm`.
    fn default() -> Self {
        Scheduler::WLC
    }
}
