//! A mail as HTML.
//!
//! Owns the markup: tables and inline styles, which is what mail readers understand; nothing is loaded from anywhere. Every text is
//! escaped here, whatever was done to it before.

use super::parts::{Arranged, Row, Tone};
use crate::clean::html;

const FONT: &str =
    "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:14px;line-height:1.45";
const MONO: &str = "font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px";

/// The HTML part.
pub fn render(mail: &Arranged) -> String {
    let color = color(mail.tone);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;{FONT};color:#1a1a1a;background:#ffffff\">\n\
         <h1 style=\"font-size:18px;margin:0 0 8px;padding-left:10px;border-left:5px solid {color}\">{title}</h1>\n",
        title = html(&mail.headline),
    );
    for section in &mail.sections {
        if !section.heading.is_empty() {
            out.push_str(&format!(
                "<h2 style=\"font-size:15px;margin:16px 0 4px\">{}</h2>\n",
                html(section.heading)
            ));
        }
        out.push_str("<table role=\"presentation\" style=\"border-collapse:collapse\">\n");
        section.rows.iter().for_each(|row| push(&mut out, row));
        out.push_str("</table>\n");
    }
    out.push_str(&format!(
        "<p style=\"margin-top:20px;padding-top:8px;border-top:1px solid #ccc;color:#555;font-size:12px\">{}</p>\n</body></html>\n",
        html(&mail.footer)
    ));
    out
}

fn push(out: &mut String, row: &Row) {
    let cell = "padding:1px 12px 1px 0;vertical-align:top";
    let line = match row {
        Row::Pair(label, text) => format!(
            "<td style=\"{cell};color:#555;white-space:nowrap\">{}</td><td style=\"{cell}\">{}</td>",
            html(label),
            html(text)
        ),
        Row::Item { mark, tone, text, news } => format!(
            "<td style=\"{cell};{MONO};white-space:nowrap;color:{}\">{}</td><td style=\"{cell}\">{}{}{}</td>",
            color(*tone),
            html(mark),
            if *news { "<b>" } else { "" },
            html(text),
            if *news { "</b>" } else { "" }
        ),
        Row::Below(text) => format!("<td colspan=\"2\" style=\"{cell}\">{}</td>", html(text)),
        Row::Code(text) => format!("<td colspan=\"2\" style=\"{cell};{MONO}\">{}</td>", html(text)),
    };
    out.push_str(&format!("<tr>{line}</tr>\n"));
}

/// Dark enough on white for everybody.
fn color(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "#444444",
        Tone::Good => "#1a6e2e",
        Tone::Warning => "#8a5300",
        Tone::Critical => "#b00020",
    }
}
