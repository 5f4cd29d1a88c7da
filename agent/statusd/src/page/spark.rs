//! Latencies as a line.
//!
//! Owns the drawing, small for a table and large for the page of one server. A failure is a mark at the bottom, what is not
//! known a gap. The scale begins at zero, so that a flat line looks flat.

use std::fmt::Write as _;

use super::parts::latency;
use crate::history::{KEPT, Sample};
use crate::html::Html;

/// The least that the scale reaches, in microseconds: a fast server's noise is no mountain.
const SCALE_MIN: u32 = 1_000;

/// The line for a table.
pub fn small(html: &mut Html, samples: &[Sample]) {
    draw(html, samples, "spark", 2, 18);
}

/// The line for a page.
pub fn large(html: &mut Html, samples: &[Sample]) {
    draw(html, samples, "spark wide", 10, 120);
}

fn draw(html: &mut Html, samples: &[Sample], class: &'static str, step: usize, height: u32) {
    let answers = || {
        samples.iter().filter_map(|sample| match sample {
            Sample::Answer(micros) => Some(*micros),
            _ => None,
        })
    };
    let failures = samples.iter().filter(|sample| **sample == Sample::Failure).count();
    html.raw("<svg class=\"").raw(class).raw("\" role=\"img\" viewBox=\"0 0 ").text(KEPT * step).raw(" ");
    html.text(height).raw("\" preserveAspectRatio=\"none\" aria-label=\"");
    match (answers().min(), answers().max()) {
        (Some(least), Some(most)) => {
            html.text(latency(least.into())).raw(" to ").text(latency(most.into()));
        }
        _ => {
            html.raw("no answers");
        }
    }
    if failures > 0 {
        html.raw(", ").text(failures).raw(" failed");
    }
    html.raw("\">");
    let scale = u64::from(answers().max().unwrap_or(0).max(SCALE_MIN));
    let (mut line, mut marks) = (String::new(), String::new());
    let mut pen_down = false;
    for (index, sample) in samples.iter().enumerate() {
        let x = (KEPT.saturating_sub(samples.len()) + index) * step + step / 2;
        // A string takes everything.
        let _ = match sample {
            Sample::Answer(micros) => {
                let rise = u64::from(*micros) * u64::from(height - 3) / scale;
                let y = u64::from(height - 1).saturating_sub(rise);
                write!(line, "{}{x} {y}", if std::mem::replace(&mut pen_down, true) { "L" } else { "M" })
            }
            Sample::Failure => {
                pen_down = false;
                write!(marks, "M{x} {}v-{}", height, height / 3)
            }
            Sample::Unknown => {
                pen_down = false;
                Ok(())
            }
        };
    }
    for (class, path) in [("line", line), ("marks", marks)] {
        if !path.is_empty() {
            html.raw("<path class=\"").raw(class).raw("\" d=\"").text(path).raw("\"/>");
        }
    }
    html.raw("</svg>");
}
