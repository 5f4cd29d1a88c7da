//! The metrics, read by a strict parser of OpenMetrics 1.0.0 that this test owns.

#![cfg(test)]

mod world;

use std::collections::{BTreeMap, BTreeSet};

use world::http::open_metrics;
use world::{World, states, until};

/// Labels and their values, in order.
type Labels = Vec<(String, String)>;

/// One sample: its name, its labels in order, its value.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: Labels,
    value: f64,
}

#[derive(Debug, Default)]
struct Family {
    kind: String,
    unit: String,
    help: String,
    samples: Vec<Sample>,
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain)
}

/// Reads `{a="b",…}`; returns the labels and what follows.
fn labels(text: &str) -> Result<(Labels, &str), String> {
    let Some(mut rest) = text.strip_prefix('{') else { return Ok((Vec::new(), text)) };
    let mut labels = Labels::new();
    loop {
        let (name, after) = rest.split_once("=\"").ok_or("no label")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next().ok_or("the value has no end")? {
                (at, '"') => break at,
                (_, '\\') => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('\\' | '"'))) => value.push(c),
                    other => return Err(format!("escape {other:?}")),
                },
                (_, '\n') => return Err("a line end in a value".into()),
                (_, c) => value.push(c),
            }
        };
        if !is_name(name) || labels.iter().any(|(known, _)| known == name) {
            return Err(format!("label {name}"));
        }
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        match rest.as_bytes().first() {
            Some(b',') => rest = &rest[1..],
            Some(b'}') => return Ok((labels, &rest[1..])),
            _ => return Err(format!("after a label: {rest}")),
        }
    }
}

/// Reads an exposition as a collector must, and complains of everything that the specification or convention forbids.
fn parse(text: &str) -> Result<BTreeMap<String, Family>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?;
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut seen = BTreeSet::new();
    for line in body.lines() {
        let wrong = |what: &str| format!("{what}: {line}");
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (kind, name, value) = (words.next(), words.next(), words.next());
            let (Some(kind), Some(name), Some(value)) = (kind, name, value) else {
                return Err(wrong("metadata"));
            };
            if kind == "TYPE" {
                if !is_name(name) || families.contains_key(name) {
                    return Err(wrong("a family is there twice or ill named"));
                }
                current = name.to_owned();
                families.insert(current.clone(), Family { kind: value.to_owned(), ..Family::default() });
                continue;
            }
            let family = families
                .get_mut(name)
                .filter(|_| name == current)
                .ok_or_else(|| wrong("metadata out of place"))?;
            if !family.samples.is_empty() {
                return Err(wrong("metadata after samples"));
            }
            match kind {
                "UNIT" if name.ends_with(&format!("_{value}")) => value.clone_into(&mut family.unit),
                "HELP" => value.clone_into(&mut family.help),
                _ => return Err(wrong("unknown metadata, or a unit that is not in the name")),
            }
            continue;
        }
        let end = line.find(['{', ' ']).ok_or_else(|| wrong("no value"))?;
        let (labels, rest) = labels(&line[end..]).map_err(|error| wrong(&error))?;
        let value: f64 = rest.strip_prefix(' ').and_then(|v| v.parse().ok()).ok_or_else(|| wrong("value"))?;
        let sample = Sample { name: line[..end].to_owned(), labels, value };
        let family = families.get_mut(&current).ok_or_else(|| wrong("a sample without a family"))?;
        let suffix = match family.kind.as_str() {
            "gauge" => "",
            "counter" => "_total",
            "info" => "_info",
            _ => return Err(wrong("kind")),
        };
        if sample.name != format!("{current}{suffix}") {
            return Err(wrong("the name is not of its family"));
        }
        if (family.kind == "info" && value != 1.0) || (family.kind == "counter" && value < 0.0) {
            return Err(wrong("value of its kind"));
        }
        let mut key = sample.labels.clone();
        key.sort();
        if !seen.insert((sample.name.clone(), key)) {
            return Err(wrong("the same sample twice"));
        }
        family.samples.push(sample);
    }
    for (name, family) in &families {
        if family.help.is_empty() || !family.help.ends_with('.') {
            return Err(format!("{name} has no help"));
        }
        if ["total", "info", "count", "sum", "bucket", "ms", "us", "milliseconds"]
            .contains(&name.rsplit('_').next().unwrap())
        {
            return Err(format!("{name}: reserved ending, or no base unit"));
        }
        let has_unit = name.ends_with("_seconds") || name.ends_with("_bytes");
        if has_unit == family.unit.is_empty() {
            return Err(format!("{name}: unit {:?}", family.unit));
        }
        let keys = |sample: &Sample| sample.labels.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        if family.samples.windows(2).any(|pair| keys(&pair[0]) != keys(&pair[1])) {
            return Err(format!("{name}: samples with different labels"));
        }
    }
    Ok(families)
}

