//! The man page and the shells' completions, made from the definition of the options.
//!
//! Owns the check that the files in the repository are what the options give. `UPDATE=1 cargo test -p dnscheck generated`
//! writes them anew.

use std::fs;
use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::{Shell, generate};

use crate::args::{ABOUT, AFTER, GROUPS, Takes};

/// The options as those who write man pages and completions want them.
fn command() -> Command {
    let mut command = Command::new("dnscheck").about(ABOUT).after_help(AFTER);
    for group in &GROUPS {
        command = command.next_help_heading(group.title);
        for option in group.options {
            let mut arg = Arg::new(option.long).long(option.long).help(option.help);
            if let Some(short) = option.short {
                arg = arg.short(short);
            }
            let action = if option.many { ArgAction::Append } else { ArgAction::Set };
            arg = match option.takes {
                Takes::Nothing(_) => arg.action(ArgAction::SetTrue),
                Takes::Value { name, or: None, .. } => arg.value_name(name).action(action),
                Takes::Value { name, or: Some(_), .. } => {
                    arg.value_name(name).action(action).num_args(0..=1).require_equals(true)
                }
                Takes::File { name, .. } => {
                    arg.value_name(name).action(action).value_hint(ValueHint::FilePath)
                }
            };
            command = command.arg(arg.conflicts_with_all(option.not_with).required(option.long == "qname"));
        }
    }
    command
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let completions = |shell| {
        let mut text = Vec::new();
        generate(shell, &mut command().version(env!("CARGO_PKG_VERSION")), "dnscheck", &mut text);
        text
    };
    let mut page = Vec::new();
    // No version in it: a release alone would make it differ.
    clap_mangen::Man::new(command()).date("").render(&mut page).unwrap();
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
