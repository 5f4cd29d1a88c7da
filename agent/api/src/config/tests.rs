//! What a good file means, and what is said of a bad one.

mod alert;
mod checks;
mod good;
mod groups;
mod kernel;
mod kinds;
mod mistakes;
mod page;
mod random;
mod routers;
mod shipped;
mod talk;

use super::{Config, Mistakes, RealServer, Source, VirtualServer, parse};

/// The shipped example.
const EXAMPLE: &str = include_str!("../../../../etc/holdfast.toml");

/// The smallest virtual server, with room for further keys and real servers.
const POOL: &str = r#"
[[virtual_server]]
name = "resolver"
address = "192.0.2.53"
services = ["udp/53", "tcp/53"]
KEYS
[virtual_server.check.dns]
qname = "resolve.test"
CHECK
[[virtual_server.real_server]]
name = "dns1"
address = "10.0.0.1"
REAL
"#;

/// [`POOL`] with these keys in the virtual server, its check and its real server.
fn pool(keys: &str, check: &str, real: &str) -> String {
    POOL.replace("KEYS", keys).replace("CHECK", check).replace("REAL", real)
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn read(text: &str) -> Result<Config, Mistakes> {
    parse(&[source("holdfast.toml", text)])
}

/// The configuration of a text that has no mistakes.
fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

/// The mistakes as `line:column: message`.
fn bad(text: &str) -> Vec<String> {
    let Mistakes(mistakes) = read(text).expect_err("this should not be accepted");
    mistakes.iter().map(|m| format!("{}:{}: {}", m.line, m.column, m.message)).collect()
}

/// The messages for a pool with these keys, without their places.
fn said(keys: &str, check: &str, real: &str) -> Vec<String> {
    let Mistakes(mistakes) = read(&pool(keys, check, real)).expect_err("this should not be accepted");
    mistakes.into_iter().map(|mistake| mistake.message).collect()
}

/// The one real server of a configuration, and its virtual server.
fn only(config: &Config) -> (&VirtualServer, &RealServer) {
    let mut all = config.real_servers();
    let first = all.next().expect("there is one");
    assert!(all.next().is_none());
    first
}

/// A pool with one real server and this check.
fn checked(check: &str) -> String {
    format!(
        "[[virtual_server]]\nname = \"p\"\naddress = \"10.0.0.9\"\nservices = [\"tcp/25\"]\n{check}\n\
         [[virtual_server.real_server]]\nname = \"a\"\naddress = \"10.0.0.1\""
    )
}