fn metrics(world: &World) -> BTreeMap<String, Family> {
    let answer = open_metrics(world.address);
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text();
    parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The value of the sample with (at least) these labels.
fn value(families: &BTreeMap<String, Family>, family: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let has = |sample: &&Sample| {
        labels.iter().all(|(k, v)| sample.labels.iter().any(|(name, value)| name == k && value == v))
    };
    families[family].samples.iter().find(has).map(|sample| sample.value)
}

#[test]
fn the_parser_finds_what_is_wrong() {
    let good = "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds Help.\na_seconds{x=\"y\"} 1\n# EOF\n";
    assert!(parse(good).is_ok());
    for (from, to) in [
        ("# EOF\n", ""),
        ("# HELP a_seconds Help.\n", ""),
        ("# UNIT a_seconds seconds\n", ""),
        ("{x=\"y\"} 1\n", "{x=\"y\"} 1\na_seconds{x=\"y\"} 2\n"),
        ("x=\"y\"", "x=\"y"),
        ("x=\"y\"", "x=\"\\y\""),
        ("x=\"y\"", "x=\"y\",x=\"z\""),
        ("} 1", "} one"),
        ("a_seconds{", "b_seconds{"),
        ("gauge", "counter"),
        ("gauge", "thing"),
        ("} 1\n", "} 1\na_seconds{z=\"y\"} 1\n"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn figures_are_those_of_the_cluster() {
    let world = World::of(states::bad());
    let families = metrics(&world);
    let of = |family: &str, labels: &[(&str, &str)]| value(&families, family, labels);
    let dns2 = [("virtual_server", "resolver"), ("real_server", "dns2")];
    let with = |extra: (&'static str, &'static str)| [dns2[0], dns2[1], extra];
    assert_eq!(of("holdfast_status", &[("level", "warning")]), Some(1.0));
    assert_eq!(of("holdfast_status", &[("level", "ok")]), Some(0.0));
    assert_eq!(of("holdfast_reasons", &[("code", "real_server_down")]), Some(1.0));
    assert_eq!(of("holdfast_real_server_verdict", &with(("verdict", "down"))), Some(1.0));
    assert_eq!(of("holdfast_real_server_verdict", &with(("verdict", "up"))), Some(0.0));
    assert_eq!(of("holdfast_real_server_cause", &with(("cause", "dns_timeout"))), Some(1.0));
    assert_eq!(of("holdfast_real_server_latency_seconds", &dns2), None, "no answer is no latency");
    let latency = of("holdfast_real_server_latency_seconds", &[dns2[0], ("real_server", "dns1")]).unwrap();
    assert!((0.0005..0.01).contains(&latency), "{latency}");
    assert_eq!(of("holdfast_real_server_in_table", &dns2), Some(0.0));
    assert_eq!(of("holdfast_virtual_server_serving", &[("virtual_server", "resolver")]), Some(3.0));
    assert_eq!(of("holdfast_virtual_server_quorum", &[("virtual_server", "resolver")]), Some(2.0));
    assert_eq!(
        of("holdfast_real_server_drained", &[("virtual_server", "authoritative"), ("real_server", "dns3")]),
        Some(1.0)
    );
    assert_eq!(
        of("holdfast_destination_weight", &[("service", "udp/194.97.173.125:53"), ("real_server", "dns3")]),
        Some(0.0)
    );
    assert_eq!(of("holdfast_daemon_connected", &[("daemon", "checkd")]), Some(1.0));
    assert_eq!(of("holdfast_agent_connected", &[]), Some(1.0));
    assert_eq!(of("holdfast_checkd_probes", &[]), Some(123_456.0));
    assert_eq!(of("holdfast_events", &[]), Some(6.0));
    assert!(of("process_resident_memory_bytes", &[]).unwrap() > 1e6);
}

/// Who does not ask for OpenMetrics gets the same figures in the form that every tool reads.
#[test]
fn the_older_form_has_the_same_samples() {
    let world = World::of(states::hostile());
    let answer = world.get("/metrics");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let classic = answer.text();
    let names = |text: &str| -> Vec<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line[..line.rfind(' ').unwrap()].to_owned()).collect()
    };
    assert_eq!(names(&classic), names(&open_metrics(world.address).text()));
    let mut kinds = BTreeMap::new();
    for line in classic.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            assert!(
                ["gauge", "counter"].contains(&kind) && (kind == "counter") == name.ends_with("_total"),
                "{line}"
            );
            assert!(kinds.insert(name, kind).is_none(), "{line}");
        } else if !line.starts_with('#') {
            assert!(kinds.contains_key(&line[..line.find(['{', ' ']).unwrap()]), "{line}");
        }
    }
}

