//! `holdfast export`: the configuration in the language of another program.
//!
//! Owns how that is said. It reads the configuration alone: what it prints is the table in which every real server serves.

use agent_core::blueprint::Blueprint;
use agent_daemon::load_config;
use agent_ipvs::text::{self, Style};
use anyhow::Context as _;

use crate::Outcome;
use crate::args::{Export, ExportTo};
use crate::output::print;

/// Prints it.
pub fn execute(args: &Export) -> anyhow::Result<Outcome> {
    let ExportTo::Ipvsadm { config } = &args.to;
    let config = load_config(config)?;
    let blueprint =
        Blueprint::of(&config).context("the configuration asks for what the kernel can't hold")?;
    print(&text::export(&blueprint.full_table(), Style::Complete))?;
    Ok(Outcome::Well)
}
