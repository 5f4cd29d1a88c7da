//! What the command line takes and refuses.

use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split('|'))
}

#[test]
fn definition_holds_together() {
    Args::command().debug_assert();
}

#[test]
fn good_lines_are_understood() {
    for line in [
        "holdfast|status",
        "holdfast|status|resolver/dns1|--json|--watch",
        "holdfast|--socket|/tmp/a|status",
        "holdfast|status|--socket|/tmp/a",
        "holdfast|explain|dns1",
        "holdfast|explain|resolver/dns1|--json",
        "holdfast|check-config|--config|x.toml|--json",
        "holdfast|diff|--config|x.toml",
        "holdfast|drain|dns1|--why|kernel update|--for|2h",
        "holdfast|drain|dns1|--for|1d 12h|--force",
        "holdfast|undrain|resolver/dns1",
        "holdfast|takeover|vip|--for|1h|--why|test",
        "holdfast|yield|vip|--end",
        "holdfast|silence|add|--virtual-server|resolver|--server|dns1|--severity|warning|--for|2h|--why|disks",
        "holdfast|silence|add|--virtual-router|vip|--for|1d",
        "holdfast|silence|add|--everything|--for|10m",
        "holdfast|silence|list|--json",
        "holdfast|silence|remove|--everything",
        "holdfast|alert|test|--json",
        "holdfast|run|--config|x|--runtime-dir|/tmp/x|--state|/tmp/y",
    ] {
        assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err().map(|e| e.to_string()));
    }
}

#[test]
fn bad_lines_are_refused() {
    for line in [
        "holdfast",
        "holdfast|stat",
        "holdfast|drain",
        "holdfast|drain|",
        "holdfast|drain|a/b/c",
        "holdfast|drain|dns1|--for|5",
        "holdfast|drain|dns1|--for|-5s",
        "holdfast|drain|dns1|--for|500ms",
        "holdfast|drain|dns1|--for|400d",
        "holdfast|drain|dns 1",
        "holdfast|yield",
        "holdfast|takeover|a/b",
        "holdfast|drain|dns1|dns2",
        "holdfast|status|\u{1b}[31m",
        "holdfast|silence",
        "holdfast|silence|add|--for|1h",
        "holdfast|silence|add|--server|dns1",
        "holdfast|silence|add|--server|dns1|--virtual-router|vip|--for|1h",
        "holdfast|silence|add|--server|dns1|--everything|--for|1h",
        "holdfast|silence|add|--server|dns1|--for|2y",
        "holdfast|silence|add|--server|dns1|--for|1h|--severity|loud",
        "holdfast|silence|remove",
        "holdfast|alert",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn targets_are_narrowed() {
    let name: Name = "resolver".parse().unwrap();
    let other: Name = "mail".parse().unwrap();
    let plain: Target = "dns1".parse().unwrap();
    let pair: Target = "resolver/dns1".parse().unwrap();
    assert_eq!(plain.narrowed(None).unwrap().to_string(), "dns1");
    assert_eq!(plain.narrowed(Some(&name)).unwrap().to_string(), "resolver/dns1");
    assert_eq!(pair.narrowed(None).unwrap().to_string(), "resolver/dns1");
    assert_eq!(pair.narrowed(Some(&name)).unwrap().to_string(), "resolver/dns1");
    assert!(pair.narrowed(Some(&other)).unwrap_err().contains("contradict"));
}
