//! What the kernel can't hold, and what is said of it.

use super::{bad, pool, read, said};
use crate::config::Mistakes;

#[test]
fn what_the_kernel_can_not_hold() {
    for (keys, check, real, why) in [
        (
            "",
            "",
            "lower_threshold = 5",
            "lower_threshold = 5 is above upper_threshold = 0; write at most that",
        ),
        ("", "", "upper_threshold = 2147483648", "upper_threshold = 2147483648 is out of range"),
        ("tunnel = { port = 1 }", "", "", "type is missing in tunnel; write type = \"gre\""),
        ("tunnel = { type = \"gue\" }", "", "", "port is missing in tunnel; write port = 6080"),
        ("tunnel = { type = \"gre\", port = 1 }", "", "", "port is for type = \"gue\" only; remove it"),
        (
            "tunnel = { type = \"ipip\", checksum = \"full\" }",
            "",
            "",
            "checksum is for type = \"gue\" and \"gre\" only",
        ),
        (
            "tunnel = { type = \"gre\", checksum = \"remote\" }",
            "",
            "",
            "checksum = \"remote\" is for type = \"gue\" only",
        ),
        ("tunnel = { type = \"gres\" }", "", "", "unknown type \"gres\"; did you mean \"gre\"?"),
        (
            "",
            "",
            "tunnel = { type = \"gre\" }\nforwarding = \"nat\"",
            "tunnel has no effect with forwarding = \"nat\"",
        ),
        (
            "persistence = { timeout = \"1m\", engine = \"sip\" }",
            "",
            "",
            "the engine \"sip\" knows UDP only; leave the other services",
        ),
        (
            "persistence = { timeout = \"1m\", engine = \"sop\" }",
            "",
            "",
            "unknown engine \"sop\"; did you mean \"sip\"?",
        ),
    ] {
        let said = said(keys, check, real);
        assert!(said.len() == 1 && said[0].starts_with(why), "{keys} {check} {real}: {said:#?}");
    }
    let every = |keys: &str| bad(&pool(keys, "", "").replace("udp/53", "udp/0"));
    assert!(every("").iter().any(|one| one.contains("persistence is missing")), "{:?}", every(""));
    let probed = every("persistence = { timeout = \"1m\" }");
    assert!(probed[0].contains("check.dns.port is missing"), "{probed:?}");
}

#[test]
fn the_kernels_daemon_and_timeouts() {
    for (keys, why) in [
        ("sysctls = \"write\"", "unknown sysctls \"write\"; write \"check\" or \"set\""),
        ("timeouts = { udp = \"1500ms\" }", "the kernel counts whole seconds; write udp = \"2s\""),
        ("timeouts = { udp = \"32d\" }", "udp = \"32d\" is out of range; write 1s to 31d"),
        ("timeouts = { icmp = \"2s\" }", "unknown key \"icmp\"; [lvs.timeouts] knows tcp, tcp_fin and udp"),
        ("drain_deadline = \"0s\"", "drain_deadline = \"0s\" is out of range; write 1s to 31d"),
        ("sync = { id = 1 }", "interface is missing in [lvs.sync]; write interface = \"eth1\""),
        (
            "sync = { interface = \"a-name-too-long!\" }",
            "interface \"a-name-too-long!\" is no interface's name; write one such as \"eth1\"",
        ),
        (
            "sync = { interface = \"eth1\", group = \"10.0.0.1\" }",
            "group \"10.0.0.1\" is no multicast address; write one such as \"224.0.0.81\"",
        ),
        (
            "sync = { interface = \"eth1\", id = 256 }",
            "id = 256 is out of range; write a whole number from 0 to 255",
        ),
        (
            "sync = { interface = \"eth1\", role = \"slave\" }",
            "unknown role \"slave\"; write \"both\" or \"master\" or \"backup\"",
        ),
        ("sync = { interface = \"eth1\", follow = \"gateway\" }", "there is no virtual router \"gateway\""),
        (
            "sync = { interface = \"eth1\", role = \"master\", follow = \"gateway\" }",
            "role and follow exclude each other: the virtual router decides the role; remove one of them",
        ),
    ] {
        let Mistakes(said) = read(&format!("[lvs]\n{keys}\n{}", pool("", "", ""))).unwrap_err();
        assert_eq!(said.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(), [why], "{keys}");
    }
}
