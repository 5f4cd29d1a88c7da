//! Writing HTML in which no text can become markup.
//!
//! Owns escaping. Markup comes from the source code alone (`&'static str`), everything else goes through [`Html::text`].
//! Control characters and those that turn the direction of a line are shown by their number, as the command line does.

use std::fmt::{self, Write as _};

use axum::body::Bytes;

/// A piece of HTML.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    pub fn new() -> Self {
        Self(String::with_capacity(16 << 10))
    }

    /// Markup.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text from anywhere, for elements and for attributes in double quotes.
    pub fn text(&mut self, text: impl fmt::Display) -> &mut Self {
        // A string takes everything.
        let _ = write!(Escaped(&mut self.0), "{text}");
        self
    }

    /// Text that takes at most about `limit` bytes when it is escaped, with an ellipsis when there was more.
    pub fn brief(&mut self, text: &str, limit: usize) -> &mut Self {
        let end = self.0.len() + limit;
        for c in text.chars() {
            if self.0.len() >= end {
                return self.raw("…");
            }
            self.text(c);
        }
        self
    }

    /// How long it is, in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.0)
    }
}

/// Escapes what is written through it.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if is_unseen(c) => write!(self.0, "{}", c.escape_unicode())?,
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// Characters that show nothing, or change how others are shown.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        let mut html = Html::new();
        html.text(text);
        html.0
    }

    #[test]
    fn no_text_is_markup() {
        assert_eq!(
            html("<script>alert(\"1\" & '2')</script>"),
            "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;"
        );
        assert_eq!(
            html("a\0b\n\u{1b}[31m\u{202e}fdp\u{200b}"),
            "a\\u{0}b\\u{a}\\u{1b}[31m\\u{202e}fdp\\u{200b}"
        );
        assert_eq!(html("größe 日本 🙂"), "größe 日本 🙂");
    }

    #[test]
    fn brief_cuts_characters() {
        let mut long = Html::new();
        long.brief("größe<", 3).raw("|").brief("größe<", 9).raw("|").brief("<<<", 5);
        assert_eq!(long.0, "grö…|größe&lt;|&lt;&lt;…");
    }
}
