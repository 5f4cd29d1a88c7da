//! What goes straight onto an Ethernet segment: announcements out, claims of our addresses in.
//!
//! Owns one packet socket of an interface, the queue of frames that a rate limit holds back, and the filter in the kernel
//! that lets only ARP from the virtual addresses pass. It decides neither when to announce nor what a claim means.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use vrrp_core::Time;
use vrrp_core::announce::{ArpForm, ArpFrame, Mac, NA_FRAME_LENGTH, gratuitous_arp, unsolicited_na};

use crate::sys;

const ETHERTYPE_ARP: u16 = 0x0806;
/// Frames that wait at most; what is more is dropped and counted. A round of 255 routers with some addresses each.
const QUEUE: usize = 4096;
/// The longest filter's list of addresses; with more, all ARP is read.
const FILTERED: usize = 200;

/// A frame that waits.
#[derive(Debug, Clone, Copy)]
struct Frame {
    bytes: [u8; NA_FRAME_LENGTH],
    length: usize,
}

/// The packet socket of an interface.
#[derive(Debug)]
pub(crate) struct Segment {
    out: Socket,
    arp: Socket,
    queue: VecDeque<Frame>,
    /// Least time between two frames.
    spacing: Duration,
    /// How many may go at once after a pause.
    burst: u32,
    /// The moment up to which sending is paid for.
    paid: Time,
    dropped: u64,
}

impl Segment {
    /// Opens the sockets of an interface. At most `rate` frames a second are sent, after a pause a tenth of that at once.
    pub(crate) fn open(interface: u32, rate: u32) -> io::Result<Self> {
        let kind = Type::RAW.cloexec().nonblocking();
        // Protocol 0: it receives nothing.
        let out = Socket::new(Domain::PACKET, kind, None)?;
        sys::bind_packet(out.as_fd(), interface, 0)?;
        let arp = Socket::new(Domain::PACKET, kind, Some(Protocol::from(0)))?;
        arp.attach_filter(&[SockFilter::new(0x06, 0, 0, 0)])?;
        sys::bind_packet(arp.as_fd(), interface, ETHERTYPE_ARP)?;
        let rate = rate.max(10);
        Ok(Self {
            out,
            arp,
            queue: VecDeque::with_capacity(QUEUE),
            spacing: Duration::from_secs(1) / rate,
            burst: rate / 10,
            paid: Time::ZERO,
            dropped: 0,
        })
    }

    /// Where ARP arrives.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.arp.as_fd()
    }

    /// Lets ARP pass whose sender has one of these addresses, nothing else.
    pub(crate) fn listen_for(&self, addresses: &[Ipv4Addr]) -> io::Result<()> {
        self.arp.attach_filter(&filter(addresses))
    }

    /// Takes one ARP frame, without waiting.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Option<ArpFrame> {
        let length = recv(self.arp.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT).ok()?;
        ArpFrame::read(buffer.get(..length)?)
    }

    /// Announces that `address` is at `mac`, by a gratuitous ARP of this form or an unsolicited neighbour advertisement.
    pub(crate) fn announce(&mut self, address: IpAddr, mac: Mac, form: ArpForm, is_router: bool) {
        match address {
            IpAddr::V4(address) => self.push(&gratuitous_arp(form, mac, address)),
            IpAddr::V6(address) => self.push(&unsolicited_na(mac, address, is_router)),
        }
    }

    /// Puts a frame behind those that wait.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let mut frame = Frame { bytes: [0; NA_FRAME_LENGTH], length: bytes.len().min(NA_FRAME_LENGTH) };
        for (slot, byte) in frame.bytes.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        if self.queue.len() < QUEUE {
            self.queue.push_back(frame);
        } else {
            self.dropped += 1;
        }
    }

    /// Sends what may go now. A frame that the kernel refuses is lost: another round follows.
    pub(crate) fn pump(&mut self, now: Time) {
        let credit = self.spacing * self.burst;
        self.paid = self.paid.max(now.before(credit));
        while self.paid <= now {
            let Some(frame) = self.queue.pop_front() else { return };
            if self.out.send(frame.bytes.get(..frame.length).unwrap_or_default()).is_err() {
                self.dropped += 1;
            }
            self.paid = self.paid + self.spacing;
        }
    }

    /// When more may go.
    pub(crate) fn deadline(&self) -> Option<Time> {
        (!self.queue.is_empty()).then_some(self.paid)
    }
}

/// A program that passes ARP frames of others whose sender has one of the addresses (`linux/filter.h`).
fn filter(addresses: &[Ipv4Addr]) -> Vec<SockFilter> {
    const LD_WORD: u16 = 0x20;
    const JEQ: u16 = 0x15;
    const RET: u16 = 0x06;
    /// `SKF_AD_OFF + SKF_AD_PKTTYPE`.
    const PACKET_TYPE: u32 = 0xffff_f004;
    const OUTGOING: u32 = 4;
    /// Where an ARP frame has its sender's IPv4 address.
    const SENDER: u32 = 28;
    let mut program = vec![
        SockFilter::new(LD_WORD, 0, 0, PACKET_TYPE),
        SockFilter::new(JEQ, 0, 1, OUTGOING),
        SockFilter::new(RET, 0, 0, 0),
    ];
    if addresses.len() > FILTERED {
        program.push(SockFilter::new(RET, 0, 0, 0xffff));
        return program;
    }
    program.push(SockFilter::new(LD_WORD, 0, 0, SENDER));
    for address in addresses {
        program.push(SockFilter::new(JEQ, 0, 1, u32::from(*address)));
        program.push(SockFilter::new(RET, 0, 0, 0xffff));
    }
    program.push(SockFilter::new(RET, 0, 0, 0));
    program
}
