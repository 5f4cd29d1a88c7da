//! Manual pages in roff, from `--help` and from Markdown.
//!
//! Owns the small part of both that our texts use. It reads and writes no file.

/// A line of text: no character in it means anything to roff.
fn plain(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// Markdown's code, emphasis and links; of a link its text is left.
fn inline(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[', '*']) {
        let (before, from) = rest.split_at(at);
        out.push_str(&plain_middle(before));
        let taken = match from.as_bytes()[0] {
            b'`' => from[1..].find('`').map(|end| (bold(&from[1..=end]), end + 2)),
            b'[' => link(from),
            _ if from.starts_with("**") => from[2..].find("**").map(|end| (bold(&from[2..end + 2]), end + 4)),
            _ => {
                from[1..].find('*').map(|end| (format!("\\fI{}\\fR", plain_middle(&from[1..=end])), end + 2))
            }
        };
        let (piece, length) = taken.unwrap_or_else(|| (plain_middle(&from[..1]), 1));
        out.push_str(&piece);
        rest = &from[length..];
    }
    out.push_str(&plain_middle(rest));
    if out.starts_with(['.', '\'']) { format!("\\&{out}") } else { out }
}

fn plain_middle(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", plain_middle(text))
}

fn link(from: &str) -> Option<(String, usize)> {
    // Brackets in code belong to the text: [`[lvs]`](#lvs).
    let middle = from.find("](")?;
    let end = from[middle..].find(')')? + middle;
    let text = &from[1..middle];
    let text = text.trim_matches('`');
    (!text.contains('\n')).then(|| (bold(text), end + 1))
}

fn head(name: &str, section: u8) -> String {
    format!(".TH {} {section} \"\" \"Holdfast\" \"Holdfast\"\n", name.to_uppercase())
}

/// The page of a daemon, from what it says of itself.
pub fn daemon(name: &str, help: &str, files: &[(&str, &str)], remark: &str) -> String {
    let (about, rest) = help.split_once("\n\n").expect("help begins with what it is");
    let (usage, options) = rest.split_once("\n\nOptions:\n").expect("help has options");
    let usage = usage.trim_start_matches("Usage:").trim();
    let mut out = head(name, 8);
    out += &format!(".SH NAME\n{name} \\- {}\n", plain(about));
    out += &format!(".SH SYNOPSIS\n.B {}\n", plain(usage));
    out += &format!(".SH DESCRIPTION\n{}.\n.PP\n{}\n", plain(about), plain(remark));
    out += ".SH OPTIONS\n";
    for block in options.trim_end().split("\n\n").flat_map(|block| block.split("\n          \n")) {
        for line in block.lines() {
            let text = line.trim();
            if text.is_empty() {
                continue;
            }
            if text.starts_with('-') && line.find('-').is_some_and(|at| at <= 6) {
                out += &format!(".TP\n\\fB{}\\fR\n", plain(text));
            } else if let Some(value) = text.strip_prefix("- ") {
                out += &format!(".br\n{}\n", plain(value));
            } else {
                out += &format!("{}\n", plain(text));
            }
        }
    }
    out += ".SH SIGNALS\n.TP\n.B SIGHUP\nReads the configuration again. One with mistakes changes nothing.\n";
    out += ".TP\n.B SIGTERM, SIGINT\nEnds it.\n";
    out += ".SH EXIT STATUS\n0 when it was ended by a signal; 1 when it could not start or go on; 2 when the command line or the configuration is wrong.\n";
    out += ".SH FILES\n.TP\n.I /etc/holdfast/holdfast.toml\nThe configuration.\n";
    for (path, what) in files {
        out += &format!(".TP\n.I {}\n{}.\n", plain(path), plain(what));
    }
    out +=
        &format!(".SH SEE ALSO\n.BR holdfast (1),\n.BR holdfast.toml (5),\n.I holdfast\\-{name}.service\n");
    out
}

/// The page of the configuration, from its reference.
pub fn configuration(guide: &str) -> String {
    let mut out = head("holdfast.toml", 5);
    out += ".SH NAME\nholdfast.toml \\- Holdfast\\(aqs configuration\n";
    let (mut code, mut table, mut paragraph) = (false, None::<Vec<String>>, false);
    for line in guide.lines().skip(1) {
        if let Some(rest) = line.strip_prefix("```") {
            code = !code;
            out += if code { ".PP\n.nf\n.RS 4\n" } else { ".RE\n.fi\n" };
            assert!(code || rest.is_empty());
            continue;
        }
        if code {
            out += &format!("{}\n", plain(line));
            continue;
        }
        if let Some(row) = line.strip_prefix('|') {
            let cells = cells(row);
            match &table {
                None => table = Some(cells),
                Some(_) if cells.iter().all(|cell| cell.chars().all(|c| matches!(c, '-' | ':'))) => {}
                Some(heads) => out += &table_row(heads, &cells),
            }
            paragraph = false;
            continue;
        }
        table = None;
        let text = line.trim_start();
        match text {
            "" => paragraph = false,
            _ if text.starts_with("## ") => {
                out += &format!(".SH {}\n", inline(&text[3..].replace('`', "").to_uppercase()));
            }
            _ if text.starts_with('#') => {
                out += &format!(".SS {}\n", inline(&text.trim_start_matches('#').trim().replace('`', "")));
            }
            _ => {
                if let Some(item) = text.strip_prefix("- ") {
                    out += &format!(".IP \\(bu 2\n{}\n", inline(item));
                } else {
                    if !paragraph {
                        out += ".PP\n";
                    }
                    out += &format!("{}\n", inline(text));
                }
                paragraph = true;
            }
        }
    }
    out += ".SH SEE ALSO\n.BR holdfast (1),\n.BR holdfast\\-check\\-config (1)\n";
    out
}

/// The cells of a row; a bar in code or behind a backslash is no border.
fn cells(row: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in row.trim_end().trim_end_matches('|').chars() {
        match c {
            '|' if !quoted && !escaped => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            '\\' if !escaped => {
                escaped = true;
                continue;
            }
            _ => {
                quoted ^= c == '`' && !escaped;
                if escaped && c != '|' {
                    cell.push('\\');
                }
                cell.push(c);
            }
        }
        escaped = false;
    }
    cells.push(cell.trim().to_owned());
    cells
}

/// The key; what it takes; what it means.
fn table_row(heads: &[String], cells: &[String]) -> String {
    let mut out = format!(".TP\n{}\n", inline(cells.first().map(String::as_str).unwrap_or_default()));
    let mut said = Vec::new();
    for (head, cell) in heads.iter().zip(cells).skip(1) {
        if cell.is_empty() || cell == "\u{2013}" {
            continue;
        }
        let named = matches!(head.as_str(), "default" | "limits");
        said.push(if named { format!("{head} {}", inline(cell)) } else { inline(cell) });
    }
    out += &format!("{}\n", said.join("; ").trim_start_matches(['.', '\'']));
    out
}
