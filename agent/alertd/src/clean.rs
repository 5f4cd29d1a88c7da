//! Making texts harmless.
//!
//! Owns what may be in a line that people read. Names and TXT data from the network are in there: nothing of it may end a
//! header, begin another one, move a terminal's cursor, turn the reading direction or be taken for markup.

/// The longest line, in characters.
const LINE_MAX: usize = 400;
/// The longest subject, in characters.
pub const SUBJECT_MAX: usize = 120;

/// `text` as one line without characters that do something.
pub fn line(text: &str) -> String {
    cut(text, LINE_MAX)
}

/// The same, of at most `limit` characters.
pub fn cut(text: &str, limit: usize) -> String {
    let mut line: String = text.chars().take(limit + 1).map(|c| if acts(c) { ' ' } else { c }).collect();
    if line.chars().nth(limit).is_some() {
        line = line.chars().take(limit.saturating_sub(1)).chain(['…']).collect();
    }
    line.trim().to_owned()
}

/// Whether a character does something other than being seen.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` as one line of HTML text or of a quoted attribute.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts() {
        assert_eq!(line("a\r\nBcc: x@y\0\u{1b}[31m\u{202e}z\u{200b}"), "a  Bcc: x@y  [31m z");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(html("<b a=\"x\" b='y'>&\n"), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
    }
}
