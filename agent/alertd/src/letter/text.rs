//! A mail as text.
//!
//! Owns the layout for readers that show no HTML. Lines are not wrapped: an address or a command must be copied whole.

use super::parts::{Arranged, Row, Tone};

/// The text part.
pub fn render(mail: &Arranged) -> String {
    let mut out = format!("{}\n", mail.headline);
    for section in &mail.sections {
        out.push('\n');
        if !section.heading.is_empty() {
            out.push_str(section.heading);
            out.push('\n');
        }
        let width = section.rows.iter().map(width).max().unwrap_or_default();
        for row in &section.rows {
            match row {
                Row::Pair(label, text) => out.push_str(&format!("  {label:width$}  {text}\n")),
                Row::Item { mark, tone, text, news } => {
                    let star = if *news { "*" } else { " " };
                    let good = if *tone == Tone::Good && !mark.starts_with("over") { "ok " } else { "" };
                    out.push_str(&format!(" {star}{mark:width$}  {good}{text}\n"));
                }
                Row::Below(text) => out.push_str(&format!("  {text}\n")),
                Row::Code(text) => out.push_str(&format!("    {text}\n")),
            }
        }
    }
    // The line that mail readers take for the beginning of a signature.
    out.push_str(&format!("\n-- \n{}\n", mail.footer));
    out
}

fn width(row: &Row) -> usize {
    match row {
        Row::Pair(label, _) => label.chars().count(),
        Row::Item { mark, .. } => mark.chars().count(),
        Row::Below(_) | Row::Code(_) => 0,
    }
}
