//! Mistakes: what is said, where, and that all are said at once.

use super::{bad, good, pool, read, said, source};
use crate::config::{Mistakes, includes, parse};

#[test]
fn more_than_fifty_mistakes_in_one_run_each_in_its_place() {
    let text = include_str!("mistakes.toml");
    let mistakes = parse(&[source("mistakes.toml", text)]).unwrap_err();
    let found = mistakes.to_string();
    for (found, expected) in found.lines().zip(include_str!("mistakes.txt").lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), include_str!("mistakes.txt").lines().count());
    assert!(found.lines().count() >= 50);
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        bad("lvs = { \"grüße €\" = 1, adopt = \"x\" }\n"),
        [
            "1:1: no virtual server or router is configured; write at least one [[virtual_server]]",
            "1:9: unknown key \"grüße €\"; [lvs] knows adopt, exclusive_grace, interval, sysctls, \
             drain_deadline, timeouts and sync",
            "1:32: unknown adopt \"x\"; write \"named\" or \"exclusive\"",
        ]
    );
    let marked = format!("\u{feff}x = 1\r\n{}", pool("", "", ""));
    assert_eq!(
        bad(&marked),
        [
            "1:1: unknown key \"x\"; the top level knows include, lvs, status, checks, alert, dependency, virtual_server, failover and virtual_router"
        ]
    );
}

#[test]
fn an_empty_file_is_no_configuration() {
    for text in ["", "\n \n", "# nothing\n", "[lvs]\n"] {
        let what = if text.trim().is_empty() {
            "the configuration is empty"
        } else {
            "no virtual server or router is configured"
        };
        assert_eq!(bad(text), [format!("1:1: {what}; write at least one [[virtual_server]]")], "{text:?}");
    }
    assert!(!parse(&[]).unwrap_err().0.is_empty());
}

#[test]
fn addresses() {
    for (address, why) in [
        ("", "an address is empty; write one such as \"10.1.53.2\" or \"2001:db8::2\""),
        ("255.255.255.255", "\"255.255.255.255\" is the broadcast address; write the address of one host"),
        ("ff02::1", "\"ff02::1\" is a multicast address; write the address of one host"),
        ("::", "\"::\" is no host's address; write the one that packets go to"),
        ("0.1.2.3", "\"0.1.2.3\" is no host's address; write the one that packets go to"),
        ("::ffff:10.0.0.2", "\"::ffff:10.0.0.2\" is an IPv4 address in IPv6 form; write \"10.0.0.2\""),
        (
            "fe80::1",
            "\"fe80::1\" is link-local, and IPVS can't name the link; write a global or unique local address",
        ),
        ("fe80::1%eth0", "\"fe80::1%eth0\" names an interface, which IPVS can't; write an address without %"),
        ("10.0.0.2:53", "\"10.0.0.2:53\" has a port; write the address alone: \"10.0.0.2\""),
        ("[2001:db8::1]:53", "\"[2001:db8::1]:53\" has a port; write the address alone: \"2001:db8::1\""),
        ("[2001:db8::1]", "\"[2001:db8::1]\" has brackets; write \"2001:db8::1\""),
        (" 10.0.0.2", "\" 10.0.0.2\" has blanks around it; remove them"),
        (
            "010.0.0.2",
            "\"010.0.0.2\" has leading zeros, which some programs read as octal; write it without them",
        ),
        ("10.0.0", "\"10.0.0\" is no IP address; write one such as \"10.1.53.2\" or \"2001:db8::2\""),
        (
            "localhost",
            "\"localhost\" is no IP address; host names are not resolved, write the address itself",
        ),
    ] {
        let text = pool("", "", "").replace("192.0.2.53", address);
        assert_eq!(bad(&text), [format!("4:11: address: {why}")], "{address}");
        let text = pool("", "", "").replace("10.0.0.1", address);
        assert_eq!(bad(&text), [format!("12:11: address: {why}")], "{address}");
    }
    for address in ["127.0.0.1", "127.0.0.53"] {
        good(&pool("", "", "").replace("192.0.2.53", address));
    }
}

#[test]
fn services() {
    for (list, why) in [
        ("[]", "services is empty; write at least one: services = [\"udp/53\", \"tcp/53\"]"),
        ("\"udp/53\"", "services is a text; write a list: services = [\"udp/53\", \"tcp/53\"]"),
        ("[\"udp\"]", "service \"udp\" has no slash; write PROTOCOL/PORT, as in \"udp/53\""),
        ("[\"UDP/53\"]", "service \"UDP/53\" is in capitals; write \"udp/53\""),
        (
            "[\"udp/domain\"]",
            "service \"udp/domain\": the port is a number from 0 to 65535, not a name; write PROTOCOL/PORT, as in \"udp/53\"",
        ),
        (
            "[\"udp/65536\"]",
            "service \"udp/65536\": the port is a number from 0 to 65535; write PROTOCOL/PORT, as in \"udp/53\"",
        ),
        (
            "[\"udp/\"]",
            "service \"udp/\": the port is a number from 0 to 65535; write PROTOCOL/PORT, as in \"udp/53\"",
        ),
    ] {
        let text = pool("", "", "").replace("[\"udp/53\", \"tcp/53\"]", list);
        let Mistakes(mistakes) = read(&text).unwrap_err();
        assert_eq!(mistakes.into_iter().map(|m| m.message).collect::<Vec<_>>(), [why], "{list}");
    }
}

