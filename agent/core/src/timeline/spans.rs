//! Spans of time without gaps, from changes.
//!
//! Owns the cutting: to a window, by what overrides it, and together where nothing changes.

use jiff::{SignedDuration, Timestamp};

/// Something from one moment to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<T> {
    /// Its first moment.
    pub from: Timestamp,
    /// The moment after its last.
    pub to: Timestamp,
    /// What it was.
    pub what: T,
}

impl<T> Span<T> {
    /// How long it lasted.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.to.duration_since(self.from)
    }
}

/// The window that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Window {
    /// Spans over the whole window: `before`, then each of `changes` until the next. Changes must be in order.
    pub(super) fn fill<T: Copy + PartialEq>(self, before: T, changes: &[(Timestamp, T)]) -> Vec<Span<T>> {
        let mut spans: Vec<Span<T>> = Vec::new();
        let starts = std::iter::once((self.from, before)).chain(changes.iter().copied());
        let ends = changes.iter().map(|(at, _)| *at).chain([self.to]);
        for ((from, what), to) in starts.zip(ends) {
            self.push(&mut spans, Span { from, to, what });
        }
        spans
    }

    /// `spans` with `what` wherever `over` is.
    pub(super) fn overlaid<T: Copy + PartialEq>(
        self,
        spans: &[Span<T>],
        over: &[Span<()>],
        what: T,
    ) -> Vec<Span<T>> {
        let mut out = Vec::new();
        for span in spans {
            let mut at = span.from;
            for hidden in over.iter().filter(|hidden| hidden.from < span.to && hidden.to > span.from) {
                self.push(&mut out, Span { from: at, to: hidden.from, what: span.what });
                let (from, to) = (hidden.from.max(span.from).max(at), hidden.to.min(span.to));
                self.push(&mut out, Span { from, to, what });
                at = at.max(to);
            }
            self.push(&mut out, Span { from: at, to: span.to, what: span.what });
        }
        out
    }

    /// Adds what of `span` is within the window; to the last one when that says the same.
    pub(super) fn push<T: PartialEq>(self, spans: &mut Vec<Span<T>>, span: Span<T>) {
        let (from, to) = (span.from.max(self.from), span.to.min(self.to));
        if from >= to {
            return;
        }
        match spans.last_mut() {
            Some(last) if last.what == span.what && last.to == from => last.to = to,
            _ => spans.push(Span { from, to, what: span.what }),
        }
    }
}

/// What `spans` say at `at`; they have no gaps.
pub(super) fn at<T: Copy>(spans: &[Span<T>], at: Timestamp) -> Option<T> {
    spans.iter().find(|span| span.from <= at && at < span.to).map(|span| span.what)
}
