//! The keys that each table of the file may hold.
//!
//! Owns their names, once. It never says what a key means: that is where the table is read.

mod checks;

pub(super) use checks::{CHECK, EXEC, FILE as FILE_CHECK, HTTP, HTTPS, PING, SMTP, STEP, TCP, UDP, URL};

/// One kind of table.
#[derive(Debug)]
pub(super) struct Kind {
    /// How messages call it.
    pub(super) header: &'static str,
    /// How it is written.
    pub(super) example: &'static str,
    /// The keys it may hold.
    pub(super) keys: &'static [&'static str],
    /// Keys that operators may expect, with what holds instead. Were they accepted, someone would believe that they
    /// work.
    pub(super) not_yet: &'static [(&'static str, &'static str)],
}

/// The file itself.
pub(super) const FILE: Kind = Kind {
    header: "the top level",
    example: "[[virtual_server]]",
    keys: &[
        "include",
        "lvs",
        "status",
        "checks",
        "alert",
        "dependency",
        "virtual_server",
        "failover",
        "virtual_router",
    ],
    not_yet: &[],
};

/// `[lvs]`.
pub(super) const LVS: Kind = Kind {
    header: "[lvs]",
    example: "[lvs]",
    keys: &["adopt", "exclusive_grace", "interval", "sysctls", "drain_deadline", "timeouts", "sync"],
    not_yet: &[("on_exit", "remove it; the kernel's table always stays when a daemon ends")],
};

/// `[lvs.timeouts]`.
pub(super) const TIMEOUTS: Kind = Kind {
    header: "[lvs.timeouts]",
    example: "[lvs.timeouts]",
    keys: &["tcp", "tcp_fin", "udp"],
    not_yet: &[],
};

/// `[lvs.sync]`.
pub(super) const SYNC: Kind = Kind {
    header: "[lvs.sync]",
    example: "[lvs.sync]",
    keys: &["role", "follow", "interface", "id", "group", "port", "ttl", "max_length"],
    not_yet: &[],
};

/// `[checks]`.
pub(super) const CHECKS: Kind =
    Kind { header: "[checks]", example: "[checks]", keys: &["sentinels"], not_yet: &[] };

/// `[status]`.
pub(super) const STATUS: Kind = Kind {
    header: "[status]",
    example: "[status]",
    keys: &["listen", "title", "certificate", "key", "users", "unprotected", "peer"],
    not_yet: &[],
};

/// `[status.peer]`.
pub(super) const PEER: Kind = Kind {
    header: "[status.peer]",
    example: "[status.peer]",
    keys: &["url", "name", "ca", "credentials"],
    not_yet: &[],
};

/// `[alert]`.
pub(super) const ALERT: Kind = Kind {
    header: "[alert]",
    example: "[alert]",
    keys: &[
        "from",
        "to",
        "smtp",
        "starttls",
        "ca",
        "credential",
        "hello",
        "smtp_timeout",
        "sendmail",
        "severity",
        "gather",
        "settle",
        "update_every",
        "remind_every",
        "keep",
        "time_zone",
        "quiet_hours",
        "quiet_break",
        "standby",
        "step_in",
        "route",
        "webhook",
        "command",
        "silence",
    ],
    not_yet: &[],
};

/// `[[alert.route]]`.
pub(super) const ALERT_ROUTE: Kind = Kind {
    header: "[[alert.route]]",
    example: "[[alert.route]]",
    keys: &["name", "to", "webhooks", "commands", "virtual_servers", "virtual_routers", "severity", "hours"],
    not_yet: &[],
};

/// `[[alert.webhook]]`.
pub(super) const ALERT_WEBHOOK: Kind = Kind {
    header: "[[alert.webhook]]",
    example: "[[alert.webhook]]",
    keys: &["name", "url", "secret", "ca", "timeout"],
    not_yet: &[],
};

/// `[[alert.command]]`.
pub(super) const ALERT_COMMAND: Kind = Kind {
    header: "[[alert.command]]",
    example: "[[alert.command]]",
    keys: &["name", "command", "timeout"],
    not_yet: &[],
};

/// `[[alert.silence]]`.
pub(super) const ALERT_SILENCE: Kind = Kind {
    header: "[[alert.silence]]",
    example: "[[alert.silence]]",
    keys: &["virtual_server", "real_server", "virtual_router", "severity", "hours", "until", "why"],
    not_yet: &[],
};

