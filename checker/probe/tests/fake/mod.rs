//! Name servers that misbehave, on loopback.
//!
//! Owns sockets on a random port and the threads that serve them until the value is dropped. What a server does with a
//! query is a closure. It uses none of the code under test to build its replies.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The address that a right answer holds.
pub const RIGHT: [u8; 4] = [192, 0, 2, 80];
/// Another one.
pub const WRONG: [u8; 4] = [192, 0, 2, 99];

const TICK: Duration = Duration::from_millis(20);

/// A server that runs until it is dropped.
pub struct Fake {
    /// Where it listens, over UDP and TCP.
    pub addr: SocketAddr,
    /// Queries that came over UDP.
    pub queries: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

type OnDatagram = dyn Fn(&UdpSocket, SocketAddr, &[u8]) + Send;
type OnConnection = dyn Fn(TcpStream, &AtomicBool) + Send + Sync;

impl Fake {
    /// Serves UDP only; TCP to the same port is refused.
    pub fn udp(on_datagram: impl Fn(&UdpSocket, SocketAddr, &[u8]) + Send + 'static) -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into(), Box::new(on_datagram), None)
    }

    /// Serves both.
    pub fn both(
        on_datagram: impl Fn(&UdpSocket, SocketAddr, &[u8]) + Send + 'static,
        on_connection: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static,
    ) -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into(), Box::new(on_datagram), Some(Arc::new(on_connection)))
    }

    /// A server whose every UDP reply is truncated.
    pub fn truncating(on_connection: impl Fn(TcpStream, &AtomicBool) + Send + Sync + 'static) -> Self {
        Self::both(|socket, peer, query| send(socket, peer, &reply(query, 0x0200, &[])), on_connection)
    }

    /// Serves on an address.
    pub fn on(ip: IpAddr, on_datagram: Box<OnDatagram>, on_connection: Option<Arc<OnConnection>>) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind((ip, 0)).unwrap();
            // The same port may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, on_connection.is_some().then_some(tcp));
            }
        };
        let addr = udp.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let queries = Arc::new(AtomicUsize::new(0));
        udp.set_read_timeout(Some(TICK)).unwrap();
        let mut threads = Vec::new();
        let (halt, count) = (Arc::clone(&stop), Arc::clone(&queries));
        threads.push(std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !halt.load(Ordering::Relaxed) {
                if let Ok((length, peer)) = udp.recv_from(&mut buffer) {
                    count.fetch_add(1, Ordering::Relaxed);
                    on_datagram(&udp, peer, &buffer[..length]);
                }
            }
        }));
        if let (Some(tcp), Some(on_connection)) = (tcp, on_connection) {
            let halt = Arc::clone(&stop);
            tcp.set_nonblocking(true).unwrap();
            threads.push(std::thread::spawn(move || {
                std::thread::scope(|scope| {
                    while !halt.load(Ordering::Relaxed) {
                        match tcp.accept() {
                            Ok((stream, _)) => {
                                stream.set_nonblocking(false).unwrap();
                                let (serve, halt) = (&on_connection, &halt);
                                scope.spawn(move || serve(stream, halt));
                            }
                            Err(_) => std::thread::sleep(Duration::from_millis(2)),
                        }
                    }
                });
            }));
        }
        Self { addr, queries, stop, threads }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Sends a datagram; that the other side is gone is its own affair.
pub fn send(socket: &UdpSocket, peer: SocketAddr, octets: &[u8]) {
    let _ = socket.send_to(octets, peer);
}

/// A reply to a query with `flags` (RD and RA are set) and A records for the name asked.
pub fn reply(query: &[u8], flags: u16, addresses: &[[u8; 4]]) -> Vec<u8> {
    let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap() + 5;
    let mut octets = query[..2].to_vec();
    let count = u16::try_from(addresses.len()).unwrap();
    for word in [0x8180 | flags, 1, count, 0, 0] {
        octets.extend(word.to_be_bytes());
    }
    octets.extend(&query[12..end]);
    for address in addresses {
        octets.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04");
        octets.extend(address);
    }
    octets
}

/// The right reply.
pub fn right(query: &[u8]) -> Vec<u8> {
    reply(query, 0, &[RIGHT])
}

/// The right reply, with a signature by `resolve.test` over it that is good from an hour ago to one from now.
pub fn signed(query: &[u8]) -> Vec<u8> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let at = |time: u64| u32::try_from(time).unwrap().to_be_bytes();
    let mut octets = right(query);
    octets[7] += 1;
    // An RRSIG over A by ECDSA P-256, two labels, the TTL as it was.
    let head = [&b"\0\x01\x0d\x02\0\0\0\x3c"[..], &at(now + 3_600), &at(now - 3_600), b"\x12\x34"].concat();
    let data = [&head[..], b"\x07resolve\x04test\0", &[7; 64]].concat();
    octets.extend([0xc0, 0x0c, 0, 46, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
    octets.extend(data);
    octets
}

/// Whether a query asks for A records, and not for what validating takes.
pub fn asks_for_a(query: &[u8]) -> bool {
    let end = 12 + query[12..].iter().position(|octet| *octet == 0).unwrap();
    query[end + 1..end + 3] == [0, 1]
}

/// Reads one query from a connection; `None` when the client is gone.
pub fn read_query(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut query).ok()?;
    Some(query)
}

/// Writes a message with its length before it.
pub fn write_message(stream: &mut TcpStream, message: &[u8]) {
    let mut octets = u16::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    octets.extend(message);
    let _ = stream.write_all(&octets);
}

/// Waits until the server is to stop.
pub fn hang(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(2));
    }
}
