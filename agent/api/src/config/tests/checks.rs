//! Checks: what their keys mean, what a real server overlays, and what is said of wrong ones.

use std::time::Duration;

use crate::config::Check;
use checker_core::dns::{Rcode, Transport};

use super::{bad, checked, good, only, pool, source};
use crate::config::{CheckKind, Rhythm, parse};

#[test]
fn every_key_of_a_check_is_read_and_overlaid() {
    use checker_core::dns::{Edns, Empty, Fit};
    let check = "qtype = \"A\"\nrecursion = false\nchecking_disabled = true\nauthentic_data = true\nmixed_case = true\n\
         edns_size = 4096\ndnssec_ok = true\ncookie = true\nclient_subnet = \"192.0.2.0/24\"\npadding = 128\n\
         forbid_rcode = \"SERVFAIL\"\nexpect_match = \"^192\"\nexpect_network = [\"192.0.2.0/24\"]\nexpect_fit = \"all\"\n\
         answer_count = \"1..2\"\nanswer_ttl = \"5..\"\nexpect_authority = \"NS ns1.test\"\n\
         expect_additional = \"A 192.0.2.1\"\nexpect_flags = [\"aa\", \"ra\"]\nforbid_flags = \"tc\"\n\
         min_serial = 4294967295\nsignatures_last = \"1d\"\nsignatures_warn = \"3d\"\n\
         trust_anchor = \"test DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\"\nexpect_nsid = \"ns1\"\n\
         zone_expiry = \"1h\"\nlatency_warn = \"10ms\"\nlatency_max = \"20ms\"\ntry_timeout = \"100ms\"\n\
         transport = \"udp+tcp\"\n";
    let text = pool("", check, "[virtual_server.real_server.check.dns]\nexpect_fit = \"exact\"");
    let config = good(&text.replace("\"resolve.test\"", "\"{rand}.test\""));
    let dns = &only(&config).1.checks[0].dns().unwrap();
    assert_eq!(dns.question.to_string(), "{rand}.test A");
    let ask = &dns.ask;
    assert!(!ask.recursion_desired && ask.checking_disabled && ask.authentic_data && ask.mixed_case);
    let Edns { size, dnssec_ok, nsid, expire, cookie, subnet, padding, .. } = ask.edns.clone().unwrap();
    assert!(dnssec_ok && nsid && expire && cookie && subnet.is_some() && padding.is_some() && size == 4096);
    let expect = &dns.expect;
    assert_eq!(expect.anchors.iter().map(|anchor| anchor.zone().to_string()).collect::<Vec<_>>(), ["test"]);
    assert!(!expect.admits(Rcode::SERVFAIL));
    assert_eq!((expect.answer.wanted.len(), expect.answer.fit), (2, Fit::Exact));
    assert!(expect.answer.count.is_some() && expect.answer.ttl.is_some());
    assert_eq!((expect.authority.wanted.len(), expect.additional.wanted.len()), (1, 1));
    assert_eq!((expect.flags.to_string(), expect.forbidden_flags.to_string()), ("aa ra".into(), "tc".into()));
    assert_eq!((expect.serial, expect.expire), (Some(u32::MAX), Some(3_600)));
    assert_eq!(expect.signatures.map(|s| (s.must_last, s.should_last)), Some((86_400, 259_200)));
    assert!(expect.nsid.is_some() && expect.latency.should.is_some() && expect.latency.must.is_some());
    assert_eq!(dns.spacing(), Duration::from_millis(100));
    assert!(dns.tcp_too);

    let config = good(&pool("", "expect_empty = \"expected\"\nedns = true", ""));
    let dns = &only(&config).1.checks[0].dns().unwrap();
    assert_eq!((dns.expect.empty, &dns.ask.edns), (Empty::Expected, &Some(Edns::default())));
    for (check, said) in [
        ("expect_match = \"(\"", "expect_match: \"(\" is no regular expression"),
        ("expect_network = \"x\"", "expect_network: \"x\" is no network"),
        (
            "expect_fit = \"most\"",
            "expect_fit = \"most\" is unknown; write one of \"any\", \"all\", \"exact\"",
        ),
        ("answer_count = \"4..2\"", "answer_count: \"4..2\" is no range"),
        ("expect_authority = \"ns1.test\"", "expect_authority: \"ns1.test\" is no record"),
        ("trust_anchor = \"test DS 1 2\"", "trust_anchor: the data of the trust anchor: it ends where"),
        (
            "qclass = \"CH\"\ntrust_anchor = \"test DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\"",
            "only names of class IN are signed",
        ),
        ("expect_flags = \"qr\"", "expect_flags: \"qr\" is no flag"),
        ("latency_warn = \"2s\"\nlatency_max = \"1s\"", "latency_warn is not below latency_max"),
        ("expect_empty = \"passes\"\nexpect_match = \"x\"", "expect_empty does not go with expected answers"),
    ] {
        let mistakes = bad(&pool("", check, ""));
        assert!(mistakes.len() == 1 && mistakes[0].contains(said), "{check}: {mistakes:?}");
    }
}

