//! The man page and the shells' completions, made from the definition of the options.
//!
//! Owns the check that the files in the repository are what the options give. `UPDATE=1 cargo test -p dnscheck generated`
//! writes them anew.

use std::fs;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::args::Args;

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let completions = |shell| {
        let mut text = Vec::new();
        generate(shell, &mut Args::command(), "dnscheck", &mut text);
        text
    };
    let mut page = Vec::new();
    // No version in it: a release alone would make it differ.
    let command = Args::command().version(None::<&str>);
    clap_mangen::Man::new(command).date("").render(&mut page).unwrap();
    vec![
        ("docs/man/dnscheck.1", page),
        ("etc/completions/dnscheck.bash", completions(Shell::Bash)),
        ("etc/completions/_dnscheck", completions(Shell::Zsh)),
        ("etc/completions/dnscheck.fish", completions(Shell::Fish)),
    ]
}

#[test]
fn generated_files_are_up_to_date() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (name, text) in files() {
        let path = root.join(name);
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let there = fs::read(&path).unwrap_or_default();
        assert!(there == text, "{name} is out of date: run UPDATE=1 cargo test -p dnscheck generated");
    }
}
