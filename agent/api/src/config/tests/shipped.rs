//! What is shipped and shown: the example and the reference name every key, and what they show is good.

use super::{EXAMPLE, good};

#[test]
fn the_example_is_a_good_file() {
    let config = good(EXAMPLE);
    let names: Vec<String> =
        config.real_servers().map(|(pool, server)| pool.id_of(server).to_string()).collect();
    assert_eq!(names, ["resolver/dns1", "resolver/dns2"]);
    assert!(config.virtual_server(&"resolver".parse().unwrap()).is_some());
    assert!(config.virtual_server(&"dns1".parse().unwrap()).is_none());
}

/// Keys in the example's comments that are no defaults, but stand for something that is absent otherwise.
const NO_DEFAULTS: &[&str] = &[
    "doh_path",
    "doh_method",
    "http_version",
    "tls_name",
    "ca",
    "verify",
    "pin",
    "client_certificate",
    "client_key",
    "certificate_warn",
    "certificate",
    "key",
    "users",
    "peer",
    "name",
    "address",
    "check.tcp",
    "require",
    "qname",
    "advisory",
    "ejection_rate",
    "sorry_server",
    "parent",
    "sentinels",
    "drain_deadline",
    "timeouts",
    "sync",
    "try_timeout",
    "persistence",
    "expect_answer",
    "expect_match",
    "expect_network",
    "answer_count",
    "answer_ttl",
    "forbid_rcode",
    "expect_authority",
    "expect_additional",
    "expect_flags",
    "forbid_flags",
    "min_serial",
    "signatures_last",
    "signatures_warn",
    "trust_anchor",
    "zone_expiry",
    "expect_nsid",
    "latency_warn",
    "latency_max",
    "edns_size",
    "client_subnet",
    "padding",
    "probe_source",
    "probe_interface",
    "probe_mark",
    "probe_dscp",
    "fast_interval",
    "down_interval",
    "send",
    "send_hex",
    "source_port",
    "secret",
    "expect",
    "expect_hex",
    "expect_at",
    "reply_length",
    "silence_passes",
    "tls",
    "url",
    "path",
    "method",
    "host",
    "header",
    "body",
    "connect_timeout",
    "redirects",
    "body_max",
    "expect_status",
    "expect_header",
    "expect_body",
    "forbid_body",
    "body_range",
    "digest",
    "count",
    "min_replies",
    "good_replies",
    "size",
    "security",
    "numbers",
    "factor",
    "missing",
    "max_age",
    "stale",
    "user",
    "group",
    "max_memory",
    "max_cpu",
    "max_files",
    "max_processes",
    "command",
    "exit_codes",
    "ca",
    "credential",
    "hello",
    "sendmail",
    "time_zone",
    "quiet_hours",
    "peers",
];

#[test]
fn what_the_example_calls_defaults_are_defaults() {
    let mut uncommented = 0;
    let mut in_real_server = false;
    let text: Vec<String> = EXAMPLE
        .lines()
        .map(|line| {
            in_real_server |= line.contains("[[virtual_server.real_server]]");
            let Some((key, _)) = line.trim_start().strip_prefix("# ").and_then(|rest| rest.split_once(" = "))
            else {
                return line.to_owned();
            };
            let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if !is_key || NO_DEFAULTS.contains(&key) || (in_real_server && key == "port") {
                return line.to_owned();
            }
            uncommented += 1;
            line.replacen("# ", "", 1)
        })
        .collect();
    assert_eq!(uncommented, 53, "keys in comments");
    assert_eq!(good(&text.join("\n")).digest, good(EXAMPLE).digest);
}

#[test]
fn the_example_names_every_key() {
    for kind in crate::config::keys::ALL.into_iter().chain(crate::config::keys::ROUTER) {
        for key in kind.keys {
            let named = EXAMPLE.lines().any(|line| {
                let line = line.trim_start().trim_start_matches("# ").trim_start();
                line.split_once(" = ").is_some_and(|(name, _)| name == *key)
                    || line.contains(&format!("{{ {key} = "))
                    || line.contains(&format!(", {key} = "))
                    || line.starts_with('[') && line.contains(key)
            });
            assert!(named, "{key} of {}", kind.header);
        }
    }
}

#[test]
fn the_virtual_routers_of_the_example_are_good() {
    let routers = EXAMPLE.lines().skip_while(|line| !line.starts_with("[failover]"));
    let shown: Vec<&str> = routers.filter_map(|line| line.strip_prefix("#   ")).collect();
    let servers = EXAMPLE.split_once("# --- Virtual routers").map_or("", |(servers, _)| servers);
    let config = good(&format!("{servers}\n{}", shown.join("\n")));
    let names: Vec<&str> = config.virtual_routers.iter().map(|router| router.name.as_str()).collect();
    assert_eq!(names, ["resolver-vip", "old", "classic"]);
    // What is called a default is one: without those lines it is the same.
    let defaults =
        ["version", "learned_interval_limit", "dad", "preempt", "preempt_delay", "start_delay", "accept"];
    let more = [
        "last_advert",
        "checksum",
        "virtual_mac",
        "announce",
        "lease",
        "on_exit",
        "role",
        "give_back",
        "advert_interval",
    ];
    let is_default = |line: &&str| {
        let key = line.split_once(" = ").map_or("", |(key, _)| key);
        *line != "version = 2" && (defaults.contains(&key) || more.contains(&key))
    };
    let without: Vec<&str> = shown.iter().copied().filter(|line| !is_default(line)).collect();
    assert_eq!(shown.len() - without.len(), 16);
    assert_eq!(good(&format!("{servers}\n{}", without.join("\n"))).digest, config.digest);
}

/// The reference of the configuration.
const REFERENCE: &str = include_str!("../../../../../docs/configuration.md");

#[test]
fn the_reference_names_every_key() {
    for kind in crate::config::keys::ALL.into_iter().chain(crate::config::keys::ROUTER) {
        for key in kind.keys.iter().filter(|key| {
            ![
                "virtual_server",
                "dependency",
                "lvs",
                "status",
                "peer",
                "checks",
                "alert",
                "route",
                "webhook",
                "silence",
                "check",
                "dns",
                "tcp",
                "udp",
                "http",
                "https",
                "ping",
                "smtp",
                "file",
                "exec",
                "timeouts",
                "sync",
                "failover",
                "virtual_router",
            ]
            .contains(*key)
        }) {
            assert!(
                REFERENCE.lines().any(|line| line.starts_with(&format!("| `{key}` |"))),
                "{key} of {}",
                kind.header
            );
        }
    }
}

#[test]
fn what_the_reference_shows_is_a_good_file() {
    let mut inside = false;
    let shown: Vec<&str> = REFERENCE
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            inside = if fence { *line == "```toml" } else { inside };
            inside && !fence
        })
        .collect();
    let config = good(&shown.join("\n"));
    assert_eq!(config.real_servers().count(), 2);
}