#[test]
fn every_key_of_a_rhythm() {
    let more = "interval = \"4s\"\nfast_interval = \"500ms\"\ndown_interval = \"1m\"\ninitial = \"up\"\ndamping = \"10m\"";
    let config = good(&pool("", more, ""));
    let expected = Rhythm {
        interval: Duration::from_secs(4),
        fast_interval: Some(Duration::from_millis(500)),
        down_interval: Some(Duration::from_secs(60)),
        initial: crate::Verdict::Up,
        damping: Duration::from_secs(600),
        ..Rhythm::default()
    };
    let check = &only(&config).1.checks[0];
    assert_eq!((check.rhythm, check.kind.timeout().get()), (expected, Duration::from_secs(1)));
    // The timeout fits into the interval. A probe is repeated no sooner than it has ended, so the fast one may be as short as it likes.
    let check =
        &only(&good(&pool("", "interval = \"200ms\"\nfast_interval = \"20ms\"", ""))).1.checks[0].clone();
    let seen = (check.rhythm.fast_interval, check.kind.timeout().get());
    assert_eq!(seen, (Some(Duration::from_millis(20)), Duration::from_millis(200)));
}

#[test]
fn other_kinds_of_checks() {
    let config = good(&checked("check.tcp = { expect = \"220 \", send = \"QUIT\\r\\n\", timeout = \"1s\" }"));
    let check = &only(&config).1.checks[0];
    assert_eq!(check.target, "10.0.0.1:25".parse().unwrap());
    let CheckKind::Talk(talk) = &check.kind else { panic!("{check:?}") };
    assert_eq!(talk.to_string(), "connects over tcp, sends \"QUIT\\r\\n\", expects \"220 \"");

    let config = good(&checked("check.udp = { send = \"x\", silence_passes = true, port = 53 }"));
    let check = &only(&config).1.checks[0];
    assert_eq!(check.target, "10.0.0.1:53".parse().unwrap());
    assert!(
        matches!(&check.kind, CheckKind::Talk(talk) if talk.silence_passes && talk.transport == Transport::Udp)
    );

    let config = good(&checked(
        "check.exec = { command = [\"/c\", \"{address}:{port}\", \"{name}\", \"awk {print}\"], exit_codes = \"plugin\" }",
    ).replace("{print}", "{ print }"));
    let CheckKind::Exec(exec) = &only(&config).1.checks[0].kind else { panic!("{config:?}") };
    assert_eq!(exec.command, ["/c", "10.0.0.1:25", "a", "awk { print }"]);

    // A real server's check of another kind stands alone.
    let both = checked("check.dns.qname = \"a.test\"") + "\ncheck.tcp.rise = 7";
    let check = &only(&good(&both)).1.checks[0].clone();
    assert!(matches!(&check.kind, CheckKind::Talk(_)) && check.rhythm.rise == 7);
}