#[test]
fn values_that_do_not_go_together() {
    for (keys, check, real, why) in [
        (
            "one_packet = true\nforwarding = \"nat\"",
            "",
            "",
            "forwarding = \"nat\" and one_packet don't go together",
        ),
        (
            "one_packet = true",
            "",
            "forwarding = \"nat\"",
            "forwarding = \"nat\" and one_packet don't go together",
        ),
        ("", "", "port = 5353", "port has no effect with forwarding = \"direct\""),
        ("forwarding = \"tunnel\"", "", "port = 5353", "port has no effect with forwarding = \"tunnel\""),
        ("scheduler_flags = [\"sh-port\"]", "", "", "sh-port needs scheduler = \"sh\", not \"wlc\""),
        (
            "scheduler = \"mh\"\nscheduler_flags = [\"sh-port\"]",
            "",
            "",
            "sh-port needs scheduler = \"sh\", not \"mh\"",
        ),
        (
            "scheduler = \"sh\"\nscheduler_flags = [\"sh-port\", \"flag-2\"]",
            "",
            "",
            "flag-2 is set already by a flag before it",
        ),
        ("quorum = 2", "", "", "quorum = 2 can't be reached with 1 real servers"),
        ("quorum = 0", "", "", "quorum = 0 is out of range; write a whole number from 1 to 65535"),
        ("persistence = {}", "", "", "timeout is missing in persistence; write timeout = \"5m\""),
        ("persistence = { timeout = \"32d\" }", "", "", "timeout = \"32d\" is out of range; write 1s to 31d"),
        (
            "persistence = { timeout = \"5m\", prefix = 33 }",
            "",
            "",
            "prefix = 33 is out of range; write a whole number from 1 to 32",
        ),
        (
            "persistence = \"5m\"",
            "",
            "",
            "persistence is a text; write a table: persistence = { timeout = \"5m\" }",
        ),
        (
            "probe_source = \"2001:db8::1\"",
            "",
            "",
            "probe_source is an IPv6 address, but the real server 10.0.0.1",
        ),
        ("", "interval = \"49ms\"", "", "interval = \"49ms\" is out of range; write 50ms to 1h"),
        ("", "interval = \"61m\"", "", "interval = \"61m\" is out of range; write 50ms to 1h"),
        ("", "timeout = \"0s\"", "", "timeout = \"0s\" is out of range; write 1ms to 1m"),
        ("", "timeout = \"3s\"", "", "timeout = \"3s\" is longer than interval = \"2s\""),
        ("", "tries = 0", "", "tries = 0 is out of range; write a whole number from 1 to 10"),
        ("", "tries = -1", "", "tries = -1 is out of range; write a whole number from 1 to 10"),
        ("", "tries = 1_000_000_000_000_000_000_000", "", "tries = 1000000000000000000000 is out of range"),
        ("", "tries = 2.5", "", "tries is a number with a fraction; write a whole number from 1 to 10"),
        ("", "interval = 0.5", "", "interval is a number without a unit; write interval = \"0.5s\""),
        (
            "",
            "interval = true",
            "",
            "interval is true or false; write a duration in quotes: interval = \"2s\"",
        ),
        ("", "expect_rcode = []", "", "expect_rcode is empty, so no reply could pass"),
        ("", "expect_rcode = 0", "", "expect_rcode is a whole number; write a list"),
        ("", "expect_answer = \"resolve\"", "", "expect_answer: \"resolve\" is no answer of type A"),
        ("", "qtype = \"AAAAA\"", "", "unknown qtype \"AAAAA\"; did you mean \"AAAA\"?"),
        ("", "qtype = \"AXFR\"", "", "qtype: AXFR can't be asked in a check"),
        ("", "qclass = \"INN\"", "", "unknown qclass \"INN\"; did you mean \"IN\"?"),
        ("", "qclass = \"internet\"", "", "qclass: \"internet\" is no DNS class"),
        ("", "port = 0", "", "port = 0 is out of range; write a whole number from 1 to 65535"),
        (
            "min_serving = 25",
            "",
            "",
            "min_serving is a whole number; write a text in quotes: min_serving = \"25%\"",
        ),
        ("min_serving = \"25\"", "", "", "min_serving = \"25\" is no share; write \"0%\" to \"100%\""),
        ("min_serving = \"-1%\"", "", "", "min_serving = \"-1%\" is no share"),
        ("min_serving = \"101%\"", "", "", "min_serving = \"101%\" is no share"),
        ("min_serving = \"%\"", "", "", "min_serving = \"%\" is no share"),
        ("sorry_server = \"10.0.0.9\"", "", "", "sorry_server is a text; write a table: sorry_server = {"),
        (
            "sorry_server = { address = \"2001:db8::1\" }",
            "",
            "",
            "2001:db8::1 is an IPv6 address, and the virtual",
        ),
        ("sorry_server = { address = \"10.0.0.9\", port = 1 }", "", "", "port has no effect here without"),
        (
            "sorry_server = [{ address = \"10.0.0.9\" }, { address = \"10.0.0.8\" }]",
            "",
            "",
            "there are two sorry servers of one address family; remove one",
        ),
        ("max_ejected = \"half\"", "", "", "max_ejected = \"half\" is no share; write \"0%\" to \"100%\""),
        (
            "degraded_weight = \"0%\"",
            "",
            "",
            "degraded_weight = \"0%\" is no share; write \"1%\" to \"100%\"",
        ),
        ("ejection_rate = { servers = 2 }", "", "", "per is missing in ejection_rate; write per = \"10s\""),
        ("slow_start = \"2h\"", "", "", "slow_start = \"2h\" is out of range"),
        ("quorum_hysteresis = 1", "", "", "quorum_hysteresis = 1 is not below quorum = 1"),
        (
            "parent = \"router\"",
            "",
            "",
            "there is no dependency \"router\"; write a [[dependency]] of that name",
        ),
        (
            "weight = 1",
            "",
            "",
            "weight has no place in [[virtual_server]]; it belongs in [[virtual_server.real_server]]",
        ),
        ("", "", "address = \"10.0.0.2\"", "address is set twice here; keep one of them"),
    ] {
        let said = said(keys, check, real);
        assert_eq!(said.len(), 1, "{keys} {check} {real}: {said:#?}");
        assert!(said.iter().all(|one| one.starts_with(why)), "{keys} {check} {real}: {said:#?}");
    }
}

