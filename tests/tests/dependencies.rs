//! What the workspace may depend on: licences, versions, TLS providers, and every single crate below a privileged daemon.
//!
//! Reads `cargo metadata` of this workspace and nothing else. Advisories need a database and are `make audit`'s.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than attribution.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// TLS is rustls with ring; a second provider would double the code that handles secrets.
const SECOND_TLS: &[&str] =
    &["aws-lc-rs", "aws-lc-sys", "boring-sys", "native-tls", "openssl", "openssl-sys"];

/// Crates that may be there in two versions, each with the reason. Empty is how it should be.
const TOLERATED_TWICE: &[(&str, &str)] =
    &[("getrandom", "ring 0.17 stays with 0.2; it is a thin call of the kernel")];

/// Daemons with a capability, each with the file that lists every crate it may be built from.
const PRIVILEGED: &[(&str, &str)] =
    &[("lvsd", include_str!("dependencies/lvsd.txt")), ("vipd", include_str!("dependencies/vipd.txt"))];

/// `cargo metadata`, read once per test.
struct Metadata {
    packages: BTreeMap<String, Value>,
    /// Package id → ids of what it needs to be built and run (not to be tested).
    needs: BTreeMap<String, Vec<String>>,
}

impl Metadata {
    fn load() -> Self {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--filter-platform", "x86_64-unknown-linux-gnu"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let mut root: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
        let Value::Array(packages) = root["packages"].take() else { panic!("no packages") };
        let Value::Array(nodes) = root["resolve"]["nodes"].take() else { panic!("no resolve") };
        let packages = packages.into_iter().map(|package| (text(&package["id"]), package)).collect();
        let needs = nodes
            .iter()
            .map(|node| {
                let dependencies = node["deps"].as_array().expect("deps").iter();
                let needed = dependencies.filter(|dependency| {
                    dependency["dep_kinds"]
                        .as_array()
                        .expect("dep_kinds")
                        .iter()
                        .any(|kind| kind["kind"] != "dev")
                });
                (text(&node["id"]), needed.map(|dependency| text(&dependency["pkg"])).collect())
            })
            .collect();
        Self { packages, needs }
    }

    fn name(&self, id: &str) -> String {
        text(&self.packages[id]["name"])
    }

    /// Names of everything below the package of that name, itself included.
    fn closure(&self, name: &str) -> BTreeSet<String> {
        let start =
            self.packages.keys().find(|id| self.name(id) == name).expect("the package is in the workspace");
        let (mut waiting, mut seen) = (vec![start.clone()], BTreeSet::new());
        while let Some(id) = waiting.pop() {
            if seen.insert(id.clone()) {
                waiting.extend(self.needs[&id].iter().cloned());
            }
        }
        seen.iter().map(|id| self.name(id)).collect()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Whether one may take the crate under permissive terms alone. `expression` is SPDX, or the older `A/B`.
fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (result, rest) = any_of(&words);
    result && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut result, mut rest) = all_of(words);
    while let ["OR", tail @ ..] = rest {
        let (next, after) = all_of(tail);
        (result, rest) = (result | next, after);
    }
    (result, rest)
}

fn all_of<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    let (mut result, mut rest) = one(words);
    while let ["AND", tail @ ..] = rest {
        let (next, after) = one(tail);
        (result, rest) = (result & next, after);
    }
    (result, rest)
}

fn one<'a>(words: &'a [&'a str]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", tail @ ..] => match any_of(tail) {
            (result, [")", rest @ ..]) => (result, rest),
            (_, rest) => (false, rest),
        },
        [licence, "WITH", exception, rest @ ..] => {
            (PERMISSIVE.contains(&format!("{licence} WITH {exception}").as_str()), rest)
        }
        [licence, rest @ ..] => (PERMISSIVE.contains(licence), rest),
        [] => (false, &[]),
    }
}

#[test]
fn licence_expressions_are_understood() {
    for (expression, wanted) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-or-later OR MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
        ("MIT AND GPL-2.0", false),
        ("(MIT OR Apache-2.0) AND GPL-2.0", false),
        ("Apache-2.0 WITH Some-exception", false),
        ("MPL-2.0", false),
        ("(MIT", false),
        ("MIT OR", true),
        ("", false),
    ] {
        assert_eq!(is_permissive(expression), wanted, "{expression:?}");
    }
}

#[test]
fn every_licence_is_permissive() {
    let metadata = Metadata::load();
    let bad: Vec<String> = metadata
        .packages
        .values()
        .filter(|package| !is_permissive(package["license"].as_str().unwrap_or_default()))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(bad.is_empty(), "these crates are not under permissive terms; replace them:\n{}", bad.join("\n"));
}

#[test]
fn no_crate_is_built_in_two_versions() {
    let metadata = Metadata::load();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in metadata.packages.values() {
        versions.entry(text(&package["name"])).or_default().insert(text(&package["version"]));
    }
    let twice: Vec<String> = versions
        .iter()
        .filter(|(name, found)| {
            found.len() > 1 && !TOLERATED_TWICE.iter().any(|(tolerated, _)| tolerated == name)
        })
        .map(|(name, found)| format!("{name}: {}", found.iter().cloned().collect::<Vec<_>>().join(", ")))
        .collect();
    assert!(
        twice.is_empty(),
        "built twice (`cargo tree -d` says by whom); agree on one version, or add it to TOLERATED_TWICE with the reason:\n{}",
        twice.join("\n")
    );
    for (name, reason) in TOLERATED_TWICE {
        assert!(!reason.is_empty());
        assert!(
            versions.get(*name).is_some_and(|found| found.len() > 1),
            "{name} is there once only: remove it from TOLERATED_TWICE"
        );
    }
}

#[test]
fn there_is_one_tls_provider() {
    let metadata = Metadata::load();
    let found: BTreeSet<String> = metadata
        .packages
        .keys()
        .map(|id| metadata.name(id))
        .filter(|name| SECOND_TLS.contains(&name.as_str()))
        .collect();
    assert!(
        found.is_empty(),
        "TLS is rustls with ring; switch off the feature that brings {found:?} (`cargo tree -i NAME`)"
    );
}

#[test]
fn every_crate_comes_from_the_registry() {
    let metadata = Metadata::load();
    for package in metadata.packages.values() {
        if let Some(source) = package["source"].as_str() {
            assert!(source.starts_with("registry+"), "{} comes from {source}", package["name"]);
        }
    }
}

#[test]
fn privileged_daemons_are_built_from_listed_crates_only() {
    let metadata = Metadata::load();
    for (daemon, list) in PRIVILEGED {
        let allowed: BTreeSet<String> = list
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        let used = metadata.closure(daemon);
        let unknown: Vec<_> = used.difference(&allowed).collect();
        assert!(
            unknown.is_empty(),
            "{daemon} has a capability, and would now contain {unknown:?}. Do without (`cargo tree -i NAME -p {daemon}` \
             says who brings it), or read its source and add it with its purpose to tests/tests/dependencies/{daemon}.txt"
        );
        let gone: Vec<_> = allowed.difference(&used).collect();
        assert!(
            gone.is_empty(),
            "{daemon} no longer contains {gone:?}: remove it from tests/tests/dependencies/{daemon}.txt"
        );
    }
}
