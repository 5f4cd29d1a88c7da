//! Packets to virtual addresses that must not be accepted (RFC 9568, 6.1, Accept_Mode false).
//!
//! Owns one nftables table with two sets of addresses, whose packets are dropped on their way into this machine, but for
//! neighbour discovery (ARP does not pass here). The table is owned by the socket that made it: the kernel removes it
//! when this program ends, however it ends, and nobody else's reload of a firewall touches it (Linux 5.12). Without an
//! address to keep it makes no table. It decides nothing about addresses.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvfrom, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::netlink::codec::{Batch, messages};

const TABLE: &str = "holdfast-vipd";
const CHAIN: &str = "input";

// linux/netfilter/nfnetlink.h, nf_tables.h
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
const SUBSYSTEM: u16 = 10;
const NEW_TABLE: u16 = 0;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_ELEMENT: u16 = 12;
const DELETE_ELEMENT: u16 = 14;
const ROOM: usize = 4 << 20;
/// `NFPROTO_INET`: both families.
const INET: u8 = 1;
const ERROR: u16 = 2;
const REQUEST: u16 = 0x1;
const ACK: u16 = 0x4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// `NFTA_LIST_ELEM`, and the first attribute of nearly everything.
const ELEMENT: u16 = 1;
const VALUE: u16 = 1;

/// The two sets: name, `nft`'s number for the type, length, what a packet's family is and where its destination stands.
struct Set {
    name: &'static str,
    kind: u32,
    length: u32,
    family: u8,
    destination: u32,
}

const SETS: [Set; 2] = [
    Set { name: "refused4", kind: 7, length: 4, family: 2, destination: 16 },
    Set { name: "refused6", kind: 8, length: 16, family: 10, destination: 24 },
];

/// The table, once there is one.
#[derive(Debug, Default)]
pub(crate) struct Fence {
    socket: Option<OwnedFd>,
    sequence: u32,
    batch: Batch,
}

impl Fence {
    /// Drops what comes for these addresses from now on.
    ///
    /// # Errors
    /// The kernel's reason, and nothing is changed.
    pub(crate) fn refuse(&mut self, addresses: &[IpAddr]) -> Result<(), Errno> {
        if addresses.is_empty() {
            return Ok(());
        }
        if self.socket.is_none() {
            let opened = open()?;
            self.socket = Some(opened);
            if let Err(errno) = self.transact(make) {
                self.socket = None;
                return Err(errno);
            }
        }
        self.transact(|batch| elements(batch, NEW_ELEMENT, addresses))
    }

    /// Lets pass what comes for these addresses again.
    ///
    /// # Errors
    /// The kernel's reason, and nothing is changed.
    pub(crate) fn accept(&mut self, addresses: &[IpAddr]) -> Result<(), Errno> {
        if addresses.is_empty() || self.socket.is_none() {
            return Ok(());
        }
        self.transact(|batch| {
            // What is not there can't be removed, and all would fail.
            elements(batch, NEW_ELEMENT, addresses);
            elements(batch, DELETE_ELEMENT, addresses);
        })
    }

    /// Has the messages that `fill` writes carried out, all or none.
    fn transact(&mut self, fill: impl FnOnce(&mut Transaction<'_>)) -> Result<(), Errno> {
        let Some(socket) = &self.socket else { return Err(Errno::EBADF) };
        self.batch.clear();
        let first = self.sequence.wrapping_add(1);
        let mut transaction = Transaction { batch: &mut self.batch, sequence: first };
        transaction.frame(BEGIN);
        fill(&mut transaction);
        transaction.frame(END);
        let end = transaction.sequence.wrapping_sub(1);
        self.sequence = end;
        send(socket.as_raw_fd(), self.batch.bytes(), MsgFlags::empty())?;
        let mut buffer = [0; 4096];
        let mut failure = None;
        loop {
            let length = match recvfrom::<NetlinkAddr>(socket.as_raw_fd(), &mut buffer) {
                Ok((_, Some(sender))) if sender.pid() != 0 => continue,
                Ok((length, _)) => length,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno),
            };
            for message in messages(buffer.get(..length).unwrap_or_default()) {
                // Of an earlier transaction that was given up.
                if message.kind != ERROR || message.sequence.wrapping_sub(first) > end.wrapping_sub(first) {
                    continue;
                }
                let code = message.payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                if code != 0 {
                    failure.get_or_insert(Errno::from_raw(-code));
                }
                // The last word but the frame's is answered in any case, after all that failed.
                if message.sequence.wrapping_add(1) == end {
                    return failure.map_or(Ok(()), Err);
                }
            }
        }
    }
}

/// Messages between a beginning and an end.
struct Transaction<'b> {
    batch: &'b mut Batch,
    sequence: u32,
}

impl Transaction<'_> {
    fn number(&mut self) -> u32 {
        let number = self.sequence;
        self.sequence = number.wrapping_add(1);
        number
    }

    fn frame(&mut self, kind: u16) {
        let number = self.number();
        let [high, low] = SUBSYSTEM.to_be_bytes();
        self.batch.add(kind, REQUEST, number, |batch| batch.fixed(&[0, 0, high, low]));
    }

    fn add(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Batch)) {
        let number = self.number();
        self.batch.add(SUBSYSTEM << 8 | kind, REQUEST | ACK | flags, number, |batch| {
            batch.fixed(&[INET, 0, 0, 0]);
            fill(batch);
        });
    }
}

