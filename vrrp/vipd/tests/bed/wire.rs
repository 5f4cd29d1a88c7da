//! Frames that no host sends: claims, and floods.
//!
//! Owns the packet socket in a namespace. Which bytes are sent is the test's.

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};
use vrrp_core::announce::{ArpForm, gratuitous_arp};
use vrrp_core::codec::{AdvertInterval, Authentication, ChecksumForm, Ipv4Header, Outgoing, Version, Vrid};

use super::priority::first_in_line;
use super::{VIP, inside};

/// Frames that one system call sends.
const BURST: usize = 64;

/// A packet socket on `eth0` of a namespace, from which everything is sent as it is.
fn packet_socket(namespace: &str) -> Socket {
    inside(namespace, || {
        let index = nix::net::if_::if_nametoindex("eth0").expect("eth0");
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).expect("a packet socket");
        let mut storage = SockAddrStorage::zeroed();
        // SAFETY: sockaddr_ll is plain integers, and fits into the storage.
        let address = unsafe {
            let ll = storage.view_as::<libc::sockaddr_ll>();
            ll.sll_family = libc::AF_PACKET as u16;
            ll.sll_ifindex = index as i32;
            ll.sll_halen = 6;
            SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as u32)
        };
        socket.bind(&address).expect("bound to eth0");
        socket
    })
}

/// Says on the segment, in a namespace, that an address is at a MAC that nobody has.
pub fn claim(namespace: &str, address: &str) {
    let address = address.parse().expect("an IPv4 address");
    let frame = gratuitous_arp(ArpForm::Request, [2, 0, 0, 0, 0, 0x66], address);
    packet_socket(namespace).send(&frame).expect("a frame is sent");
}

/// An advert as bytes of an IPv4 packet, from the client's address.
pub fn advert(vrid: u8, priority: u8, interval: u16, ttl: u8) -> Vec<u8> {
    let addresses: [IpAddr; 1] = [VIP.parse().expect("an address")];
    let outgoing = Outgoing {
        version: Version::V3,
        vrid: Vrid::new(vrid).expect("not 0"),
        priority,
        interval: AdvertInterval::from_centiseconds(interval).expect("an interval"),
        addresses: &addresses,
        authentication: &Authentication::None,
        checksum: ChecksumForm::PseudoHeader,
        source: Ipv4Addr::new(10, 9, 0, 100).into(),
        destination: Ipv4Addr::new(224, 0, 0, 18).into(),
    };
    let mut packet = Vec::new();
    outgoing.ipv4_packet(Ipv4Header { identification: 1, ttl, sequence: 0 }, &mut packet).expect("written");
    packet
}

/// Sends one IPv4 packet to the group's MAC address over and over, until it is dropped or asked for its rate.
pub struct Flood {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<f64>>,
}

impl Flood {
    /// So many packets a second, as evenly as a busy machine allows.
    pub fn start(namespace: &str, packet: &[u8], rate: f64) -> Self {
        let socket = packet_socket(namespace);
        let mut frame = vec![1, 0, 0x5e, 0, 0, 0x12, 2, 0, 0, 0, 0, 0x66, 8, 0];
        frame.extend_from_slice(packet);
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = thread::spawn(move || {
            first_in_line();
            let (begin, mut sent) = (Instant::now(), 0.0);
            while !stop.load(Ordering::Relaxed) {
                let due = begin.elapsed().as_secs_f64() * rate - sent;
                if due < 1.0 {
                    thread::sleep(Duration::from_micros(100));
                    continue;
                }
                sent += send_many(&socket, &frame, (due as usize).min(BURST)) as f64;
            }
            sent / begin.elapsed().as_secs_f64()
        });
        Self { stopping, thread: Some(thread) }
    }

    /// Ends it and says how many packets a second it sent.
    pub fn finish(mut self) -> f64 {
        self.stopping.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("no panic")
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
    }
}

/// Sends a frame `count` times by one system call; says how often it was taken.
fn send_many(socket: &Socket, frame: &[u8], count: usize) -> usize {
    let mut part = libc::iovec { iov_base: frame.as_ptr().cast_mut().cast(), iov_len: frame.len() };
    // SAFETY: mmsghdr is plain integers and pointers, for which all zeroes are valid.
    let mut messages: [libc::mmsghdr; BURST] = unsafe { std::mem::zeroed() };
    for message in &mut messages {
        message.msg_hdr.msg_iov = &raw mut part;
        message.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: `count` is at most the array's length; frame and part outlive the call, which only reads them.
    let sent = unsafe {
        libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count.min(BURST) as u32, libc::MSG_DONTWAIT)
    };
    sent.max(0) as usize
}
