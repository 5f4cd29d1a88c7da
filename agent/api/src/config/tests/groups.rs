//! Several addresses, ranges, both families, firewall marks: what they are spelt out to, and what is refused.

use super::*;

/// What a virtual server with this `address` line and these `services` has in the kernel.
fn objects(head: &str, services: &str) -> Vec<String> {
    let config = good(&group("one", head, services, "10.0.0.1", ""));
    config.virtual_servers[0].service_addresses().map(|one| one.to_string()).collect()
}

fn group(name: &str, head: &str, services: &str, real: &str, forwarding: &str) -> String {
    format!(
        "[[virtual_server]]\nname = \"{name}\"\n{head}\nservices = {services}\n{forwarding}\n[virtual_server.check.dns]\n\
         qname = \"a.test\"\nport = 53\n[[virtual_server.real_server]]\nname = \"a\"\naddress = \"{real}\"\n"
    )
}

#[test]
fn ranges_and_marks_are_spelt_out() {
    let one = |head, services, expected: &[&str]| {
        assert_eq!(objects(head, services), expected, "{head} {services}")
    };
    one("address = [\"192.0.2.53\"]", "[\"udp/53\"]", &["udp/192.0.2.53:53"]);
    one(
        "address = [\"192.0.2.9-11\", \"192.0.2.255-192.0.3.0\"]",
        "[\"udp/53\"]",
        &[
            "udp/192.0.2.9:53",
            "udp/192.0.2.10:53",
            "udp/192.0.2.11:53",
            "udp/192.0.2.255:53",
            "udp/192.0.3.0:53",
        ],
    );
    one(
        "address = \"192.0.2.1-2\"",
        "[\"tcp/80\", \"tcp/8000-8001\", \"fwmark/7\"]",
        &[
            "tcp/192.0.2.1:80",
            "tcp/192.0.2.1:8000",
            "tcp/192.0.2.1:8001",
            "tcp/192.0.2.2:80",
            "tcp/192.0.2.2:8000",
            "tcp/192.0.2.2:8001",
            "fwmark/7",
        ],
    );
    one("", "[\"fwmark/1\", \"fwmark/4294967295\"]", &["fwmark/1", "fwmark/4294967295"]);
    let six = good(&group(
        "one",
        "address = \"2001:db8::a-c\"",
        "[\"fwmark6/1\", \"udp/53\"]",
        "2001:db8::1:1",
        "",
    ));
    let six: Vec<String> = six.virtual_servers[0].service_addresses().map(|one| one.to_string()).collect();
    assert_eq!(six, ["udp/[2001:db8::a]:53", "udp/[2001:db8::b]:53", "udp/[2001:db8::c]:53", "fwmark6/1"]);
}

#[test]
fn both_families_need_somebody_for_each() {
    let head = "address = [\"192.0.2.53\", \"2001:db8::53\"]";
    let text = group("one", head, "[\"udp/53\"]", "10.0.0.1", "");
    let second = "[[virtual_server.real_server]]\nname = \"b\"\naddress = \"2001:db8::1:1\"\n";
    good(&format!("{text}{second}"));
    good(&group("one", head, "[\"udp/53\"]", "10.0.0.1", "forwarding = \"tunnel\""));
    assert_eq!(
        bad(&text),
        [
            "1:1: real_server is missing in [[virtual_server]]; write one with an IPv6 address, or forwarding = \"tunnel\": nobody takes \
          what comes over IPv6"
        ]
    );
}

#[test]
fn what_overlaps_is_told_with_both_places() {
    for (first, second, said) in [
        (
            ("address = \"192.0.2.53\"", "[\"udp/53\"]"),
            ("address = [\"192.0.2.1\", \"192.0.2.50-60\"]", "[\"tcp/53\", \"udp/50-60\"]"),
            "14:25: udp/192.0.2.53:53 is served twice, already at holdfast.toml:4:13; remove it from one of them",
        ),
        (
            ("address = \"192.0.2.1-9\"", "[\"tcp/80\"]"),
            ("address = \"192.0.2.7-20\"", "[\"tcp/80\"]"),
            "14:11: tcp/192.0.2.7:80 (and 2 others) is served twice, already at holdfast.toml:3:11; remove it from one of them",
        ),
        (
            ("", "[\"fwmark/7\"]"),
            ("address = \"192.0.2.7\"", "[\"tcp/80\", \"fwmark/7\"]"),
            "15:23: fwmark/7 is served twice, already at holdfast.toml:4:13; remove it from one of them",
        ),
    ] {
        let text = group("one", first.0, first.1, "10.0.0.1", "")
            + &group("two", second.0, second.1, "10.0.0.1", "");
        assert_eq!(bad(&text), [said], "{text}");
    }
    // Port 0 takes what no other service takes; the kernel looks it up last.
    let persistent = "persistence = { timeout = \"5m\" }";
    good(
        &(group("one", "address = \"192.0.2.1\"", "[\"tcp/0\"]", "10.0.0.1", persistent)
            + &group("two", "address = \"192.0.2.1\"", "[\"tcp/80\"]", "10.0.0.1", "")),
    );
}