fn open() -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(2))?;
    // Answers to some thousand messages at once.
    let _ = setsockopt(&fd, sockopt::RcvBufForce, &ROOM);
    Ok(fd)
}

/// A number, as everywhere in nftables in network order.
fn number(batch: &mut Batch, kind: u16, value: u32) {
    batch.attribute(kind, &value.to_be_bytes());
}

/// The table, its sets, and the chain with its rules.
fn make(transaction: &mut Transaction<'_>) {
    /// `NFT_TABLE_F_OWNER`.
    const OWNED: u32 = 2;
    /// `NF_INET_LOCAL_IN`.
    const LOCAL_IN: u32 = 1;
    /// Before what filters, and before the director.
    const PRIORITY: i32 = -10;
    const ACCEPT: u32 = 1;
    transaction.add(NEW_TABLE, CREATE, |batch| {
        batch.text(1, TABLE);
        number(batch, 2, OWNED);
    });
    for (at, set) in (1..).zip(&SETS) {
        transaction.add(NEW_SET, CREATE, |batch| {
            batch.text(1, TABLE);
            batch.text(2, set.name);
            number(batch, 3, 0);
            number(batch, 4, set.kind);
            number(batch, 5, set.length);
            number(batch, 10, at);
        });
    }
    transaction.add(NEW_CHAIN, CREATE, |batch| {
        batch.text(1, TABLE);
        batch.text(3, CHAIN);
        batch.nested(4, |batch| {
            number(batch, 1, LOCAL_IN);
            batch.attribute(2, &PRIORITY.to_be_bytes());
        });
        number(batch, 5, ACCEPT);
        batch.text(7, "filter");
    });
    // Neighbour solicitations and advertisements.
    for kind in [135, 136] {
        rule(transaction, |batch| {
            meta(batch, META_PROTOCOL);
            equal(batch, 58);
            payload(batch, TRANSPORT, 0, 1);
            equal(batch, kind);
            verdict(batch, ACCEPT);
        });
    }
    for set in &SETS {
        rule(transaction, |batch| {
            meta(batch, META_FAMILY);
            equal(batch, set.family);
            payload(batch, NETWORK, set.destination, set.length);
            expression(batch, "lookup", |batch| {
                batch.text(1, set.name);
                number(batch, 2, REGISTER);
            });
            expression(batch, "counter", |_| {});
            verdict(batch, 0);
        });
    }
}

/// Elements of the sets.
fn elements(transaction: &mut Transaction<'_>, kind: u16, addresses: &[IpAddr]) {
    for address in addresses {
        transaction.add(kind, if kind == NEW_ELEMENT { CREATE } else { 0 }, |batch| {
            let [four, six] = &SETS;
            batch.text(1, TABLE);
            batch.text(2, if address.is_ipv4() { four.name } else { six.name });
            batch.nested(3, |batch| {
                batch.nested(ELEMENT, |batch| {
                    batch.nested(1, |batch| match address {
                        IpAddr::V4(address) => batch.attribute(VALUE, &address.octets()),
                        IpAddr::V6(address) => batch.attribute(VALUE, &address.octets()),
                    });
                });
            });
        });
    }
}

/// `NFT_REG_1`.
const REGISTER: u32 = 1;
/// `NFT_META_NFPROTO` and `NFT_META_L4PROTO`.
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

fn rule(transaction: &mut Transaction<'_>, fill: impl FnOnce(&mut Batch)) {
    transaction.add(NEW_RULE, CREATE | APPEND, |batch| {
        batch.text(1, TABLE);
        batch.text(2, CHAIN);
        batch.nested(4, fill);
    });
}

fn expression(batch: &mut Batch, name: &str, fill: impl FnOnce(&mut Batch)) {
    batch.nested(ELEMENT, |batch| {
        batch.text(1, name);
        batch.nested(2, fill);
    });
}

fn meta(batch: &mut Batch, key: u32) {
    expression(batch, "meta", |batch| {
        number(batch, 1, REGISTER);
        number(batch, 2, key);
    });
}

fn payload(batch: &mut Batch, base: u32, offset: u32, length: u32) {
    expression(batch, "payload", |batch| {
        number(batch, 1, REGISTER);
        number(batch, 2, base);
        number(batch, 3, offset);
        number(batch, 4, length);
    });
}

fn equal(batch: &mut Batch, value: u8) {
    expression(batch, "cmp", |batch| {
        number(batch, 1, REGISTER);
        number(batch, 2, 0);
        batch.nested(3, |batch| batch.attribute(VALUE, &[value]));
    });
}

fn verdict(batch: &mut Batch, code: u32) {
    expression(batch, "immediate", |batch| {
        number(batch, 1, 0);
        batch.nested(2, |batch| batch.nested(2, |batch| number(batch, 1, code)));
    });
}
