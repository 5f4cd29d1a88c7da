//! A client that speaks just enough HTTP/1.1 to ask and to read whole answers.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::LONG;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Bytes of the head.
    pub head: usize,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A connection, with what was read of it.
pub fn connect(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect_timeout(&address, LONG)?;
    stream.set_read_timeout(Some(LONG))?;
    stream.set_write_timeout(Some(LONG))?;
    Ok(BufReader::new(stream))
}

/// Sends `request` as it is and reads an answer.
pub fn exchange<S: Read + Write>(connection: &mut BufReader<S>, request: &str) -> io::Result<Answer> {
    connection.get_mut().write_all(request.as_bytes())?;
    let mut answer = head(connection)?;
    let length = answer.header("content-length").parse().unwrap_or(0);
    if !request.starts_with("HEAD") {
        answer.body = vec![0; length];
        connection.read_exact(&mut answer.body)?;
    }
    Ok(answer)
}

/// Reads the head of an answer.
pub fn head(connection: &mut BufReader<impl Read>) -> io::Result<Answer> {
    let mut lines = Vec::new();
    let mut size = 0;
    loop {
        let mut line = String::new();
        let read = connection.read_line(&mut line)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        size += read;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines[1..]
        .iter()
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Ok(Answer { status, headers, body: Vec::new(), head: size })
}

/// One request on a connection of its own.
pub fn request(address: SocketAddr, method: &str, path: &str) -> io::Result<Answer> {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(&mut connect(address)?, &request)
}

/// The metrics as Prometheus asks for them.
pub fn open_metrics(address: SocketAddr) -> Answer {
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let request =
        format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    exchange(&mut connect(address).unwrap(), &request).unwrap()
}

pub fn try_get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    request(address, "GET", path)
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    try_get(address, path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A stream of events that has begun.
pub fn stream(address: SocketAddr) -> io::Result<BufReader<TcpStream>> {
    let mut connection = connect(address)?;
    write!(connection.get_mut(), "GET /api/v1/stream HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let answer = head(&mut connection)?;
    if answer.status != 200 {
        return Err(io::Error::other(format!("status {}", answer.status)));
    }
    assert_eq!(answer.header("content-type"), "text/event-stream");
    Ok(connection)
}

/// The data of the next event.
pub fn next_event(connection: &mut BufReader<TcpStream>) -> io::Result<serde_json::Value> {
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(data) = line.strip_prefix("data: ") {
            return Ok(serde_json::from_str(data)?);
        }
    }
}
