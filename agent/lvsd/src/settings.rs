//! Kernel settings that decide whether clients leave a dead server.
//!
//! Owns which ones matter for a configuration, what they should be and why. They are only looked at unless the configuration
//! says that they are set; one that changes other settings too is never set.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use agent_api::config::{Config, Forwarding, Sysctls};
use agent_api::{Protocol, Setting};

/// Where settings are files.
const FOLDER: &str = "/proc/sys";

/// One setting that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    /// As `sysctl` calls it.
    name: &'static str,
    /// What it should be.
    value: &'static str,
    /// What goes wrong otherwise.
    why: &'static str,
    /// Whether it may be set here at all.
    ours: bool,
}

const EXPIRE_NODEST_CONN: Wanted = Wanted {
    name: "net.ipv4.vs.expire_nodest_conn",
    value: "1",
    why: "clients that keep their source port stay with a removed UDP server and are not answered until their flow times \
          out",
    ours: true,
};
const EXPIRE_QUIESCENT_TEMPLATE: Wanted = Wanted {
    name: "net.ipv4.vs.expire_quiescent_template",
    value: "1",
    why: "clients of a service with persistence stay with a drained server",
    ours: true,
};
const CONN_REUSE_MODE: Wanted = Wanted {
    name: "net.ipv4.vs.conn_reuse_mode",
    value: "1",
    why: "clients that use a TCP port again stay with a drained server",
    ours: true,
};
const FORWARDING: [Wanted; 2] = [
    Wanted {
        name: "net.ipv4.ip_forward",
        value: "1",
        why: "replies of real servers behind address translation are not passed on",
        ours: false,
    },
    Wanted {
        name: "net.ipv6.conf.all.forwarding",
        value: "1",
        why: "replies of real servers behind address translation are not passed on",
        ours: false,
    },
];

/// The settings that matter for one configuration, and whether they are set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    wanted: Vec<Wanted>,
    set: bool,
    folder: PathBuf,
}

impl Settings {
    /// Those that `config` needs.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut wanted = vec![EXPIRE_NODEST_CONN];
        let pools = || config.virtual_servers.iter();
        if pools().any(|pool| pool.scheduling.persistence.is_some()) {
            wanted.push(EXPIRE_QUIESCENT_TEMPLATE);
        }
        let tcp = |protocol: Option<Protocol>| protocol.is_none_or(|protocol| protocol == Protocol::Tcp);
        if pools().any(|pool| pool.service_addresses().any(|service| tcp(service.protocol()))) {
            wanted.push(CONN_REUSE_MODE);
        }
        let translated = |ipv4: bool| {
            config.real_servers().any(|(_, real_server)| {
                real_server.forwarding == Forwarding::Nat && real_server.address.is_ipv4() == ipv4
            })
        };
        let [v4, v6] = FORWARDING;
        wanted.extend(translated(true).then_some(v4));
        wanted.extend(translated(false).then_some(v6));
        Self { wanted, set: config.lvs.sysctls == Sysctls::Set, folder: PathBuf::from(FOLDER) }
    }

    /// The settings that are not as they should be, after setting those that may be set.
    #[must_use]
    pub fn wrong(&self) -> Vec<Setting> {
        self.wanted.iter().filter_map(|wanted| self.hold(wanted)).collect()
    }

    /// Sets one if it is to be set; says what is wrong with it then.
    fn hold(&self, wanted: &Wanted) -> Option<Setting> {
        let before = self.value(wanted.name);
        if before.as_deref() == Some(wanted.value) {
            return None;
        }
        let mut why = wanted.why.to_owned();
        // One that is not there is nothing to be written: without IPVS there are none.
        if self.set && wanted.ours && before.is_some() {
            match fs::write(self.path(wanted.name), wanted.value) {
                Ok(()) => tracing::info!("set {} to {}", wanted.name, wanted.value),
                Err(error) => why.push_str(&refused(&error)),
            }
        }
        let value = self.value(wanted.name);
        (value.as_deref() != Some(wanted.value)).then(|| Setting {
            name: wanted.name.to_owned(),
            value,
            wanted: wanted.value.to_owned(),
            why,
        })
    }

    /// Whether the kernel lets the flows of a removed destination go on elsewhere with their next packet.
    #[must_use]
    pub fn flows_move(&self) -> bool {
        self.value(EXPIRE_NODEST_CONN.name).as_deref() == Some(EXPIRE_NODEST_CONN.value)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(Path::new(&name.replace('.', "/")))
    }

    fn value(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok().map(|text| text.trim().chars().take(40).collect())
    }
}

