//! Manual pages and completions are what the programs themselves say.
//!
//! Owns the making of docs/man and etc/completions: `holdfast` from its definition, the daemons from their `--help`,
//! holdfast.toml(5) from docs/configuration.md, which tests of the configuration hold against the schema.
//! `UPDATE=1 cargo test -p holdfast --test generated` writes them anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

#[path = "generated/roff.rs"]
mod roff;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use holdfast_ctl::args::Args;

/// A file and what it is.
type FileOf = (&'static str, &'static str);

/// The daemons, what each has of files beside the configuration, and what else is to be said.
const DAEMONS: [(&str, &[FileOf], &str); 6] = [
    (
        "agentd",
        &[
            ("/run/holdfast/agent.sock", "the socket, which speaks Varlink"),
            ("/var/lib/holdfast/state.json", "the state, replaced atomically; agentd is its one writer"),
        ],
        "It keeps what the other daemons report and what operators order, and decides nothing. Without it they go on.",
    ),
    (
        "checkd",
        &[("/run/holdfast/agent.sock", "where it reports")],
        "It needs no capability but what a check asks for, and never changes the kernel\u{2019}s table: lvsd does.",
    ),
    (
        "lvsd",
        &[("/run/holdfast/agent.sock", "where it hears of verdicts and orders, and reports")],
        "It needs CAP_NET_ADMIN. The table stays in the kernel when it ends, and is adopted when it returns.",
    ),
    (
        "vipd",
        &[("/run/holdfast/agent.sock", "where it reports; it works without")],
        "It needs CAP_NET_ADMIN and CAP_NET_RAW. An address it holds is a lease: when vipd ends without giving it up, the kernel takes it away.",
    ),
    (
        "alertd",
        &[("/var/lib/holdfast-alert", "the spool: what is still to be told, and what was")],
        "It needs no capability. Secrets are read from the files that the configuration names, or from systemd\u{2019}s credentials, when they are needed.",
    ),
    (
        "statusd",
        &[("/run/holdfast/agent.sock", "what it shows; the state file while the agent does not answer")],
        "It needs no capability and changes nothing. By default it listens on 127.0.0.1:9530.",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The definition, with the names that man pages of subcommands go by.
fn command() -> clap::Command {
    // No version in it: a release alone would make a page differ.
    Args::command().version("").disable_version_flag(true)
}

fn completions(files: &mut BTreeMap<String, Vec<u8>>) {
    for (shell, path) in [
        (Shell::Bash, "etc/completions/holdfast.bash"),
        (Shell::Zsh, "etc/completions/_holdfast"),
        (Shell::Fish, "etc/completions/holdfast.fish"),
    ] {
        let mut text = Vec::new();
        generate(shell, &mut Args::command(), "holdfast", &mut text);
        files.insert(path.to_owned(), text);
    }
}

/// `holdfast.1`, and one page for each command.
fn pages_of(command: &clap::Command, name: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    let mut page = Vec::new();
    let kept: &'static str = name.to_owned().leak();
    let named = command.clone().name(kept).bin_name(name.replace('-', " "));
    clap_mangen::Man::new(named).date("").source("Holdfast").render(&mut page).unwrap();
    files.insert(format!("docs/man/{name}.1"), page);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages_of(sub, &format!("{name}-{}", sub.get_name()), files);
    }
}

fn daemons(files: &mut BTreeMap<String, Vec<u8>>) {
    // They are asked, so they must be as they are in the repository.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--locked", "--workspace", "--bins"]).current_dir(root());
    // What cargo says to a test of its package would make it build ring, and all above it, anew.
    let for_a_test = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| for_a_test(name)) {
        build.env_remove(name);
    }
    assert!(build.status().unwrap().success(), "the daemons can't be built");
    for (name, more, remark) in DAEMONS {
        let program = Path::new(env!("CARGO_BIN_EXE_holdfast")).with_file_name(name);
        let output = Command::new(&program).arg("--help").env_clear().output().unwrap();
        assert!(output.status.success(), "{name} --help");
        let help = String::from_utf8(output.stdout).unwrap();
        files.insert(format!("docs/man/{name}.8"), roff::daemon(name, &help, more, remark).into_bytes());
    }
}

#[test]
fn generated_files_are_up_to_date() {
    let mut files = BTreeMap::new();
    completions(&mut files);
    pages_of(&command(), "holdfast", &mut files);
    daemons(&mut files);
    let guide = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    files.insert("docs/man/holdfast.toml.5".to_owned(), roff::configuration(&guide).into_bytes());
    let mut stale = Vec::new();
    for (name, text) in &files {
        let path = root().join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        }
        if fs::read(&path).unwrap_or_default() != *text {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "out of date: {stale:?}; run UPDATE=1 cargo test -p holdfast --test generated");
    // Nothing is there that is made no more.
    for entry in fs::read_dir(root().join("docs/man")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = files.contains_key(&format!("docs/man/{name}")) || name == "dnscheck.1";
        assert!(known, "docs/man/{name} is made by nobody");
    }
}

/// What groff says of every page: nothing.
#[test]
fn every_page_is_good_roff() {
    for entry in fs::read_dir(root().join("docs/man")).unwrap() {
        let path = entry.unwrap().path();
        let output = Command::new("groff")
            .args(["-Kutf8", "-man", "-Tutf8", "-ww", "-z"])
            .arg(&path)
            .output()
            .expect("groff starts; is the package groff installed?");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{}: {said}", path.display());
    }
}
