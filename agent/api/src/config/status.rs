//! The page of `statusd`: `[status]` and `[status.peer]`.
//!
//! Owns which addresses the page may be served on: without encryption and passwords only this machine itself may be able to
//! ask, unless the file says that somebody thought about it. It opens none of the files that it names.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::book::{Book, Place, quoted};
use super::keys;
pub use super::peer_url::PeerUrl;
use super::table::{Given, Table};

/// The longest title, in characters.
const TITLE_MAX: usize = 80;

const LISTEN_EXAMPLE: &str = "listen = \"127.0.0.1:9530\"";

/// `[status]`: the page of `statusd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `listen`: where it is served. Default 127.0.0.1:9530; another than a loopback address needs `certificate`, `key` and
    /// `users`, or `unprotected = true`.
    pub listen: SocketAddr,
    /// `title`: what the page calls the cluster, one line of at most 80 characters. Default `Holdfast`.
    pub title: String,
    /// `certificate` and `key`: TLS. Default none.
    pub tls: Option<PageTls>,
    /// `users`: the file of those who may look, `NAME:HASH` a line. Default none: everybody who can ask may.
    pub users: Option<PathBuf>,
    /// `unprotected`: others may ask without a password or without encryption. Default false.
    pub unprotected: bool,
    /// `[status.peer]`: the other director. Default none.
    pub peer: Option<Peer>,
}

/// Files for TLS, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageTls {
    /// `certificate`: the server's own first, then what leads to the authority.
    pub certificate: PathBuf,
    /// `key`: its private key.
    pub key: PathBuf,
}

/// `[status.peer]`: the other director, whose page is shown beside ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// `url`.
    pub url: PeerUrl,
    /// `name`: what the page calls it. Default the host in `url`.
    pub name: String,
    /// `ca`: who vouches for it, a file of certificates in PEM. Default the authorities that Debian keeps in `/etc/ssl/certs/ca-certificates.crt`.
    pub ca: Option<PathBuf>,
    /// `credentials`: a file with one line `NAME:PASSWORD`. Default none.
    pub credentials: Option<PathBuf>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9530)),
            title: "Holdfast".to_owned(),
            tls: None,
            users: None,
            unprotected: false,
            peer: None,
        }
    }
}

/// Reads `[status]`, which may stand in one file only.
pub(super) fn read_status(book: &mut Book<'_>, table: &Table<'_>, status: &mut Option<(Status, Place)>) {
    let Given::Good(table, at) = table.table(book, "status", &keys::STATUS) else { return };
    if let Some((_, first)) = status {
        let first = book.name_of(*first);
        book.wrong(at, format!("[status] is there already, at {first}; put all its keys into one"));
    }
    if let Some(read) = read(book, &table)
        && status.is_none()
    {
        *status = Some((read, at));
    }
}

fn read(book: &mut Book<'_>, table: &Table<'_>) -> Option<Status> {
    let listen = table.text(book, "listen", LISTEN_EXAMPLE).convert(|text, at| match listen(text) {
        Ok(address) => Some(address),
        Err(why) => {
            book.wrong(at, format!("listen: {why}"));
            None
        }
    });
    let title = title(book, table, "title");
    let certificate = file(book, table, "certificate");
    let key = file(book, table, "key");
    let users = file(book, table, "users");
    let unprotected = table.switch(book, "unprotected");
    let peer = match table.table(book, "peer", &keys::PEER) {
        Given::Good(table, _) => peer(book, &table).map(Some),
        Given::Absent => Some(None),
        Given::Wrong => None,
    };
    let tls = match (certificate.not_wrong()?, key.not_wrong()?) {
        (Given::Good(certificate, _), Given::Good(key, _)) => Some(PageTls { certificate, key }),
        (Given::Good(_, at), _) => {
            book.wrong(at, "key is missing beside certificate; write key = \"/etc/holdfast/status.key\"");
            return None;
        }
        (_, Given::Good(_, at)) => {
            book.wrong(
                at,
                "certificate is missing beside key; write certificate = \"/etc/holdfast/status.pem\"",
            );
            return None;
        }
        _ => None,
    };
    let users = users.not_wrong()?.good();
    let unprotected = unprotected.or(false)?;
    if let Given::Good(address, at) = listen
        && !address.ip().is_loopback()
        && !unprotected
        && (tls.is_none() || users.is_none())
    {
        book.wrong(at, open_to_others(address, tls.is_some(), users.is_some()));
        return None;
    }
    let default = Status::default();
    Some(Status {
        listen: listen.or(default.listen)?,
        title: title.or(default.title)?,
        tls,
        users,
        unprotected,
        peer: peer?,
    })
}

/// What is said of an address that others reach and that is not protected.
fn open_to_others(address: SocketAddr, tls: bool, users: bool) -> String {
    let missing = match (tls, users) {
        (true, _) => "asks for no password; add users",
        (_, true) => "is not encrypted; add certificate and key",
        _ => "is not encrypted and asks for no password; add certificate, key and users",
    };
    format!(
        "listen: \"{address}\" is open to others, and the page {missing}, write a loopback address such as \
         \"127.0.0.1:{}\", or say that it shall be so: unprotected = true",
        address.port()
    )
}

fn peer(book: &mut Book<'_>, table: &Table<'_>) -> Option<Peer> {
    let url = table
        .needed(book, "url", "url = \"https://director2.example.net:9530\"")
        .convert(|text, at| PeerUrl::parse(text).map_err(|why| book.wrong(at, format!("url: {why}"))).ok());
    let name = title(book, table, "name");
    let (ca, credentials) = (file(book, table, "ca"), file(book, table, "credentials"));
    let url = url.good()?;
    Some(Peer {
        name: name.or(url.host.clone())?,
        url,
        ca: ca.not_wrong()?.good(),
        credentials: credentials.not_wrong()?.good(),
    })
}

/// A line for people.
fn title(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Given<String> {
    table.text(book, key, &format!("{key} = \"Holdfast\"")).convert(|text, at| {
        let wrong = if text.trim().is_empty() {
            "is empty; leave the key out or write a name".to_owned()
        } else if text.chars().any(char::is_control) {
            "has control characters or several lines; write one line".to_owned()
        } else if text.chars().count() > TITLE_MAX {
            format!("is longer than {TITLE_MAX} characters; shorten it")
        } else {
            return Some(text.to_owned());
        };
        book.wrong(at, format!("{key} {wrong}"));
        None
    })
}

/// The absolute path of a file.
fn file(book: &mut Book<'_>, table: &Table<'_>, key: &str) -> Given<PathBuf> {
    table.text(book, key, &format!("{key} = \"/etc/holdfast/{key}\"")).convert(|text, at| {
        let good = text.starts_with('/') && !text.chars().any(char::is_control);
        if !good {
            book.wrong(at, format!("{key} {} is no absolute path of a file; begin it with /", quoted(text)));
        }
        good.then(|| PathBuf::from(text))
    })
}

/// Reads where the page is served.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let shown = quoted(text);
    let Ok(address) = text.parse::<SocketAddr>() else {
        let example = match text.trim_matches(['[', ']']).parse() {
            Ok(address) => format!("\"{}\"", SocketAddr::new(address, Status::default().listen.port())),
            Err(_) => "\"127.0.0.1:9530\" or \"[::1]:9530\"".to_owned(),
        };
        return Err(format!("{shown} is no address with a port; write {example}"));
    };
    if address.port() == 0 {
        return Err(format!("{shown}: the port is a number from 1 to 65535"));
    }
    Ok(address)
}
