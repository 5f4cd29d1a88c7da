//! Framing: JSON objects, each ended by a NUL byte.
//!
//! Owns the cutting of a stream of bytes into messages, and the limits. It takes any bytes: what can't become a
//! message is an error as soon as that is certain. It keeps at most one limit and one read of bytes, and never reads itself.

use serde::Serialize;

/// The longest message of a caller that is no reporter, in bytes.
pub const CALL_MAX: usize = 64 * 1024;
/// The longest message of a reporter: a whole section of some 100,000 servers.
pub const REPORT_MAX: usize = 64 * 1024 * 1024;
/// The longest reply or update: both sections, orders and events.
pub const REPLY_MAX: usize = 192 * 1024 * 1024;
/// Where in a message its method is looked for, in bytes.
const LOOK: usize = 1024;
/// How many bytes are read at once.
pub const CHUNK: usize = 64 * 1024;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No NUL within the limit.
    #[error("a message is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// Something else than a JSON object.
    #[error("a message is no JSON object ended by a NUL byte: it starts with byte {first:#04x}")]
    NotAnObject {
        /// Its first byte.
        first: u8,
    },
}

/// Cuts a stream of bytes into messages.
#[derive(Debug)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where the next message starts.
    start: usize,
    /// Up to where no NUL was found.
    searched: usize,
    limit: usize,
}

impl Frames {
    /// An empty stream whose messages have at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, limit }
    }

    /// Changes the limit, for messages that are not complete yet.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes of messages that were not taken yet, complete or not.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// Whether the next message, as far as it is here, looks like a call of `method`: for whoever has to decide whether it
    /// may be long.
    #[must_use]
    pub fn begins_with_call(&self, method: &str) -> bool {
        let pending = self.buffer.get(self.start..).unwrap_or_default();
        let head = pending.get(..pending.len().min(LOOK)).unwrap_or_default();
        let wanted = format!("\"{method}\"");
        head.windows(wanted.len()).any(|part| part == wanted.as_bytes())
    }

    /// Appends what was read: at most [`CHUNK`] bytes between two calls of [`Self::take`] keep the promise on memory.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next complete message, without its NUL.
    ///
    /// # Errors
    /// The stream can't become a message any more. It stays so: close the connection.
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let pending = self.buffer.get(self.start..).unwrap_or_default();
        if let Some(&first) = pending.iter().find(|byte| !byte.is_ascii_whitespace())
            && first != b'{'
        {
            return Err(FrameError::NotAnObject { first });
        }
        let unsearched = pending.get(self.searched..).unwrap_or_default();
        let Some(length) = unsearched.iter().position(|&byte| byte == 0).map(|at| self.searched + at) else {
            self.searched = pending.len();
            if self.searched > self.limit {
                return Err(FrameError::TooLong { limit: self.limit });
            }
            return Ok(None);
        };
        if length > self.limit {
            return Err(FrameError::TooLong { limit: self.limit });
        }
        self.searched = 0;
        if pending.len() == length + 1 && self.start == 0 {
            let mut message = std::mem::take(&mut self.buffer);
            message.truncate(length);
            return Ok(Some(message));
        }
        let message = pending.get(..length).unwrap_or_default().to_vec();
        self.start += length + 1;
        self.compact();
        Ok(Some(message))
    }

    /// Forgets what was taken, once that is most of the buffer: each byte is moved a few times at most.
    fn compact(&mut self) {
        if self.start >= self.buffer.len() {
            self.buffer = Vec::new();
            self.start = 0;
        } else if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }
}

/// `message` as JSON with its NUL.
///
/// # Errors
/// The value has no JSON form (a map whose keys are no texts); none of the agent's own types is such.
pub fn to_frame<T: Serialize>(message: &T) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(0);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
