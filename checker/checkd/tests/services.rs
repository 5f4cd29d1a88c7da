//! The dialogues of docs/services.md, each against a server that plays its part, once well and once ill.
//!
//! `SERVICE_pop3=127.0.0.1:1110 cargo test -p checkd --test services` asks a real server instead, where there is one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent_api::config::{CheckKind, Source, parse};
use checker_core::dns::{Timeout, Transport};
use checker_core::{Cause, Finding, TalkCheck};
use checker_probe::{Prober, Settings, TalkProber, Target, clock};

const GUIDE: &str = include_str!("../../../docs/services.md");
const PATIENCE: Duration = Duration::from_secs(60);

/// The checks that the guide shows, by their names.
fn shown() -> BTreeMap<String, TalkCheck> {
    let blocks = GUIDE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut checks = BTreeMap::new();
    for block in blocks {
        let text = format!(
            "[[virtual_server]]\nname = \"p\"\naddress = \"10.0.0.9\"\nservices = [\"tcp/25\"]\n{block}\n\
             [[virtual_server.real_server]]\nname = \"a\"\naddress = \"10.0.0.1\"\n"
        );
        let config = parse(&[Source { path: "services.md".into(), text: text.clone() }])
            .unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
        for check in &config.virtual_servers[0].real_servers[0].checks {
            if let CheckKind::Talk(talk) = &check.kind {
                checks.insert(check.name.to_string(), talk.clone());
            }
        }
    }
    checks
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A turn of a server: what it must hear first, and what it says then.
struct Turn {
    hears: Vec<u8>,
    says: Vec<u8>,
}

fn line(hears: &str, says: &str) -> Turn {
    Turn { hears: hears.into(), says: says.into() }
}

fn octets(hears: &str, says: &str) -> Turn {
    Turn { hears: hex(hears), says: hex(says) }
}

/// What a server does that is well, and which of its turns is another when it is ill.
fn parts(name: &str) -> (Vec<Turn>, (usize, Vec<u8>)) {
    let greeting = "4a 00 00 00 0a 31312e382e36 00 01000000";
    match name {
        "pop3" => (
            vec![
                line("", "+OK Dovecot ready.\r\n"),
                line("USER probe\r\n", "+OK\r\n"),
                line("PASS geheim\r\n", "+OK Logged in.\r\n"),
                line("QUIT\r\n", "+OK Logging out.\r\n"),
            ],
            (2, b"-ERR [AUTH] Authentication failed.\r\n".to_vec()),
        ),
        "imap" => (
            vec![
                line("", "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Dovecot ready.\r\n"),
                line("a LOGIN probe geheim\r\n", "* CAPABILITY IMAP4rev1\r\na OK Logged in\r\n"),
                line("b LOGOUT\r\n", "* BYE Logging out\r\nb OK Logout completed.\r\n"),
            ],
            (1, b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n".to_vec()),
        ),
        "ftp" => (
            vec![
                line("", "220-Welcome\r\n220 (vsFTPd 3.0.3)\r\n"),
                line("USER anonymous\r\n", "331 Please specify the password.\r\n"),
                line("PASS probe@example.net\r\n", "230 Login successful.\r\n"),
                line("QUIT\r\n", "221 Goodbye.\r\n"),
            ],
            (2, b"530 Login incorrect.\r\n".to_vec()),
        ),
        "nntp" => (
            vec![
                line("", "200 news.test InterNetNews ready\r\n"),
                line("GROUP local.test\r\n", "211 3 1 3 local.test\r\n"),
                line("QUIT\r\n", "205 Bye!\r\n"),
            ],
            (1, b"411 No such group\r\n".to_vec()),
        ),
        "ldap" => (
            vec![
                octets(
                    "30 0c 02 01 01 60 07 02 01 03 04 00 80 00",
                    "30 0c 02 01 01 61 07 0a 01 00 04 00 04 00",
                ),
                octets("30 05 02 01 02 42 00", ""),
            ],
            // invalidCredentials
            (0, hex("30 0c 02 01 01 61 07 0a 01 31 04 00 04 00")),
        ),
        "mysql" => (
            vec![
                octets("", greeting),
                octets(
                    "27 00 00 01 00 82 00 00 00 00 00 01 21 0000000000000000000000000000000000000000000000 70726f6265 00 00",
                    "07 00 00 02 00 00 00 02 00 00 00",
                ),
                octets("01 00 00 00 01", ""),
            ],
            // 1045, access denied
            (1, hex("09 00 00 02 ff 15 04 233238303030")),
        ),
        "postgresql" => (
            vec![
                octets(
                    "00000023 00030000 7573657200 70726f626500 646174616261736500 70726f626500 00",
                    "52 00000008 00000000 4b 0000000c 00000001 00000002 5a 00000005 49",
                ),
                octets(
                    "51 0000000d 53454c4543542031 00",
                    "54 00000021 0001 3f636f6c756d6e3f00 00000000 0000 00000017 0004 ffffffff 0000 \
                     44 0000000b 0001 00000001 31 43 0000000d 53454c454354203100 5a 00000005 49",
                ),
                octets("58 00000004", ""),
            ],
            (0, hex("45 00000010 5346415441 4c00 4333444430 3000 00")),
        ),
        "redis" => (
            vec![line("AUTH geheim\r\n", "+OK\r\n"), line("PING\r\n", "+PONG\r\n")],
            (1, b"-LOADING Redis is loading the dataset in memory\r\n".to_vec()),
        ),
        "sip" => (
            vec![line("OPTIONS sip:probe@director.example.net SIP/2.0\r\n", "SIP/2.0 200 OK\r\n\r\n")],
            (0, b"SIP/2.0 503 Service Unavailable\r\n\r\n".to_vec()),
        ),
        "proxy" => (
            vec![line("GET http://www.example.net/ HTTP/1.0\r\n", "HTTP/1.1 200 OK\r\n\r\n")],
            (0, b"HTTP/1.1 503 Service Unavailable\r\n\r\n".to_vec()),
        ),
        "ntp" => {
            let asks = format!("23{}", "00".repeat(47));
            let says = |first: &str| format!("{first}{}", "01".repeat(47));
            (vec![octets(&asks, &says("24"))], (0, hex(&says("e4"))))
        }
        other => panic!("nobody plays {other}"),
    }
}

/// Plays over a connection. What is not heard as it should be ends it.
fn play(mut stream: TcpStream, turns: &[Turn]) {
    for turn in turns {
        let mut heard = vec![0; turn.hears.len()];
        if stream.read_exact(&mut heard).is_err()
            || heard != turn.hears
            || stream.write_all(&turn.says).is_err()
        {
            return;
        }
    }
    // Until the other end takes its leave.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

fn server(transport: Transport, turns: Vec<Turn>) -> SocketAddr {
    if transport == Transport::Udp {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 1_000];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                if buffer[..length] == turns[0].hears {
                    let _ = socket.send_to(&turns[0].says, peer);
                }
            }
        });
        return address;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| play(stream, &turns)));
    address
}