/// Why a setting could not be set, and what to do.
fn refused(error: &io::Error) -> String {
    let remedy = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "the sandbox of holdfast-lvsd.service forbids it: set ProtectKernelTunables=no in a drop-in \
             (`systemctl edit holdfast-lvsd`)"
        }
        _ => "set it in sysctl.d",
    };
    format!(" (it is to be set, but that failed: {error}; {remedy})")
}

#[cfg(test)]
mod tests {
    use agent_api::config::{Source, parse};

    use super::*;

    fn settings(lvs: &str, server: &str, folder: &Path) -> Settings {
        let text = format!(
            "{lvs}\n[[virtual_server]]\nname = \"a\"\naddress = \"10.0.0.1\"\n{server}\n[virtual_server.check.dns]\n\
             qname = \"resolve.test\"\n[[virtual_server.real_server]]\nname = \"b\"\naddress = \"10.0.0.2\"\n"
        );
        let config =
            parse(&[Source { path: "t.toml".into(), text }]).unwrap_or_else(|wrong| panic!("{wrong}"));
        Settings { folder: folder.to_owned(), ..Settings::of(&config) }
    }

    fn put(folder: &Path, name: &str, value: &str) {
        let path = folder.join(name.replace('.', "/"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{value}\n")).unwrap();
    }

    #[test]
    fn only_what_is_wrong_and_matters_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        put(folder, "net.ipv4.vs.expire_nodest_conn", "0");
        put(folder, "net.ipv4.vs.expire_quiescent_template", "0");
        put(folder, "net.ipv4.ip_forward", "0");
        let udp = "services = [\"udp/53\"]";
        let names =
            |settings: &Settings| settings.wrong().into_iter().map(|one| one.name).collect::<Vec<_>>();
        let plain = settings("", udp, folder);
        assert_eq!(names(&plain), ["net.ipv4.vs.expire_nodest_conn"]);
        assert!(!plain.flows_move());
        let told = plain.wrong();
        assert_eq!((told[0].value.as_deref(), told[0].wanted.as_str()), (Some("0"), "1"));
        let much =
            "services = [\"udp/53\", \"tcp/53\"]\npersistence = { timeout = \"5m\" }\nforwarding = \"nat\"";
        let all = settings("", much, folder);
        assert_eq!(
            names(&all),
            [
                "net.ipv4.vs.expire_nodest_conn",
                "net.ipv4.vs.expire_quiescent_template",
                "net.ipv4.vs.conn_reuse_mode",
                "net.ipv4.ip_forward"
            ],
        );
        assert_eq!(all.wrong()[2].value, None, "a missing setting is told too");
        put(folder, "net.ipv4.vs.expire_nodest_conn", "1");
        assert_eq!(names(&plain), [""; 0]);
        assert!(plain.flows_move());
    }

    #[test]
    fn they_are_set_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        put(folder, "net.ipv4.vs.expire_nodest_conn", "0");
        put(folder, "net.ipv4.ip_forward", "0");
        let server = "services = [\"udp/53\"]\nforwarding = \"nat\"";
        let setting = settings("lvs.sysctls = \"set\"", server, folder);
        let told = setting.wrong();
        assert_eq!(told.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["net.ipv4.ip_forward"]);
        assert!(setting.flows_move());
        put(folder, "net.ipv4.vs.expire_nodest_conn", "0");
        assert_eq!(setting.wrong().len(), 1, "set again");
        assert!(setting.flows_move());
    }

    #[test]
    fn a_sandbox_is_named() {
        let told = refused(&io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        assert!(told.contains("ProtectKernelTunables=no"), "{told}");
    }
}