#[test]
fn one_packet_needs_udp() {
    let text = pool("one_packet = true", "", "").replace("\"udp/53\", ", "");
    assert_eq!(
        bad(&text),
        ["6:14: one_packet needs a UDP service; remove it or add one, as in services = [\"udp/53\"]"]
    );
}

#[test]
fn doubles_across_files() {
    let first = source("a.toml", &pool("", "", ""));
    let second = source("b.toml", &format!("[lvs]\n{}", pool("", "", "")));
    let third = source("c.toml", "[lvs]\n");
    assert_eq!(
        parse(&[first, second, third]).unwrap_err().to_string(),
        "b.toml:4:8: the name \"resolver\" is taken by the virtual server at a.toml:3:8; give each its own\n\
         b.toml:6:13: udp/192.0.2.53:53 is served twice, already at a.toml:5:13; remove it from one of them\n\
         b.toml:6:23: tcp/192.0.2.53:53 is served twice, already at a.toml:5:23; remove it from one of them\n\
         c.toml:1:1: [lvs] is there already, at b.toml:1:1; put all its keys into one"
    );
}

#[test]
fn two_real_servers_with_one_destination() {
    let second = |port: &str| {
        let first = "forwarding = \"nat\"\nport = 53\n[[virtual_server.real_server]]\nname = \"dns2\"\naddress = \"10.0.0.1\"";
        pool("", "", &format!("{first}\nforwarding = \"nat\"\n{port}"))
    };
    let double = "17:11: address 10.0.0.1 is in this pool twice, already at 12:11";
    for port in ["", "port = 53"] {
        let said = bad(&second(port));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said.iter().all(|one| one.replace("holdfast.toml:", "").starts_with(double)), "{said:?}");
    }
    good(&second("port = 5353"));
}

#[test]
fn broken_syntax_does_not_hide_what_follows() {
    let text = "[lvs]\nadopt\ninterval = 2s\nadopt =\n\n[[virtual_server]\nname = \"a\nwrong = 1\n";
    assert_eq!(
        bad(text),
        [
            "2:6: this key has no value; write key = value",
            "3:12: a text stands in quotes; write \"2s\"",
            "4:8: a value is missing after =",
            "6:18: the closing ]] of this header is missing",
            "7:10: the closing quote \" is missing",
            "8:1: unknown key \"wrong\"; [[virtual_server]] knows name, address, services, forwarding, tunnel, scheduler, \
             scheduler_flags, one_packet, persistence, quorum, quorum_hysteresis, min_serving, max_ejected, ejection_rate, slow_start, degraded_weight, sorry_server, probe_source, probe_interface, probe_mark, probe_dscp, parent, check and real_server",
        ]
    );
    assert_eq!(
        bad("[lvs]\nadopt = \"named\"\nadopt = \"named\"\n[lvs]\n"),
        ["3:1: adopt is set twice here; keep one of them", "4:2: lvs is set twice here; keep one of them"],
        "what a broken table may have hidden is not complained of"
    );
}