#[test]
fn several_checks_of_one_real_server() {
    let base = "check = { require = \"any\", dns = [{ qname = \"a.test\" }, { name = \"zone\", qname = \"b.test\", rise = 5 }], \
                tcp = { advisory = true, port = 8053 } }";
    let shown = |own: &str| {
        let config = good(&(checked(base) + own));
        let server = only(&config).1;
        let one = |check: &Check| {
            let asked = check.dns().map_or_else(|| "tcp".to_owned(), |dns| dns.question.to_string());
            let advisory = if check.advisory { " advisory" } else { "" };
            format!("{}: {asked} at {} rise {}{advisory}", check.name, check.target.port(), check.rhythm.rise)
        };
        (server.require, server.checks.iter().map(one).collect::<Vec<_>>())
    };
    let (dns, zone) = ("dns: a.test A at 25 rise 2".to_owned(), "zone: b.test A at 25 rise 5".to_owned());
    let tcp = "tcp: tcp at 8053 rise 2 advisory".to_owned();
    assert_eq!(shown(""), (1, vec![dns.clone(), zone.clone(), tcp.clone()]));
    // A real server overlays those that it names, and may ask for more of them.
    let own = "\ncheck = { require = 2, dns = { name = \"zone\", qname = \"c.test\" } }";
    assert_eq!(shown(own), (2, vec![dns.clone(), "zone: c.test A at 25 rise 5".to_owned(), tcp.clone()]));
    let own = "\ncheck = { tcp = { advisory = false } }\n";
    assert_eq!(shown(own), (1, vec![dns.clone(), zone, "tcp: tcp at 8053 rise 2".to_owned()]));
    // One that has another name makes its list its own; the default is all.
    let own = "\ncheck = { dns = [{}, { name = \"mine\", qname = \"d.test\" }] }";
    assert_eq!(shown(own), (2, vec![dns, "mine: d.test A at 25 rise 2".to_owned()]));
}

#[test]
fn a_check_without_a_question() {
    let text = pool("", "", "").replace("qname = \"resolve.test\"", "qtype = \"A\"");
    let missing =
        "qname is missing in [virtual_server.check.dns]; write the name to ask for: qname = \"resolve.test\"";
    assert_eq!(bad(&text), [format!("7:1: {missing}")]);
    // Said once, however many real servers inherit it, and where the virtual server has its check.
    let second = "[virtual_server.real_server.check.dns]\nrise = 1\n[[virtual_server.real_server]]\nname = \"dns2\"\naddress = \"10.0.0.2\"";
    let text = pool("", "", second).replace("qname = \"resolve.test\"", "qtype = \"A\"");
    assert_eq!(bad(&text), [format!("7:1: {missing}")]);
    // Not at all when each has its own.
    let own = "[virtual_server.real_server.check.dns]\nqname = \"own.test\"";
    good(&pool("", "", own).replace("qname = \"resolve.test\"\n", "\n"));
}

#[test]
fn an_inherited_mistake_is_said_once() {
    let second = "[[virtual_server.real_server]]\nname = \"dns2\"\naddress = \"10.0.0.2\"";
    let check = "expect_answer = [\"x\"]\ntimeout = \"3s\"";
    assert_eq!(bad(&pool("", check, second)).len(), 2, "{:?}", bad(&pool("", check, second)));
}

