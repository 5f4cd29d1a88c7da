//! The two text forms: OpenMetrics 1.0.0, and the older one of Prometheus (0.0.4) for those who do not ask for it.
//!
//! Owns metadata lines, suffixes and the escaping of label values. It knows no metric.

use std::fmt::{self, Write as _};

use axum::body::Bytes;

/// The form of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Prometheus text 0.0.4: metadata under the samples' own names, no units, no kind for facts.
    Classic,
}

/// What kind of metric a family is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A value that only rises; samples end in `_total`.
    Counter,
    /// Facts as labels of a 1; samples end in `_info`.
    Info,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Info => "info",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Gauge => "",
            Self::Counter => "_total",
            Self::Info => "_info",
        }
    }
}

/// Units that a name may end with.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// An exposition that is being written.
#[derive(Debug)]
pub struct Exposition {
    text: String,
    form: Form,
    name: &'static str,
    kind: Kind,
}

impl Exposition {
    pub fn new(form: Form) -> Self {
        Self { text: String::with_capacity(32 << 10), form, name: "", kind: Kind::Gauge }
    }

    /// Begins a family. Its samples follow.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        (self.name, self.kind) = (name, kind);
        let (suffix, word) = match (self.form, kind) {
            (Form::OpenMetrics, kind) => ("", kind.as_str()),
            (Form::Classic, Kind::Info) => (kind.suffix(), Kind::Gauge.as_str()),
            (Form::Classic, kind) => (kind.suffix(), kind.as_str()),
        };
        self.write(format_args!("# TYPE {name}{suffix} {word}\n"));
        let unit = UNITS.iter().find(|unit| name.rsplit('_').next() == Some(unit));
        if let (Form::OpenMetrics, Some(unit)) = (self.form, unit) {
            self.write(format_args!("# UNIT {name} {unit}\n"));
        }
        self.write(format_args!("# HELP {name}{suffix} {help}\n"));
    }

    /// A sample of the family that was begun last.
    pub fn sample(&mut self, labels: &[(&'static str, &str)], value: impl fmt::Display) {
        self.text.push_str(self.name);
        self.text.push_str(self.kind.suffix());
        for (index, (label, value)) in labels.iter().enumerate() {
            self.text.push(if index == 0 { '{' } else { ',' });
            self.text.push_str(label);
            self.text.push_str("=\"");
            for c in value.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.write(format_args!(" {value}\n"));
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.text.write_fmt(text);
    }

    pub fn finish(mut self) -> Bytes {
        if self.form == Form::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        Bytes::from(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_suffixes_put_on() {
        let write = |form| {
            let mut out = Exposition::new(form);
            out.family("a_seconds", Kind::Gauge, "Help.");
            out.sample(&[("x", "a\"b\\c\nd} 1"), ("y", "")], "0.5");
            out.family("b", Kind::Counter, "Help.");
            out.sample(&[], 7);
            out.family("c", Kind::Info, "Help.");
            out.finish()
        };
        assert_eq!(
            write(Form::OpenMetrics),
            "# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# HELP a_seconds Help.\n\
             a_seconds{x=\"a\\\"b\\\\c\\nd} 1\",y=\"\"} 0.5\n# TYPE b counter\n# HELP b Help.\nb_total 7\n# TYPE c info\n# HELP c Help.\n# EOF\n"
        );
        assert_eq!(
            write(Form::Classic),
            "# TYPE a_seconds gauge\n# HELP a_seconds Help.\n\
             a_seconds{x=\"a\\\"b\\\\c\\nd} 1\",y=\"\"} 0.5\n# TYPE b_total counter\n# HELP b_total Help.\nb_total 7\n\
             # TYPE c_info gauge\n# HELP c_info Help.\n"
        );
    }
}
