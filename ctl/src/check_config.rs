//! `holdfast check-config`: is the configuration free of mistakes?
//!
//! Owns how mistakes and the summary are said, for people and as JSON. The checking itself is `agent-api`'s, the
//! same that every daemon does.

use std::path::Path;

use agent_api::config::{Config, Mistakes};
use agent_daemon::{LoadError, load_config};
use serde::Serialize;

use crate::Outcome;
use crate::args::CheckConfig;
use crate::output::{complain, json, print};
use crate::text::harmless;

/// Version of the JSON form.
const SCHEMA: u32 = 1;

/// The JSON form.
#[derive(Debug, Default, Serialize)]
struct Report {
    schema: u32,
    ok: bool,
    config: String,
    mistakes: Vec<MistakeReport>,
    error: Option<String>,
    virtual_servers: Option<usize>,
    real_servers: Option<usize>,
    probes_per_second: Option<f64>,
    digest: Option<String>,
}

#[derive(Debug, Serialize)]
struct MistakeReport {
    path: String,
    line: usize,
    column: usize,
    message: String,
}

/// Checks, prints, and says by the outcome how it went.
pub fn execute(args: &CheckConfig) -> anyhow::Result<Outcome> {
    let loaded = load_config(&args.config);
    if args.json {
        print(&json(&report(&args.config, &loaded), true)?)?;
    } else {
        match &loaded {
            Ok(config) => print(&summary(&args.config, config))?,
            // The mistakes are what was asked for, in the form that editors jump by.
            Err(LoadError::Wrong(mistakes)) => print(&mistake_lines(mistakes))?,
            Err(error) => complain(&harmless(&error.to_string())),
        }
    }
    Ok(if loaded.is_ok() { Outcome::Well } else { Outcome::Misused })
}

/// Whether the configuration is valid; says all that is wrong on standard error when it is not.
pub fn is_valid(path: &Path) -> bool {
    match load_config(path) {
        Ok(_) => return true,
        Err(LoadError::Wrong(mistakes)) => mistake_lines(&mistakes).lines().for_each(complain),
        Err(error) => complain(&harmless(&error.to_string())),
    }
    false
}

/// A mistake a line.
fn mistake_lines(mistakes: &Mistakes) -> String {
    mistakes.0.iter().map(|mistake| harmless(&mistake.to_string()) + "\n").collect()
}

fn probes_per_second(config: &Config) -> f64 {
    config
        .real_servers()
        .flat_map(|(_, server)| &server.checks)
        .map(|check| 1.0 / check.rhythm.interval.as_secs_f64())
        .sum()
}

/// `/etc/holdfast/holdfast.toml: 2 virtual servers, 5 real servers, 2.5 probes per second`.
fn summary(path: &Path, config: &Config) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let rate = probes_per_second(config);
    let rate = if rate >= 100.0 { format!("{rate:.0}") } else { format!("{rate:.1}") };
    format!(
        "{}: {}, {}, {} probes per second\n",
        harmless(&path.display().to_string()),
        count(config.virtual_servers.len(), "virtual server"),
        count(config.real_servers().count(), "real server"),
        rate.strip_suffix(".0").unwrap_or(&rate)
    )
}

fn report(path: &Path, loaded: &Result<Config, LoadError>) -> Report {
    let mut report = Report { schema: SCHEMA, config: path.display().to_string(), ..Report::default() };
    match loaded {
        Ok(config) => {
            report.ok = true;
            report.virtual_servers = Some(config.virtual_servers.len());
            report.real_servers = Some(config.real_servers().count());
            report.probes_per_second = Some((probes_per_second(config) * 1000.0).round() / 1000.0);
            report.digest = Some(config.digest.clone());
        }
        Err(LoadError::Wrong(mistakes)) => {
            report.mistakes = mistakes
                .0
                .iter()
                .map(|mistake| MistakeReport {
                    path: mistake.path.clone(),
                    line: mistake.line,
                    column: mistake.column,
                    message: mistake.message.clone(),
                })
                .collect();
        }
        Err(other) => report.error = Some(other.to_string()),
    }
    report
}