#[test]
fn mistakes_of_other_kinds() {
    for (check, why) in [
        (
            "{ tcp = [{}, {}] }",
            "another check is called \"tcp\" already, at test.toml:5:18; give each its own: name = \"zone\"",
        ),
        (
            "{ tcp = {}, udp = { send = \"x\", name = \"tcp\" } }",
            "another check is called \"tcp\" already, at test.toml:5:17; give each its own: name = \"zone\"",
        ),
        (
            "{ require = 2, tcp = {} }",
            "require = 2 can't be reached with 1 checks that count; write 1 to 1, \"all\" or \"any\"",
        ),
        (
            "{ require = \"some\", tcp = {} }",
            "unknown require \"some\"; write \"all\" and \"any\", or a number from 1 to 8 without quotes",
        ),
        (
            "{ tcp = { advisory = true } }",
            "every check is advisory, so nothing could take a real server out; leave at least one of them as it is",
        ),
        (
            "{ require = \"all\" }",
            "dns is missing in [virtual_server.check]; write [virtual_server.check.dns]",
        ),
        (
            "{ udp = {} }",
            "send is missing in [virtual_server.check.udp]; write what the server answers to: send = \"ping\"",
        ),
        (
            "{ udp = { send = \"x\", expect = \"y\", silence_passes = true } }",
            "expect and silence_passes = true don't go together; remove one of them",
        ),
        (
            "{ exec = { command = [] } }",
            "command is empty; write the program's absolute path and its arguments",
        ),
        (
            "{ exec = { command = [\"check_dig\"] } }",
            "command begins with \"check_dig\"; write the program's absolute path, there is no shell",
        ),
        (
            "{ exec = { command = [\"/c\", \"{adress}\"] } }",
            "unknown placeholder \"{adress}\"; there are {address}, {port} and {name}",
        ),
        (
            "{ exec = { command = [\"/c\"], exit_codes = \"plugins\" } }",
            "unknown exit_codes \"plugins\"; did you mean \"plugin\"?",
        ),
        (
            "{ tcp = { interval = \"1s\", fast_interval = \"2s\" } }",
            "fast_interval = \"2s\" is longer than interval = \"1s\"; write a shorter one",
        ),
        (
            "{ tcp = { interval = \"10s\", down_interval = \"5s\" } }",
            "down_interval = \"5s\" is shorter than interval = \"10s\"; write a longer one",
        ),
        ("{ tcp = { initial = \"upp\" } }", "unknown initial \"upp\"; did you mean \"up\"?"),
    ] {
        let text = format!(
            "[[virtual_server]]\nname = \"p\"\naddress = \"10.0.0.9\"\nservices = [\"tcp/25\"]\ncheck = {check}\n\
             [[virtual_server.real_server]]\nname = \"a\"\naddress = \"10.0.0.1\""
        );
        let mistakes = parse(&[source("test.toml", &text)]).unwrap_err().0;
        assert_eq!(mistakes.iter().map(|m| m.message.as_str()).collect::<Vec<_>>(), [why], "{check}");
    }
}

#[test]
fn dns_over_tls_has_keys_of_its_own() {
    use std::path::PathBuf;

    use checker_core::dns::{DohMethod, HttpVersion};
    use checker_core::tls::Trust;

    let dns = |keys: &str| {
        let config = good(&pool("", keys, ""));
        let check = &only(&config).1.checks[0];
        match &check.kind {
            CheckKind::Dns(dns) => (check.target.port(), dns.as_ref().clone()),
            other => panic!("{other:?}"),
        }
    };
    let (port, check) = dns("transport = \"dot\"");
    assert_eq!((port, check.port, check.transport), (853, 853, Transport::Tls));
    assert_eq!(check.secure.unwrap().tls.trust, Trust::System);
    let (port, check) = dns(
        "transport = \"doh\"\ndoh_path = \"/q{?dns}\"\ndoh_method = \"GET\"\nhttp_version = \"2\"\nca = \"/ca.pem\"\n\
         tls_name = \"dns.test\"\ncertificate_warn = \"14d\"\nclient_certificate = \"/c.pem\"\nclient_key = \"/c.key\"",
    );
    let secure = check.secure.unwrap();
    assert_eq!((port, secure.doh.path.as_str(), secure.doh.method), (443, "/q", DohMethod::Get));
    assert_eq!(secure.doh.version, Some(HttpVersion::Http2));
    assert_eq!(secure.tls.trust, Trust::File(PathBuf::from("/ca.pem")));
    assert_eq!(secure.tls.name.unwrap().as_str(), "dns.test");
    assert_eq!(secure.tls.expiry_warn, Some(Duration::from_secs(14 * 86_400)));
    let pin = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for (keys, trust) in [
        ("", Trust::Unverified),
        ("verify = true", Trust::System),
        ("ca = \"/ca.pem\"", Trust::File(PathBuf::from("/ca.pem"))),
    ] {
        let (port, check) = dns(&format!("transport = \"doq\"\nport = 8853\npin = \"{pin}\"\n{keys}"));
        let tls = check.secure.unwrap().tls;
        assert_eq!((port, tls.pins.len(), tls.trust), (8853, 1, trust));
    }
    for (keys, message) in [
        (
            "ca = \"/ca.pem\"",
            "ca has no effect without TLS; remove it, or write transport = \"dot\", \"doh\" or \"doq\"",
        ),
        (
            "transport = \"dot\"\ndoh_path = \"/x\"",
            "doh_path has no effect without transport = \"doh\"; remove it",
        ),
        ("transport = \"doh\"\ndoh_path = \"x\"", "doh_path: \"x\" is no path: write one such as /dns-query"),
        (
            "transport = \"dot\"\nca = \"ca.pem\"",
            "ca = \"ca.pem\" is no absolute path; write one that begins with /",
        ),
        (
            "transport = \"dot\"\nca = \"/ca.pem\"\nverify = false",
            "ca and verify = false don't go together; remove one of them",
        ),
        (
            "transport = \"dot\"\npin = \"abc\"",
            "pin: \"abc\" is no pin: write the SHA-256 of the public key in base64 (44 characters) or hex (64 digits)",
        ),
        (
            "transport = \"dot\"\nclient_key = \"/k\"",
            "client_key needs its certificate; write client_certificate = \"/path/to/certificate.pem\"",
        ),
        ("transport = \"dott\"", "unknown transport \"dott\"; did you mean \"dot\"?"),
    ] {
        let mistakes = bad(&pool("", keys, "")).join("\n");
        assert!(mistakes.contains(message), "{keys}: {mistakes}");
    }
}

