//! `holdfast import`: what another program has, as a configuration for Holdfast.
//!
//! Owns how that is said: the configuration goes to standard output, and what could not be carried over, or means something else
//! now, to standard error with the line that it came from. Nothing is dropped without a word, and what comes out is a
//! configuration without mistakes. It changes nothing: whoever wants it writes it to a file.

mod draft;
mod ipvsadm;
mod keepalived;

use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;

use crate::Outcome;
use crate::args::{Import, ImportFrom};
use crate::output::{complain, print};
use crate::text::harmless;

pub use draft::Imported;
pub use ipvsadm::import as ipvsadm;
pub use keepalived::import as keepalived;

/// The largest file that is read; the largest known keepalived.conf has 3 MB.
const LARGEST: u64 = 64 << 20;

/// Reads, prints, and says by the outcome whether everything was carried over.
pub fn execute(args: &Import) -> anyhow::Result<Outcome> {
    let imported = match &args.from {
        ImportFrom::Ipvsadm { file } => {
            let name = file.display().to_string();
            ipvsadm(&name, &read(file)?)
        }
        ImportFrom::Keepalived { file } => {
            let folder = file.parent().unwrap_or(Path::new("")).to_owned();
            let name = file.display().to_string();
            // What it includes is found beside it, as keepalived does.
            keepalived(&name, &read(file)?, &mut |path| {
                let path = Path::new(path);
                read(&if path.is_absolute() { path.to_owned() } else { folder.join(path) })
            })
        }
    };
    let Some(text) = imported.text() else {
        imported.remarks.iter().for_each(|remark| complain(&harmless(remark)));
        return Ok(Outcome::Misused);
    };
    print(&text)?;
    imported.remarks.iter().for_each(|remark| complain(&harmless(remark)));
    Ok(if imported.remarks.is_empty() { Outcome::Well } else { Outcome::Wrong })
}

/// The text of a file, or of standard input for `-`.
fn read(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let from: Box<dyn std::io::Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(fs::File::open(path).with_context(|| format!("reading {}", path.display()))?)
    };
    from.take(LARGEST + 1).read_to_end(&mut bytes).with_context(|| format!("reading {}", path.display()))?;
    anyhow::ensure!(bytes.len() as u64 <= LARGEST, "{} is larger than 64 MiB", path.display());
    String::from_utf8(bytes).with_context(|| format!("{} is not text in UTF-8", path.display()))
}
