//! What passed through a service or to a destination, as the kernel counts it.
//!
//! Owns the words for it, in 64 bits. Nothing is summed or judged here.

use serde::{Deserialize, Serialize};

/// What passed through a service or to a destination since the kernel began to count, and by the second. The kernel sums
/// it every two seconds, and may begin anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Connections scheduled.
    #[serde(skip_serializing_if = "is_zero")]
    pub connections: u64,
    /// Packets from clients.
    #[serde(skip_serializing_if = "is_zero")]
    pub packets_in: u64,
    /// Packets to clients, which the director sees with address translation only.
    #[serde(skip_serializing_if = "is_zero")]
    pub packets_out: u64,
    /// Bytes from clients.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes_in: u64,
    /// Bytes to clients.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes_out: u64,
    /// Connections a second.
    #[serde(skip_serializing_if = "is_zero")]
    pub connections_per_sec: u64,
    /// Packets a second from clients.
    #[serde(skip_serializing_if = "is_zero")]
    pub packets_in_per_sec: u64,
    /// Packets a second to clients.
    #[serde(skip_serializing_if = "is_zero")]
    pub packets_out_per_sec: u64,
    /// Bytes a second from clients.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes_in_per_sec: u64,
    /// Bytes a second to clients.
    #[serde(skip_serializing_if = "is_zero")]
    pub bytes_out_per_sec: u64,
}

impl Traffic {
    /// Whether nothing was counted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Ten thousand destinations have many zeros; they are left out.
fn is_zero(number: &u64) -> bool {
    *number == 0
}
