//! What an error of a socket means for the server.
//!
//! Owns the one table from `errno` to [`Cause`]. The line it draws: what the kernel says before anything has left this
//! machine (while opening, binding, connecting a UDP socket, sending) is local trouble and gives Unknown. What it says
//! while waiting came from the network, as ICMP, as a TCP reset or as an ARP request that nobody answered: Down.
//!
//! So `ENETUNREACH` and `EHOSTUNREACH` from `connect` are our own routing table, and from `recv` or `SO_ERROR` a router
//! or the absence of the host. A local firewall that rejects our packets can't be told from a remote one; one that drops
//! them with `EPERM` can.

use checker_core::Cause;
use checker_core::dns::Transport;
use nix::errno::Errno;

/// While binding to the source address.
pub(crate) fn binding(errno: Errno) -> Cause {
    match errno {
        // Not ours; or of a scope or family that does not go with the socket.
        Errno::EADDRNOTAVAIL | Errno::EINVAL | Errno::ENODEV | Errno::EAFNOSUPPORT => {
            Cause::SourceUnavailable
        }
        other => opening(other),
    }
}

/// While setting the interface, the mark or the traffic class.
pub(crate) fn setting(errno: Errno) -> Cause {
    match errno {
        Errno::EPERM | Errno::EACCES => Cause::NotPermitted,
        other => opening(other),
    }
}

/// While opening, connecting or sending: nothing has come from the network yet.
pub(crate) fn opening(errno: Errno) -> Cause {
    match errno {
        Errno::ENETUNREACH
        | Errno::EHOSTUNREACH
        | Errno::ENETDOWN
        | Errno::EACCES
        | Errno::EPERM
        | Errno::EINVAL
        | Errno::ENODEV
        | Errno::EMSGSIZE
        | Errno::EAFNOSUPPORT => Cause::NetUnreachable,
        // EMFILE, ENFILE, ENOBUFS, ENOMEM, EAGAIN, and EADDRNOTAVAIL for want of a free port.
        _ => Cause::NoSocket,
    }
}

/// While waiting: the network has spoken, as far as the error can come from there.
pub(crate) fn waiting(errno: Errno, transport: Transport) -> Cause {
    match (errno, transport) {
        (Errno::ECONNREFUSED, Transport::Udp) => Cause::UdpRefused,
        (Errno::ECONNREFUSED, _) => Cause::TcpRefused,
        (Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED, Transport::Tcp) => Cause::TcpReset,
        (Errno::ETIMEDOUT, Transport::Tcp) => Cause::TcpTimeout,
        // EPROTO and EACCES are how ICMP "protocol unreachable" and "administratively prohibited" arrive.
        (
            Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::EACCES
            | Errno::EPROTO
            | Errno::ENOPROTOOPT,
            _,
        ) => Cause::HostUnreachable,
        (Errno::ENETDOWN, _) => Cause::NetUnreachable,
        _ => Cause::NoSocket,
    }
}

#[cfg(test)]
mod tests {
    use checker_core::verdict::Blame;

    use super::*;

    #[test]
    fn nothing_local_blames_the_server() {
        for raw in 1..140 {
            let errno = Errno::from_raw(raw);
            assert_eq!(opening(errno).blame(), Blame::Local, "{errno}");
            assert_eq!(binding(errno).blame(), Blame::Local, "{errno}");
        }
        assert_eq!(binding(Errno::EADDRNOTAVAIL), Cause::SourceUnavailable);
        assert_eq!(binding(Errno::EMFILE), Cause::NoSocket);
        assert_eq!(opening(Errno::EADDRNOTAVAIL), Cause::NoSocket);
        assert_eq!(opening(Errno::ENETUNREACH), Cause::NetUnreachable);
        assert_eq!(waiting(Errno::ENOMEM, Transport::Udp), Cause::NoSocket);
        assert_eq!(waiting(Errno::EHOSTUNREACH, Transport::Udp), Cause::HostUnreachable);
    }
}