/// `[[virtual_server]]`.
pub(super) const VIRTUAL_SERVER: Kind = Kind {
    header: "[[virtual_server]]",
    example: "[[virtual_server]]",
    keys: &[
        "name",
        "address",
        "services",
        "forwarding",
        "tunnel",
        "scheduler",
        "scheduler_flags",
        "one_packet",
        "persistence",
        "quorum",
        "quorum_hysteresis",
        "min_serving",
        "max_ejected",
        "ejection_rate",
        "slow_start",
        "degraded_weight",
        "sorry_server",
        "probe_source",
        "probe_interface",
        "probe_mark",
        "probe_dscp",
        "parent",
        "check",
        "real_server",
    ],
    not_yet: &[],
};

/// `[[dependency]]`.
pub(super) const DEPENDENCY: Kind = Kind {
    header: "[[dependency]]",
    example: "[[dependency]]",
    keys: &["name", "address", "probe_source", "check"],
    not_yet: &[],
};

/// `persistence = { … }`.
pub(super) const PERSISTENCE: Kind = Kind {
    header: "persistence",
    example: "persistence = { timeout = \"5m\" }",
    keys: &["timeout", "prefix", "engine"],
    not_yet: &[],
};

/// `ejection_rate = { … }`.
pub(super) const EJECTION_RATE: Kind = Kind {
    header: "ejection_rate",
    example: "ejection_rate = { servers = 2, per = \"10s\" }",
    keys: &["servers", "per"],
    not_yet: &[],
};

/// `sorry_server = { … }`.
pub(super) const SORRY_SERVER: Kind = Kind {
    header: "sorry_server",
    example: "sorry_server = { address = \"192.0.2.99\" }",
    keys: &["address", "port", "forwarding"],
    not_yet: &[],
};

/// `tunnel = { … }`.
pub(super) const TUNNEL: Kind = Kind {
    header: "tunnel",
    example: "tunnel = { type = \"gre\" }",
    keys: &["type", "port", "checksum"],
    not_yet: &[],
};

/// `[[virtual_server.real_server]]`.
pub(super) const REAL_SERVER: Kind = Kind {
    header: "[[virtual_server.real_server]]",
    example: "[[virtual_server.real_server]]",
    keys: &[
        "name",
        "address",
        "port",
        "weight",
        "upper_threshold",
        "lower_threshold",
        "forwarding",
        "tunnel",
        "probe_source",
        "probe_interface",
        "probe_mark",
        "probe_dscp",
        "parent",
        "check",
    ],
    not_yet: &[],
};

/// `[virtual_server.check.dns]` and `[virtual_server.real_server.check.dns]`.
pub(super) const DNS: Kind = Kind {
    header: "[virtual_server.check.dns]",
    example: "[virtual_server.check.dns]",
    keys: &[
        "name",
        "advisory",
        "address",
        "qname",
        "qtype",
        "qclass",
        "expect_rcode",
        "expect_answer",
        "transport",
        "port",
        "tries",
        "interval",
        "fast_interval",
        "down_interval",
        "timeout",
        "rise",
        "fall",
        "initial",
        "damping",
        "recursion",
        "checking_disabled",
        "authentic_data",
        "mixed_case",
        "edns",
        "edns_size",
        "dnssec_ok",
        "cookie",
        "client_subnet",
        "padding",
        "forbid_rcode",
        "expect_match",
        "expect_network",
        "expect_fit",
        "expect_empty",
        "answer_count",
        "answer_ttl",
        "expect_authority",
        "expect_additional",
        "expect_flags",
        "forbid_flags",
        "min_serial",
        "signatures_last",
        "signatures_warn",
        "trust_anchor",
        "expect_nsid",
        "zone_expiry",
        "latency_warn",
        "latency_max",
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
        "try_timeout",
    ],
    not_yet: &[],
};

/// The kinds whose keys tell where a misplaced one belongs; those of `[lvs.timeouts]`, `[lvs.sync]`,
/// `tunnel` and the tables below `[alert]` are too common words.
pub(super) const ALL: [&Kind; 23] = [
    &DEPENDENCY,
    &FILE,
    &LVS,
    &STATUS,
    &CHECKS,
    &FAILOVER,
    &VIRTUAL_ROUTER,
    &ALERT,
    &VIRTUAL_SERVER,
    &PERSISTENCE,
    &REAL_SERVER,
    &CHECK,
    &DNS,
    &TCP,
    &UDP,
    &HTTP,
    &HTTPS,
    &STEP,
    &URL,
    &PING,
    &SMTP,
    &FILE_CHECK,
    &EXEC,
];

