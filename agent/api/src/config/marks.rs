//! `probe_interface`, `probe_mark`, `probe_dscp`: what the packets of probes carry and leave by, beside their addresses.
//!
//! Owns these keys of virtual and real servers. Whether there is such an interface shows when a probe is sent: it may come and
//! go.

use super::book::{Book, quoted};
use super::table::{Given, Table};

/// The longest name of an interface: IFNAMSIZ without the zero octet.
const INTERFACE_MAX: usize = 15;

/// What the packets of probes carry and leave by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProbeMarks {
    /// `probe_interface`: the interface or VRF that they leave by.
    pub interface: Option<String>,
    /// `probe_mark`: the mark that routing and filter rules see. Takes CAP_NET_ADMIN or CAP_NET_RAW.
    pub mark: Option<u32>,
    /// `probe_dscp`: the differentiated services code point, 0 to 63.
    pub dscp: Option<u8>,
    /// `source_port` of the check: the port that they come from; `None`: a fresh one each time.
    pub port: Option<u16>,
}

/// The keys as far as they were written.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawMarks<'t> {
    interface: Given<&'t str>,
    mark: Given<u32>,
    dscp: Given<u32>,
}

impl<'t> RawMarks<'t> {
    pub(super) fn read(book: &mut Book<'_>, table: &Table<'t>) -> Self {
        let interface = table.text(book, "probe_interface", "probe_interface = \"eth0\"");
        Self {
            interface: interface.convert(|text, at| {
                let good = |b: u8| b.is_ascii_graphic() && b != b'/';
                if (1..=INTERFACE_MAX).contains(&text.len()) && text.bytes().all(good) {
                    return Some(text);
                }
                let what = quoted(text);
                book.wrong(at, format!("probe_interface: {what} is no name of an interface; see `ip link`"));
                None
            }),
            mark: table.number(book, "probe_mark", 0..=u32::MAX),
            dscp: table.number(book, "probe_dscp", 0..=63),
        }
    }

    /// These, with what they leave out from `base`.
    pub(super) fn or_else(self, base: Self) -> Self {
        Self {
            interface: self.interface.or_else(base.interface),
            mark: self.mark.or_else(base.mark),
            dscp: self.dscp.or_else(base.dscp),
        }
    }

    /// What they say; `None` when something is wrong, which has been noted.
    pub(super) fn judged(self) -> Option<ProbeMarks> {
        Some(ProbeMarks {
            interface: self.interface.not_wrong()?.good().map(str::to_owned),
            mark: self.mark.not_wrong()?.good(),
            dscp: self.dscp.not_wrong()?.good().and_then(|dscp| u8::try_from(dscp).ok()),
            port: None,
        })
    }
}
