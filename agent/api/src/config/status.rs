//! The page of `statusd`: `[status]`.
//!
//! Owns which addresses the page may be served on. It is served without a password and without encryption, so only this
//! machine itself may be able to ask.

use std::net::SocketAddr;

use super::book::{Book, Place, quoted};
use super::table::{Given, Table};
use super::{Status, keys};

/// The longest title, in characters.
const TITLE_MAX: usize = 80;

const LISTEN_EXAMPLE: &str = "listen = \"127.0.0.1:9530\"";

/// Reads `[status]`, which may stand in one file only.
pub(super) fn read_status(book: &mut Book<'_>, table: &Table<'_>, status: &mut Option<(Status, Place)>) {
    let Given::Good(table, at) = table.table(book, "status", &keys::STATUS) else { return };
    if let Some((_, first)) = status {
        let first = book.name_of(*first);
        book.wrong(at, format!("[status] is there already, at {first}; put all its keys into one"));
    }
    let listen = table.text(book, "listen", LISTEN_EXAMPLE).convert(|text, at| match listen(text) {
        Ok(address) => Some(address),
        Err(why) => {
            book.wrong(at, format!("listen: {why}"));
            None
        }
    });
    let title = table.text(book, "title", "title = \"Holdfast\"").convert(|text, at| {
        let wrong = if text.trim().is_empty() {
            "is empty; leave the key out or name the cluster".to_owned()
        } else if text.chars().any(char::is_control) {
            "has control characters or several lines; write one line".to_owned()
        } else if text.chars().count() > TITLE_MAX {
            format!("is longer than {TITLE_MAX} characters; shorten it")
        } else {
            return Some(text);
        };
        book.wrong(at, format!("title {wrong}"));
        None
    });
    let default = Status::default();
    if let (Some(listen), Some(title), None) = (listen.or(default.listen), title.or(&default.title), &status)
    {
        *status = Some((Status { listen, title: title.to_owned() }, at));
    }
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
    if !address.ip().is_loopback() {
        return Err(format!(
            "{shown} is open to others, and the page asks for no password; write a loopback address such as \
             \"127.0.0.1:{}\" and put a web server with TLS and a login before it",
            address.port()
        ));
    }
    Ok(address)
}
