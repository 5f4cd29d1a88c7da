//! Requests to and replies from the kernel, as bytes: netlink header, generic-netlink header, attributes.
//!
//! Follows `linux/netlink.h`, `linux/genetlink.h` and `linux/ip_vs.h`. Encoding appends to a buffer; decoding is total:
//! any bytes give a value or an error, attributes that are not known are skipped. Nothing here does I/O.
//!
//! ```
//! use agent_ipvs::codec::{self, Reply, Request};
//!
//! let mut buffer = Vec::new();
//! codec::encode(&mut buffer, 0x1c, codec::REQUEST, 7, &Request::GetInfo);
//! let message = codec::messages(&buffer).next().unwrap().unwrap();
//! assert_eq!(message.sequence, 7);
//! // A request is not a reply, but decoding one does no harm.
//! assert!(matches!(codec::decode(&message, agent_ipvs::Family::Ipv4), Ok(Reply::Other)));
//! ```

mod attribute;
mod decode;
mod encode;

#[cfg(test)]
mod tests;

pub use attribute::{DecodeError, Message, messages};
pub use decode::{Reply, decode};
pub use encode::{Request, encode};

/// `NLM_F_REQUEST`: set on every request.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: a success is reported too.
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP`: all objects, not one.
pub const DUMP: u16 = 0x300;

/// The message type of the generic-netlink controller, which knows the family's number.
pub const CONTROLLER: u16 = 16;
/// The family's name.
pub const FAMILY_NAME: &str = "IPVS";

/// `IPVS_CMD_*`.
mod command {
    pub const NEW_SERVICE: u8 = 1;
    pub const SET_SERVICE: u8 = 2;
    pub const DEL_SERVICE: u8 = 3;
    pub const GET_SERVICE: u8 = 4;
    pub const NEW_DEST: u8 = 5;
    pub const SET_DEST: u8 = 6;
    pub const DEL_DEST: u8 = 7;
    pub const GET_DEST: u8 = 8;
    pub const NEW_DAEMON: u8 = 9;
    pub const DEL_DAEMON: u8 = 10;
    pub const GET_DAEMON: u8 = 11;
    pub const SET_CONFIG: u8 = 12;
    pub const GET_CONFIG: u8 = 13;
    pub const SET_INFO: u8 = 14;
    pub const GET_INFO: u8 = 15;
    pub const ZERO: u8 = 16;
}

/// `CTRL_CMD_*`.
mod controller {
    pub const NEW_FAMILY: u8 = 1;
    pub const GET_FAMILY: u8 = 3;
    pub const ATTR_FAMILY_ID: u16 = 1;
    pub const ATTR_FAMILY_NAME: u16 = 2;
}

/// `IPVS_CMD_ATTR_*`: the top level.
mod top {
    pub const SERVICE: u16 = 1;
    pub const DEST: u16 = 2;
    pub const DAEMON: u16 = 3;
    pub const TIMEOUT_TCP: u16 = 4;
    pub const TIMEOUT_TCP_FIN: u16 = 5;
    pub const TIMEOUT_UDP: u16 = 6;
}

/// `IPVS_DAEMON_ATTR_*`.
mod daemon {
    pub const STATE: u16 = 1;
    pub const MCAST_IFN: u16 = 2;
    pub const SYNC_ID: u16 = 3;
    pub const SYNC_MAXLEN: u16 = 4;
    pub const MCAST_GROUP: u16 = 5;
    pub const MCAST_GROUP6: u16 = 6;
    pub const MCAST_PORT: u16 = 7;
    pub const MCAST_TTL: u16 = 8;
}

/// `IPVS_INFO_ATTR_*`.
mod info {
    pub const VERSION: u16 = 1;
    pub const CONN_TAB_SIZE: u16 = 2;
}

/// `IPVS_SVC_ATTR_*`.
mod svc {
    pub const AF: u16 = 1;
    pub const PROTOCOL: u16 = 2;
    pub const ADDR: u16 = 3;
    pub const PORT: u16 = 4;
    pub const FWMARK: u16 = 5;
    pub const SCHED_NAME: u16 = 6;
    pub const FLAGS: u16 = 7;
    pub const TIMEOUT: u16 = 8;
    pub const NETMASK: u16 = 9;
    pub const STATS: u16 = 10;
    pub const PE_NAME: u16 = 11;
    pub const STATS64: u16 = 12;
}

/// `IPVS_DEST_ATTR_*`.
mod dest {
    pub const ADDR: u16 = 1;
    pub const PORT: u16 = 2;
    pub const FWD_METHOD: u16 = 3;
    pub const WEIGHT: u16 = 4;
    pub const U_THRESH: u16 = 5;
    pub const L_THRESH: u16 = 6;
    pub const ACTIVE_CONNS: u16 = 7;
    pub const INACT_CONNS: u16 = 8;
    pub const PERSIST_CONNS: u16 = 9;
    pub const STATS: u16 = 10;
    pub const ADDR_FAMILY: u16 = 11;
    pub const STATS64: u16 = 12;
    pub const TUN_TYPE: u16 = 13;
    pub const TUN_PORT: u16 = 14;
    pub const TUN_FLAGS: u16 = 15;
}

/// `AF_INET` and `AF_INET6` as Linux has them everywhere.
mod af {
    pub const INET: u16 = 2;
    pub const INET6: u16 = 10;
}

/// The kernel's number of an address family.
const fn family_number(family: crate::types::Family) -> u16 {
    match family {
        crate::types::Family::Ipv4 => af::INET,
        crate::types::Family::Ipv6 => af::INET6,
    }
}