/// `[failover]`.
pub(super) const FAILOVER: Kind = Kind {
    header: "[failover]",
    example: "[failover]",
    keys: &["realtime_priority", "lock_memory"],
    not_yet: &[],
};

/// `[[virtual_router]]`.
pub(super) const VIRTUAL_ROUTER: Kind = Kind {
    header: "[[virtual_router]]",
    example: "[[virtual_router]]",
    keys: &[
        "name",
        "mode",
        "interface",
        "vrid",
        "version",
        "priority",
        "advert_interval",
        "learned_interval_limit",
        "addresses",
        "unlisted",
        "dad",
        "routes",
        "rules",
        "preempt",
        "preempt_delay",
        "start_delay",
        "accept",
        "last_advert",
        "checksum",
        "virtual_mac",
        "source",
        "unicast",
        "authentication",
        "sync_group",
        "announce",
        "track",
        "notify",
        "lease",
        "on_exit",
        "role",
        "watch",
        "give_back",
    ],
    not_yet: &[],
};

/// One of `addresses` and `unlisted` as a table.
pub(super) const ROUTER_ADDRESS: Kind = Kind {
    header: "an address",
    example: "{ address = \"192.0.2.53/32\" }",
    keys: &["address", "interface", "label", "scope", "prefix_route", "dad"],
    not_yet: &[],
};

/// One of `routes`.
pub(super) const ROUTER_ROUTE: Kind = Kind {
    header: "a route",
    example: "routes = [{ to = \"default\", via = \"192.0.2.1\" }]",
    keys: &["to", "via", "interface", "source", "table", "metric", "scope"],
    not_yet: &[],
};

/// One of `rules`.
pub(super) const ROUTER_RULE: Kind = Kind {
    header: "a rule",
    example: "rules = [{ from = \"192.0.2.53/32\", table = 100 }]",
    keys: &["from", "to", "iif", "fwmark", "table", "priority"],
    not_yet: &[],
};

/// `announce = { … }`.
pub(super) const ROUTER_ANNOUNCE: Kind = Kind {
    header: "announce",
    example: "announce = { count = 5 }",
    keys: &["count", "spacing", "repeat_after", "refresh", "reply", "rate"],
    not_yet: &[],
};

/// `unicast = { … }`.
pub(super) const ROUTER_UNICAST: Kind = Kind {
    header: "unicast",
    example: "unicast = { source = \"192.0.2.1\", peers = [\"192.0.2.2\"] }",
    keys: &["source", "peers", "ttl", "least_ttl"],
    not_yet: &[],
};

/// `authentication = { … }`.
pub(super) const ROUTER_AUTHENTICATION: Kind = Kind {
    header: "authentication",
    example: "authentication = { type = \"pass\", file = \"/etc/holdfast/vrrp.secret\" }",
    keys: &["type", "file"],
    not_yet: &[(
        "password",
        "write it to the first line of a file that only root and holdfast-vip may read, and its path as file",
    )],
};

/// One of `track`.
pub(super) const ROUTER_TRACK: Kind = Kind {
    header: "an entry of track",
    example: "track = [{ virtual_server = \"resolver\", when = \"below_quorum\", priority = -100 }]",
    keys: &[
        "virtual_server",
        "when",
        "director",
        "interface",
        "script",
        "interval",
        "timeout",
        "rise",
        "fall",
        "process",
        "count",
        "file",
        "factor",
        "priority",
    ],
    not_yet: &[],
};

/// `notify = { … }`.
pub(super) const ROUTER_NOTIFY: Kind = Kind {
    header: "notify",
    example: "notify = { any = [\"/usr/local/bin/vip\"] }",
    keys: &["active", "backup", "fault", "stop", "any", "fifo", "timeout"],
    not_yet: &[("master", "write active, the protocol's word for it")],
};

/// `[virtual_router.watch]`.
pub(super) const ROUTER_WATCH: Kind = Kind {
    header: "[virtual_router.watch]",
    example: "watch = { targets = [\"192.0.2.1\"] }",
    keys: &["targets", "sentinels", "interval", "fall", "rise", "check"],
    not_yet: &[],
};

/// The kinds of tables in a virtual router.
#[cfg(test)]
pub(super) const ROUTER: [&Kind; 9] = [
    &ROUTER_ADDRESS,
    &ROUTER_ROUTE,
    &ROUTER_RULE,
    &ROUTER_ANNOUNCE,
    &ROUTER_UNICAST,
    &ROUTER_AUTHENTICATION,
    &ROUTER_TRACK,
    &ROUTER_NOTIFY,
    &ROUTER_WATCH,
];
