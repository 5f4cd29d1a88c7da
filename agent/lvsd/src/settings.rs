//! Kernel settings that decide whether clients leave a dead server.
//!
//! Owns which ones matter, what they should be and why. Reads them; never writes them: the daemon's sandbox forbids it, and
//! `sysctl.d` is where an operator looks for them.

use std::fs;
use std::path::Path;

use agent_api::Setting;

/// Name below `net.ipv4.vs`, wanted value, and what goes wrong with another one.
const WANTED: [(&str, &str, &str); 2] = [
    (
        "expire_nodest_conn",
        "1",
        "clients that keep their source port stay with a removed UDP server and are not answered until their flow \
         times out",
    ),
    ("expire_quiescent_template", "1", "clients of a service with persistence stay with a drained server"),
];

/// The settings that are not as they should be, for services with or without persistence.
#[must_use]
pub fn wrong(persistence: bool) -> Vec<Setting> {
    wrong_below(Path::new("/proc/sys/net/ipv4/vs"), persistence)
}

fn wrong_below(folder: &Path, persistence: bool) -> Vec<Setting> {
    let matters = WANTED.iter().filter(|(name, ..)| persistence || *name != "expire_quiescent_template");
    let settings = matters.map(|(name, wanted, why)| Setting {
        name: format!("net.ipv4.vs.{name}"),
        value: fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().chars().take(40).collect()),
        wanted: (*wanted).to_owned(),
        why: (*why).to_owned(),
    });
    settings.filter(|setting| setting.value.as_ref() != Some(&setting.wanted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_and_matters_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("expire_nodest_conn"), "0\n").unwrap();
        fs::write(folder.path().join("expire_quiescent_template"), "1\n").unwrap();
        let told = wrong_below(folder.path(), true);
        assert_eq!(told.len(), 1);
        assert_eq!(
            (told[0].name.as_str(), told[0].value.as_deref()),
            ("net.ipv4.vs.expire_nodest_conn", Some("0"))
        );
        fs::write(folder.path().join("expire_nodest_conn"), "1\n").unwrap();
        fs::remove_file(folder.path().join("expire_quiescent_template")).unwrap();
        assert_eq!(wrong_below(folder.path(), false), []);
        let told = wrong_below(folder.path(), true);
        assert_eq!((told.len(), told[0].value.as_deref()), (1, None), "a missing setting is told too");
    }
}