#[test]
fn bad_groups_say_what_to_write() {
    let range = |words: &str| format!("address = {words}");
    for (head, services, said) in [
        (
            range("\"192.0.2.9-3\""),
            "[\"udp/53\"]",
            "3:11: address: \"192.0.2.9-3\" ends before it begins; write the lower address first",
        ),
        (
            range("\"192.0.2.9-2001:db8::1\""),
            "[\"udp/53\"]",
            "3:11: address: \"192.0.2.9-2001:db8::1\" begins as IPv4 and ends as IPv6; write a range of each family",
        ),
        (
            range("\"10.0.0.1-10.1.0.1\""),
            "[\"udp/53\"]",
            "3:11: address: \"10.0.0.1-10.1.0.1\" has more than 4096 addresses; let the firewall mark the packets instead",
        ),
        (
            range("[\"192.0.2.1\", \"192.0.2.1\"]"),
            "[\"udp/53\"]",
            "3:25: address \"192.0.2.1\" is listed twice; remove one",
        ),
        (
            range("[\"192.0.2.1-5\", \"192.0.2.3\"]"),
            "[\"udp/53\"]",
            "3:27: 192.0.2.3 is in \"192.0.2.1-5\" and in \"192.0.2.3\"; remove it from one of them",
        ),
        (range("[]"), "[\"udp/53\"]", "3:11: address is empty; write at least one: address = \"192.0.2.53\""),
        (
            range("\"192.0.2.1-255\""),
            "[\"tcp/1-100\"]",
            "3:11: 255 addresses with 100 services each are 25500 services of the kernel, more than 4096; let the firewall mark the packets \
             and write services = [\"fwmark/1\"]",
        ),
        (
            range("\"192.0.2.1\""),
            "[\"fwmark/7\"]",
            "3:11: address has no effect where every service is a firewall mark; remove it",
        ),
        (
            String::new(),
            "[\"udp/53\"]",
            "1:1: address is missing in [[virtual_server]]; write address = \"192.0.2.53\"",
        ),
        (
            range("\"192.0.2.1\""),
            "[\"fwmark/0\"]",
            "4:13: service \"fwmark/0\": a firewall mark is a number from 1 to 4294967295; write it as in \"fwmark/1\"",
        ),
        (
            range("\"192.0.2.1\""),
            "[\"tcp/90-80\"]",
            "4:13: service \"tcp/90-80\" is no range of ports; write the lower port first",
        ),
        (
            range("\"192.0.2.1\""),
            "[\"tcp/0-80\"]",
            "4:13: service \"tcp/0-80\": port 0 is every port; write the range from 1",
        ),
        (
            range("\"192.0.2.1\""),
            "[\"tcp/80\", \"tcp/79-81\"]",
            "4:23: service \"tcp/80\" of \"tcp/79-81\" is listed before; remove it from one of them",
        ),
    ] {
        assert_eq!(bad(&group("one", &head, services, "10.0.0.1", "")), [said], "{head} {services}");
    }
    let prefix = "persistence = { timeout = \"5m\", prefix = 24 }\nforwarding = \"tunnel\"";
    let both = range("[\"192.0.2.1\", \"2001:db8::1\"]");
    assert_eq!(
        bad(&group("one", &both, "[\"udp/53\"]", "10.0.0.1", prefix)),
        [
            "5:42: prefix means another size of network for IPv4 than for IPv6, and this virtual server has both; leave it out, or make a \
          virtual server for each"
        ]
    );
    // A mark says no port to ask.
    let text = group("one", "", "[\"fwmark/7\"]", "10.0.0.1", "").replace("port = 53\n", "");
    assert_eq!(
        bad(&text),
        [
            "1:1: check.dns.port is missing in [[virtual_server]]; write the port that is probed, for nothing else says one"
        ]
    );
}