#[test]
fn a_check_may_go_to_another_address_than_its_real_server() {
    let base = checked("check.tcp.port = 1");
    let checks = |keys: &str| -> Vec<String> {
        let text = format!("{base}\n{keys}");
        only(&good(&text)).1.checks.iter().map(|check| check.target.to_string()).collect()
    };
    assert_eq!(checks(""), ["10.0.0.1:1"]);
    assert_eq!(checks("check.tcp.address = \"10.9.9.9\""), ["10.9.9.9:1"]);
    assert_eq!(
        checks("check.ping = {}\ncheck.tcp = { port = 2, address = \"2001:db8::9\" }"),
        ["[2001:db8::9]:2", "10.0.0.1:0"]
    );
    // What a program is told is its real server all the same, and it has no such key.
    for kind in ["exec = { command = [\"/c\"], ADDRESS }", "file = { path = \"/f\", ADDRESS }"] {
        let mistakes = bad(&format!("{base}\ncheck.{}", kind.replace("ADDRESS", "address = \"10.9.9.9\"")));
        assert!(mistakes.len() == 1 && mistakes[0].contains("address has no place in"), "{mistakes:?}");
    }
    let wrong = |base: &str, keys: &str, what: &str| {
        let mistakes = bad(&format!("{base}\n{keys}"));
        assert!(mistakes.len() == 1 && mistakes[0].contains(what), "{mistakes:?}");
    };
    wrong(
        &checked("check.tcp = { port = 1, address = \"10.9.9.9\" }"),
        "",
        "one machine would speak for all real servers",
    );
    wrong(&base, "check.tcp.address = \"web\"", "\"web\" is no IP address");
    let source = "probe_source = \"10.0.0.9\"\ncheck.tcp.address = \"2001:db8::9\"";
    wrong(
        &base,
        source,
        "2001:db8::9 is an IPv6 address, but probe_source is an IPv4 one; write one of that family",
    );
}

#[test]
fn a_check_may_come_from_a_port_of_its_own() {
    let base = checked("check.tcp = { port = 1, source_port = 2000 }");
    let ports = |keys: &str| -> Vec<Option<u16>> {
        let text = format!("{base}\n{keys}");
        only(&good(&text)).1.checks.iter().map(|check| check.marks.port).collect()
    };
    assert_eq!(ports(""), [Some(2_000)]);
    assert_eq!(ports("check.tcp.source_port = 3000\nprobe_dscp = 46"), [Some(3_000)]);
    assert_eq!(ports("check.https = {}"), [None]);
    for (check, what) in [
        (
            "check.tcp.source_port = 80",
            "source_port = 80 is out of range; write a whole number from 1024 to 65535",
        ),
        ("check.dns.source_port = 2000", "source_port has no place in [virtual_server.check.dns]"),
    ] {
        let mistakes = bad(&checked(check));
        assert!(mistakes.iter().any(|mistake| mistake.contains(what)), "{mistakes:?}");
    }
}
