//! The virtual interface with a virtual router's own MAC address (RFC 9568, 7.3), and the kernel settings that go with it.
//!
//! Owns its name, the settings (`/proc/sys/net`), and the file that keeps the parent's own settings until they are put
//! back, also after a crash. It sends nothing to the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vrrp_core::codec::Family;

/// Name of the interface: at most 15 characters for any index that has five digits.
pub(crate) fn name(family: Family, vrid: u8, parent: u32) -> String {
    let family = match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 6,
    };
    format!("vrrp{family}.{vrid}.{parent}")
}

/// Whether an interface is one that this program makes.
pub(crate) fn is_ours(name: &str, mac: Option<[u8; 6]>) -> bool {
    let is_virtual = |mac: [u8; 6]| matches!(mac, [0, 0, 0x5e, 0, 1 | 2, _]);
    (name.starts_with("vrrp4.") || name.starts_with("vrrp6.")) && mac.is_some_and(is_virtual)
}

/// Settings of the virtual interface, before it is set up.
///
/// It answers only for addresses of its own; what comes in by it may be routed back another way; and for IPv4 it has no IPv6
/// at all. `rp_filter` must be 0, for `all` too, since the larger one holds: as Backup the interface has no address, and with
/// any filter the kernel drops everything that comes in there (`fib_validate_source`), adverts as well.
pub(crate) fn prepare(name: &str, family: Family) -> io::Result<()> {
    match family {
        Family::Ipv4 => {
            write("ipv4", name, "arp_ignore", "1")?;
            write("ipv4", name, "accept_local", "1")?;
            write("ipv4", name, "rp_filter", "0")?;
            let all = fs::read_to_string(path("ipv4", "all", "rp_filter"))?;
            if all.trim() != "0" {
                return Err(io::Error::other(format!(
                    "net.ipv4.conf.all.rp_filter is {}, by which no advert would be heard on it: set it to 0, and the \
                     filter on each interface that needs it",
                    all.trim()
                )));
            }
            match write("ipv6", name, "disable_ipv6", "1") {
                // A kernel without IPv6.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        }
        Family::Ipv6 => {
            // No link-local address of its own: made of the shared MAC it would be the same on every machine.
            write("ipv6", name, "addr_gen_mode", "1")?;
            write("ipv6", name, "accept_ra", "0")?;
            write("ipv6", name, "autoconf", "0")
        }
    }
}

fn path(version: &str, interface: &str, setting: &str) -> PathBuf {
    // An interface's name holds no slash.
    Path::new("/proc/sys/net").join(version).join("conf").join(interface).join(setting)
}

fn write(version: &str, interface: &str, setting: &str, value: &str) -> io::Result<()> {
    let path = path(version, interface, setting);
    fs::write(&path, value).map_err(|error| {
        io::Error::new(error.kind(), format!("setting {} to {value}: {error}", path.display()))
    })
}

/// What a parent is set to while a virtual interface is on it: it answers ARP for its own addresses only, and asks from
/// none but those. Otherwise the neighbours would learn its MAC address for a virtual address now and then.
const WANTED: [(&str, &str); 2] = [("arp_ignore", "1"), ("arp_announce", "2")];

/// What parents were set to before us.
#[derive(Debug, Default)]
pub(crate) struct Parents {
    /// Interface and setting → its value.
    saved: BTreeMap<(String, String), String>,
    /// Where that is kept.
    file: Option<PathBuf>,
}

impl Parents {
    /// Takes up what an earlier run had saved in `directory`.
    pub(crate) fn load(directory: Option<&Path>) -> Self {
        let file = directory.map(|directory| directory.join("parents"));
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        let entry = |line: &str| {
            let mut words = line.split(' ');
            let (name, setting, value) = (words.next()?, words.next()?, words.next()?);
            let known = WANTED.iter().any(|(wanted, _)| *wanted == setting);
            let sound = known && !name.contains('/') && name != ".." && value.parse::<u8>().is_ok();
            sound.then(|| ((name.to_owned(), setting.to_owned()), value.to_owned()))
        };
        Self { saved: text.lines().filter_map(entry).collect(), file }
    }

    /// Sets a parent, after its own settings are safe.
    pub(crate) fn set(&mut self, name: &str) -> io::Result<()> {
        for (setting, wanted) in WANTED {
            let now = fs::read_to_string(path("ipv4", name, setting))?.trim().to_owned();
            // A stricter one stays.
            if now.parse::<u8>().ok() < wanted.parse::<u8>().ok() {
                self.saved.entry((name.to_owned(), setting.to_owned())).or_insert(now);
                self.save()?;
                write("ipv4", name, setting, wanted)?;
            }
        }
        Ok(())
    }

    /// Puts back the settings of every parent that `keeps` does not name.
    pub(crate) fn restore(&mut self, keeps: &[&str]) -> io::Result<()> {
        let is_done = |(name, _): &(String, String)| !keeps.contains(&name.as_str());
        let done: Vec<_> = self.saved.keys().filter(|key| is_done(key)).cloned().collect();
        if done.is_empty() {
            return Ok(());
        }
        let mut result = Ok(());
        for (name, setting) in done {
            let Some(value) = self.saved.remove(&(name.clone(), setting.clone())) else { continue };
            match write("ipv4", &name, &setting, &value) {
                // The interface is gone, and its settings with it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => result = result.and(other),
            }
        }
        result.and(self.save())
    }

    fn save(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let text: String =
            self.saved.iter().map(|((name, setting), value)| format!("{name} {setting} {value}\n")).collect();
        let new = file.with_extension("new");
        fs::write(&new, text)?;
        fs::rename(&new, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        assert_eq!(name(Family::Ipv4, 51, 2), "vrrp4.51.2");
        assert!(name(Family::Ipv6, 255, 99_999).len() <= 15);
    }

    #[test]
    fn what_was_saved_is_read_and_nonsense_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("parents");
        let text = "eth0 arp_ignore 0\n../x arp_ignore 1\neth1 arp_ignore no\neth1 forwarding 1\nshort\n";
        fs::write(&file, text).unwrap();
        let parents = Parents::load(Some(directory.path()));
        assert_eq!(
            parents.saved,
            BTreeMap::from([(("eth0".to_owned(), "arp_ignore".to_owned()), "0".to_owned())])
        );
    }
}
