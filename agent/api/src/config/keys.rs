//! The keys that each table of the file may hold.
//!
//! Owns their names, once. It never says what a key means: that is where the table is read.

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
    keys: &["include", "lvs", "status", "checks", "virtual_server"],
    not_yet: &[
        (
            "virtual_router",
            "it moves no addresses; remove the table and leave the virtual IP to what holds it now",
        ),
        (
            "alert",
            "it sends no mail; remove the table and let your monitoring watch `holdfast status --json`",
        ),
    ],
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
    keys: &["role", "interface", "id", "group", "port", "ttl", "max_length"],
    not_yet: &[],
};

/// `[checks]`.
pub(super) const CHECKS: Kind =
    Kind { header: "[checks]", example: "[checks]", keys: &["sentinels"], not_yet: &[] };

/// `[status]`.
pub(super) const STATUS: Kind =
    Kind { header: "[status]", example: "[status]", keys: &["listen", "title"], not_yet: &[] };

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
        "min_serving",
        "probe_source",
        "check",
        "real_server",
    ],
    not_yet: &[("sorry_server", "remove it; min_serving keeps servers in the table when too many fail")],
};

/// `persistence = { … }`.
pub(super) const PERSISTENCE: Kind = Kind {
    header: "persistence",
    example: "persistence = { timeout = \"5m\" }",
    keys: &["timeout", "prefix", "engine"],
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
        "check",
    ],
    not_yet: &[],
};

/// `[virtual_server.check]`.
pub(super) const CHECK: Kind = Kind {
    header: "[virtual_server.check]",
    example: "[virtual_server.check.dns]",
    keys: &["dns", "tcp", "udp", "exec"],
    not_yet: &[("http", OTHERS), ("https", OTHERS), ("ping", OTHERS), ("smtp", OTHERS), ("file", OTHERS)],
};

const OTHERS: &str =
    "remove the table; there are check.dns, check.tcp, check.udp and check.exec, which runs any program";

/// `[virtual_server.check.dns]` and `[virtual_server.real_server.check.dns]`.
pub(super) const DNS: Kind = Kind {
    header: "[virtual_server.check.dns]",
    example: "[virtual_server.check.dns]",
    keys: &[
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
        "expect_nsid",
        "zone_expiry",
        "latency_warn",
        "latency_max",
        "try_timeout",
    ],
    not_yet: &[],
};

/// `[virtual_server.check.tcp]` and `[virtual_server.real_server.check.tcp]`.
pub(super) const TCP: Kind = Kind {
    header: "[virtual_server.check.tcp]",
    example: "[virtual_server.check.tcp]",
    keys: &[
        "send",
        "expect",
        "port",
        "interval",
        "fast_interval",
        "down_interval",
        "timeout",
        "rise",
        "fall",
        "initial",
        "damping",
    ],
    not_yet: &[],
};

/// `[virtual_server.check.udp]` and `[virtual_server.real_server.check.udp]`.
pub(super) const UDP: Kind = Kind {
    header: "[virtual_server.check.udp]",
    example: "[virtual_server.check.udp]",
    keys: &[
        "send",
        "expect",
        "silence_passes",
        "port",
        "interval",
        "fast_interval",
        "down_interval",
        "timeout",
        "rise",
        "fall",
        "initial",
        "damping",
    ],
    not_yet: &[],
};

/// `[virtual_server.check.exec]` and `[virtual_server.real_server.check.exec]`.
pub(super) const EXEC: Kind = Kind {
    header: "[virtual_server.check.exec]",
    example: "[virtual_server.check.exec]",
    keys: &[
        "command",
        "exit_codes",
        "interval",
        "fast_interval",
        "down_interval",
        "timeout",
        "rise",
        "fall",
        "initial",
        "damping",
    ],
    not_yet: &[],
};

/// The kinds whose keys tell where a misplaced one belongs; those of `[lvs.timeouts]`, `[lvs.sync]`
/// and `tunnel` are too common words.
pub(super) const ALL: [&Kind; 12] = [
    &FILE,
    &LVS,
    &STATUS,
    &CHECKS,
    &VIRTUAL_SERVER,
    &PERSISTENCE,
    &REAL_SERVER,
    &CHECK,
    &DNS,
    &TCP,
    &UDP,
    &EXEC,
];
