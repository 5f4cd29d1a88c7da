use agent_api::config::{Source, parse};

use super::*;

fn config() -> Config {
    let pool = |name: &str, address: &str, servers: &[&str]| {
        let servers: String = servers
            .iter()
            .enumerate()
            .map(|(n, server)| {
                format!(
                    "[[virtual_server.real_server]]\nname = \"{server}\"\naddress = \"10.0.0.{}\"\n",
                    n + 1
                )
            })
            .collect();
        format!(
            "[[virtual_server]]\nname = \"{name}\"\naddress = \"{address}\"\nservices = [\"udp/53\"]\n[virtual_server.check.dns]\nqname = \"a.test\"\n{servers}"
        )
    };
    let text = pool("resolver", "192.0.2.1", &["dns1", "dns2"])
        + &pool("authority", "192.0.2.2", &["dns1", "auth-east"]);
    parse(&[Source { path: "t".into(), text }]).unwrap()
}

fn target(text: &str) -> DrainTarget {
    match text.split_once('/') {
        Some((pool, server)) => {
            DrainTarget { virtual_server: Some(pool.parse().unwrap()), real_server: server.parse().unwrap() }
        }
        None => DrainTarget { virtual_server: None, real_server: text.parse().unwrap() },
    }
}

#[test]
fn targets_must_be_configured_and_near_ones_are_named() {
    let config = config();
    for known in ["dns1", "auth-east", "resolver/dns2", "authority/dns1"] {
        assert_eq!(see_configured(&config, &target(known)), Ok(()), "{known}");
    }
    for (unknown, near) in [
        ("dsn1", Some("dns1")),
        ("auth-esat", Some("auth-east")),
        ("mailhub", None),
        ("resovler/dns1", Some("resolver/dns1")),
        ("resolver/dsn2", Some("resolver/dns2")),
        ("resolver/auth-east", None),
        ("nowhere/dns1", None),
    ] {
        let suggestion = near.map(str::to_owned);
        let error = AgentError::NoSuchRealServer { target: unknown.into(), suggestion };
        assert_eq!(see_configured(&config, &target(unknown)), Err(error), "{unknown}");
    }
}

#[test]
fn only_what_is_drained_can_be_undrained() {
    let config = config();
    let drain = |text: &str| Drain {
        target: target(text),
        who: "root".into(),
        why: String::new(),
        since: Timestamp::UNIX_EPOCH,
        until: None,
    };
    let drains = vec![drain("dns1"), drain("resolver/dns2"), drain("gone/old")];
    let orders = Orders { drains, ..Orders::default() };
    for drained in ["dns1", "dns2", "resolver/dns2", "old", "gone/old"] {
        assert_eq!(see_drained(&config, &orders, &target(drained)), Ok(()), "{drained}");
    }
    let text = |name: &str| see_drained(&config, &orders, &target(name)).unwrap_err().to_string();
    assert_eq!(text("auth-east"), "auth-east is not drained");
    assert_eq!(text("authority/dns2"), "authority/dns2 is not drained");
    assert_eq!(text("dsn2"), "no real server dsn2 is configured; did you mean dns2?");
    assert!(text("resolver/dns1").contains("undrain dns1"), "{}", text("resolver/dns1"));
}

#[test]
fn reasons_and_times_have_limits() {
    assert_eq!(reason(" kernel\nupdate\t\u{1b}[0m "), Ok("kernel update  [0m".into()));
    assert_eq!(reason(&"ü".repeat(500)), Ok("ü".repeat(500)));
    assert!(reason(&"ü".repeat(501)).unwrap_err().to_string().contains("501 characters"));
    let since = "2026-11-21T00:00:00Z".parse().unwrap();
    assert_eq!(end(since, 90), Ok("2026-11-21T00:01:30Z".parse().unwrap()));
    for seconds in [0, LONGEST + 1, u64::MAX] {
        assert!(end(since, seconds).is_err(), "{seconds}");
    }
    assert!(end(Timestamp::MAX, 1).is_err());
}