#[test]
fn labels_go_with_their_servers() {
    let world = World::of(states::good());
    let has = |text: &str| world.text("/metrics").contains(text);
    assert!(has("real_server=\"web2\"") && has("virtual_server=\"web\""));
    world.agent().change(|state| {
        state.checkd.items.retain(|id, _| id.virtual_server.as_str() != "web");
        state.lvsd.items.retain(|_, report| report.virtual_server.as_str() != "web");
    });
    until("web is gone", || !has("\"web\"") && !has("web2"));
    metrics(&world);
    world.agent().change(|state| {
        state.checkd.items.remove(&"resolver/dns4".parse().unwrap());
        states::eject(state, "resolver/dns4");
    });
    until("dns4 is gone", || !has("dns4"));
    assert!(has("real_server=\"dns3\""));
}

#[test]
fn hostile_labels_are_escaped_and_silence_is_no_figure() {
    let world = World::of(states::hostile());
    let families = metrics(&world);
    let version =
        families["holdfast_daemon"].samples[0].labels.iter().find(|(name, _)| name == "version").unwrap();
    assert_eq!(version.1, states::HOSTILE.join(" "), "what comes out is what went in");
    world.agent().change(|state| {
        state.lvsd.connected = false;
        state.lvsd.heard_at = Some(states::ago(100));
    });
    world.agent().stop_beating();
    until("lvsd is silent", || {
        world.agent().change(|state| state.lvsd.heard_at = Some(states::ago(100)));
        !metrics(&world).contains_key("holdfast_destination_weight")
    });
    assert_eq!(value(&metrics(&world), "holdfast_kernel_table_known", &[]), Some(0.0));
}

/// The documentation lists exactly the metrics there are, and rules and dashboard use no others.
#[test]
fn documentation_rules_and_dashboard_know_the_metrics() {
    let world = World::paired(states::bad());
    let families = metrics(&world);
    let guide = include_str!("../../../docs/status-page.md");
    let suffix = |kind: &str| match kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    let there: BTreeSet<String> =
        families.iter().map(|(name, family)| format!("{name}{}", suffix(&family.kind))).collect();
    let listed: BTreeSet<String> = guide
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| name.starts_with("holdfast_") || name.starts_with("process_"))
        .map(str::to_owned)
        .collect();
    assert_eq!(there, listed);
    for text in [
        include_str!("../../../etc/prometheus/holdfast.rules.yml"),
        include_str!("../../../etc/prometheus/holdfast-dashboard.json"),
    ] {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let used: BTreeSet<&str> = words.filter(|word| word.starts_with("holdfast_")).collect();
        assert!(used.len() > 8);
        for name in used {
            assert!(there.contains(name), "{name}");
        }
    }
}
