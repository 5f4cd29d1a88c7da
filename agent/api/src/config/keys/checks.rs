//! The keys of the tables below `[virtual_server.check]`, but for those of DNS.
//!
//! Owns their names. Every kind has those that name it and say when it runs; those over a connection may have those of TLS.

use super::Kind;

/// `[virtual_server.check]`.
pub(in super::super) const CHECK: Kind = Kind {
    header: "[virtual_server.check]",
    example: "[virtual_server.check.dns]",
    keys: &["require", "dns", "tcp", "udp", "http", "https", "ping", "smtp", "file", "exec"],
    not_yet: &[],
};

macro_rules! kinds {
    ($($name:ident $word:literal [$($key:literal)*] [$($tls:literal)*];)+) => {
        $(
            #[doc = concat!("`[virtual_server.check.", $word, "]` and `[virtual_server.real_server.check.", $word, "]`.")]
            pub(in super::super) const $name: Kind = Kind {
                header: concat!("[virtual_server.check.", $word, "]"),
                example: concat!("[virtual_server.check.", $word, "]"),
                keys: &[
                    "name",
                    "advisory",
                    $($key,)*
                    $($tls,)*
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
        )+
    };
}

kinds! {
    TCP "tcp" ["address" "source_port" "send" "send_hex" "secret" "expect" "expect_hex" "expect_match" "expect_at" "step" "port" "tls" "latency_warn" "latency_max"]
        ["tls_name" "ca" "verify" "pin" "client_certificate" "client_key" "certificate_warn"];
    UDP "udp" [
        "address" "source_port" "send" "send_hex" "secret" "expect" "expect_hex" "expect_match" "expect_at" "reply_length" "silence_passes" "port"
        "latency_warn" "latency_max"
    ] [];
    HTTP "http" [
        "address" "source_port" "port" "http_version" "connect_timeout" "redirects" "body_max" "url"
        "path" "method" "host" "header" "body" "expect_status" "expect_header" "expect_body" "forbid_body" "body_range" "digest"
        "latency_warn" "latency_max"
    ] [];
    HTTPS "https" [
        "address" "source_port" "port" "http_version" "connect_timeout" "redirects" "body_max" "url"
        "path" "method" "host" "header" "body" "expect_status" "expect_header" "expect_body" "forbid_body" "body_range" "digest"
        "latency_warn" "latency_max"
    ] ["tls_name" "ca" "verify" "pin" "client_certificate" "client_key" "certificate_warn"];
    PING "ping" ["address" "count" "min_replies" "good_replies" "latency_warn" "latency_max" "size"] [];
    SMTP "smtp" ["address" "source_port" "port" "hello" "security" "latency_warn" "latency_max"]
        ["tls_name" "ca" "verify" "pin" "client_certificate" "client_key" "certificate_warn"];
    FILE "file" ["path" "numbers" "factor" "missing" "max_age" "stale"] [];
    EXEC "exec" ["command" "exit_codes" "latency_warn" "latency_max" "user" "group" "max_memory" "max_cpu" "max_files" "max_processes"] [];
}

/// `[[virtual_server.check.http.url]]`, and of `https`.
pub(in super::super) const URL: Kind = Kind {
    header: "[[virtual_server.check.http.url]]",
    example: "[[virtual_server.check.http.url]]",
    keys: &[
        "path",
        "method",
        "host",
        "header",
        "body",
        "expect_status",
        "expect_header",
        "expect_body",
        "forbid_body",
        "body_range",
        "digest",
    ],
    not_yet: &[],
};

/// `[[virtual_server.check.tcp.step]]`.
pub(in super::super) const STEP: Kind = Kind {
    header: "[[virtual_server.check.tcp.step]]",
    example: "[[virtual_server.check.tcp.step]]",
    keys: &["send", "send_hex", "secret", "expect", "expect_hex", "expect_match", "expect_at"],
    not_yet: &[],
};