fn probe(check: &TalkCheck, timeout: Duration, server: SocketAddr) -> Finding {
    let check = Arc::new(TalkCheck { timeout: Timeout::new(timeout).unwrap(), ..check.clone() });
    let mut outer = Prober::new(Settings::default()).unwrap();
    let mut prober = TalkProber::new(1).unwrap();
    outer.watch(&prober).unwrap();
    prober.start(1, &check, Target::new(server, None).unwrap());
    let patience = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < patience);
        let until = clock::now() + Duration::from_secs(1);
        outer.poll(prober.deadline().map_or(until, |at| at.min(until))).unwrap();
        prober.run().unwrap();
        if let Some(over) = prober.next_ended() {
            return over.finding;
        }
    }
}

#[test]
fn every_dialogue_tells_the_well_from_the_ill() {
    let checks = shown();
    assert_eq!(checks.len(), 11, "{:?}", checks.keys());
    std::thread::scope(|scope| {
        for (name, check) in &checks {
            scope.spawn(|| tells_them_apart(name, check));
        }
    });
}

fn tells_them_apart(name: &str, check: &TalkCheck) {
    let (turns, _) = parts(name);
    let address = match std::env::var(format!("SERVICE_{name}")) {
        Ok(address) => address.parse().expect("an address with a port"),
        Err(_) => server(check.transport, turns),
    };
    let well = probe(check, Duration::from_secs(20), address);
    assert_eq!(well.cause, None, "{name}: {well:?}");
    let (mut turns, (place, says)) = parts(name);
    turns[place].says = says;
    turns.truncate(place + 1);
    let ill = probe(check, Duration::from_millis(500), server(check.transport, turns));
    let mismatch = if check.transport == Transport::Udp { Cause::UdpMismatch } else { Cause::TcpMismatch };
    assert!([Some(mismatch), Some(Cause::LateTimer)].contains(&ill.cause), "{name}: {ill:?}");
    // What is told of either has no secret in it.
    let told = format!("{check} {} {} {} {}", well.detail, well.reply, ill.detail, ill.reply);
    assert!(!told.contains("geheim"), "{told}");
}