#[test]
fn repaired_headers_leave_every_place_as_it_is() {
    for (header, column) in
        [("[[virtual_server", 17), ("[[virtual_server]", 18), ("[[virtual_server] # remark", 18)]
    {
        let text = format!("[lvs\nadopt = 1\n{header}\nname = 1\naddress = \"x\"\n[lvs2]\nx\n  [z\n");
        assert_eq!(
            bad(&text),
            [
                "1:5: the closing ] of this header is missing".to_owned(),
                "2:9: adopt is a whole number; write a text in quotes: adopt = \"named\"".to_owned(),
                format!("3:{column}: the closing ]] of this header is missing"),
                "4:8: name is a whole number; write a text in quotes: name = \"resolver\"".to_owned(),
                "5:11: address: \"x\" is no IP address; host names are not resolved, write the address itself".to_owned(),
                "6:2: unknown key \"lvs2\"; did you mean \"lvs\"?".to_owned(),
                "7:2: this key has no value; write key = value".to_owned(),
                "8:5: the closing ] of this header is missing".to_owned(),
            ]
        );
    }
}

#[test]
fn tables_of_the_wrong_shape() {
    let text = pool("", "", "").replace("[[virtual_server.real_server]]", "[virtual_server.real_server]");
    assert_eq!(
        bad(&text),
        ["10:1: real_server is a single table; write [[virtual_server.real_server]] with double brackets"]
    );
    let text = pool("", "", "").replace("[virtual_server.check.dns]", "[[virtual_server.check]]");
    assert_eq!(
        bad(&text),
        [
            "7:1: check is a list; write a table: [virtual_server.check.dns], with single brackets and only once"
        ]
    );
    assert_eq!(
        bad("virtual_server = 5\n"),
        ["1:18: virtual_server is a whole number; write [[virtual_server]] for each"]
    );
    assert_eq!(
        bad("virtual_server = [5]\n"),
        ["1:19: virtual_server holds a whole number; write [[virtual_server]]"]
    );
    assert_eq!(
        bad("virtual_server = []\n"),
        ["1:18: virtual_server is empty; write [[virtual_server]] for each"]
    );
}

#[test]
fn include_patterns() {
    let main = |list: &str| source("holdfast.toml", &format!("include = {list}\n{}", pool("", "", "")));
    let found = includes(&main("[\"conf.d/*.toml\", \"/etc/x.toml\"]")).unwrap();
    assert_eq!(
        found.iter().map(|one| one.pattern.as_str()).collect::<Vec<_>>(),
        ["conf.d/*.toml", "/etc/x.toml"]
    );
    assert_eq!(found.iter().map(|one| (one.line, one.column)).collect::<Vec<_>>(), [(1, 12), (1, 29)]);
    for (list, why) in [
        ("\"conf.d/*.toml\"", "1:11: include is a text; write a list: include = [\"conf.d/*.toml\"]"),
        ("[1]", "1:12: include holds a whole number; write texts in quotes: include = [\"conf.d/*.toml\"]"),
        ("[\"\"]", "1:12: include \"\" names no file; write one such as \"conf.d/*.toml\""),
        ("[\"conf.d/\"]", "1:12: include \"conf.d/\" names no file; write one such as \"conf.d/*.toml\""),
        (
            "[\"*/x.toml\"]",
            "1:12: include \"*/x.toml\" has a wildcard in a folder's name; only the last part may have one",
        ),
        ("[\"[ab].toml\"]", "1:12: include \"[ab].toml\": the only wildcards are * and ?"),
    ] {
        let mistakes = includes(&main(list)).unwrap_err();
        assert_eq!(mistakes.to_string(), format!("holdfast.toml:{why}"));
        assert_eq!(parse(&[main(list)]).unwrap_err(), mistakes, "parse says the same");
    }
    assert_eq!(includes(&source("holdfast.toml", "nonsense")).unwrap(), []);
}

#[test]
fn what_is_shown_is_cut_and_escaped() {
    let long = pool("", "", "").replace("192.0.2.53", &"9".repeat(100_000));
    assert!(bad(&long).iter().all(|one| one.len() < 300));
    let control = pool("", "", "").replace("192.0.2.53", "\\u001b[31m\\nholdfast.toml:1:1: forged");
    assert!(bad(&control).iter().all(|one| !one.contains(['\u{1b}', '\n'])), "{:?}", bad(&control));
}
