//! Walks over messages and attributes in a buffer. Every length is checked, every step goes forward.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::types::Family;

/// Bytes of a netlink header.
pub(super) const HEADER: usize = 16;
/// Bytes of a generic-netlink header.
pub(super) const GENERIC: usize = 4;
/// `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`: not part of the type.
const TYPE_MASK: u16 = 0x3fff;

/// Why bytes are not what the kernel would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Less bytes than a header or its length field says.
    #[error("the {0} is cut short")]
    Truncated(&'static str),
    /// An attribute of a wrong size.
    #[error("{object} attribute {attribute} has {len} bytes")]
    Length {
        /// `service`, `destination`, …
        object: &'static str,
        /// Its number in `linux/ip_vs.h`.
        attribute: u16,
        /// The size it has.
        len: usize,
    },
    /// An attribute with a value that means nothing.
    #[error("{object} attribute {attribute} has a value of no meaning")]
    Value {
        /// `service`, `destination`, …
        object: &'static str,
        /// Its number in `linux/ip_vs.h`.
        attribute: u16,
    },
    /// An attribute that must be there and is not.
    #[error("{object} attribute {attribute} is missing")]
    Missing {
        /// `service`, `destination`, …
        object: &'static str,
        /// Its number in `linux/ip_vs.h`.
        attribute: u16,
    },
}

/// One netlink message in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'b> {
    /// 1 to 15 for netlink's own messages, else the number of a family.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The sequence number of the request it answers.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'b [u8],
}

/// The messages in a buffer, one after the other; ends after the first error.
pub fn messages(buffer: &[u8]) -> impl Iterator<Item = Result<Message<'_>, DecodeError>> {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = message(&mut rest);
        if message.is_err() {
            rest = &[];
        }
        Some(message)
    })
}

fn message<'b>(rest: &mut &'b [u8]) -> Result<Message<'b>, DecodeError> {
    let truncated = DecodeError::Truncated("message");
    let len = u32_at(rest, 0).ok_or(truncated)? as usize;
    let body = rest.get(HEADER..len).ok_or(truncated)?;
    let message = Message {
        kind: u16_at(rest, 4).ok_or(truncated)?,
        flags: u16_at(rest, 6).ok_or(truncated)?,
        sequence: u32_at(rest, 8).ok_or(truncated)?,
        payload: body,
    };
    // `len` is at least a header, so this moves on; the last message may go without its padding.
    *rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    Ok(message)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// One attribute of some object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'b> {
    /// What it is an attribute of, for errors.
    pub object: &'static str,
    pub kind: u16,
    pub value: &'b [u8],
}

/// The attributes in a buffer; ends after the first error.
pub(super) fn attributes<'b>(
    buffer: &'b [u8],
    object: &'static str,
) -> impl Iterator<Item = Result<Attribute<'b>, DecodeError>> {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let attribute = attribute(&mut rest, object);
        if attribute.is_err() {
            rest = &[];
        }
        Some(attribute)
    })
}

fn attribute<'b>(rest: &mut &'b [u8], object: &'static str) -> Result<Attribute<'b>, DecodeError> {
    let truncated = DecodeError::Truncated(object);
    let len = usize::from(u16_at(rest, 0).ok_or(truncated)?);
    let kind = u16_at(rest, 2).ok_or(truncated)? & TYPE_MASK;
    let value = rest.get(4..len).ok_or(truncated)?;
    *rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    Ok(Attribute { object, kind, value })
}

impl<'b> Attribute<'b> {
    fn length(&self) -> DecodeError {
        DecodeError::Length { object: self.object, attribute: self.kind, len: self.value.len() }
    }

    pub fn invalid(&self) -> DecodeError {
        DecodeError::Value { object: self.object, attribute: self.kind }
    }

    /// The attributes inside this one.
    pub fn nested(
        &self,
        object: &'static str,
    ) -> impl Iterator<Item = Result<Attribute<'b>, DecodeError>> + use<'b> {
        attributes(self.value, object)
    }

    fn array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.value.try_into().map_err(|_| self.length())
    }

    pub fn u8(&self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    pub fn u16(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_ne_bytes)
    }

    /// A port, in network byte order.
    pub fn port(&self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_ne_bytes)
    }

    /// A counter of either width.
    pub fn counter(&self) -> Result<u64, DecodeError> {
        match self.value.len() {
            4 => self.u32().map(u64::from),
            _ => self.array().map(u64::from_ne_bytes),
        }
    }

    /// The first word of a structure that may grow.
    pub fn first_u32(&self) -> Result<u32, DecodeError> {
        u32_at(self.value, 0).ok_or_else(|| self.length())
    }

    /// An IPv4 mask, in network byte order.
    pub fn mask(&self) -> Result<Ipv4Addr, DecodeError> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// An address; IPv4 in the first four bytes.
    pub fn address(&self, family: Family) -> Result<IpAddr, DecodeError> {
        match family {
            Family::Ipv4 => match self.value.first_chunk::<4>() {
                Some(bytes) => Ok(Ipv4Addr::from(*bytes).into()),
                None => Err(self.length()),
            },
            Family::Ipv6 => self.array::<16>().map(|bytes| Ipv6Addr::from(bytes).into()),
        }
    }

    pub fn family(&self) -> Result<Family, DecodeError> {
        match self.u16()? {
            super::af::INET => Ok(Family::Ipv4),
            super::af::INET6 => Ok(Family::Ipv6),
            _ => Err(self.invalid()),
        }
    }

    /// Text up to its NUL.
    pub fn text(&self) -> Result<&'b str, DecodeError> {
        let end = self.value.iter().position(|&b| b == 0).unwrap_or(self.value.len());
        let bytes = self.value.get(..end).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| self.invalid())
    }
}
