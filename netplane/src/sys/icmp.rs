//! Sockets for echo requests: as anybody where the kernel allows it, else raw.
#![expect(unsafe_code, reason = "IP_RECVERR has no safe form in std or socket2")]

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;

use socket2::{Domain, Protocol, Socket, Type};

/// A socket that sends echo requests to one address and receives its answers.
#[derive(Debug)]
pub struct EchoSocket {
    /// Reads and writes ICMP messages as a datagram socket does datagrams; it does not wait.
    pub socket: UdpSocket,
    /// What the kernel leaves to us.
    pub kind: EchoKind,
}

/// Who writes identifier and checksum of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EchoKind {
    /// The kernel, which also gives us only the answers to our own.
    Datagram,
    /// We, and we see all the ICMP of that address; IPv4 messages come with their IP head.
    Raw,
}

impl EchoSocket {
    /// Connects to `target`, from `source` where it matters; ports mean nothing.
    ///
    /// ICMP errors, unreachable among them, are reported as errors of the next call.
    ///
    /// **Errors**: `PermissionDenied` where neither `net.ipv4.ping_group_range` nor `CAP_NET_RAW`
    /// allows it; or no way there.
    pub fn connect(target: IpAddr, source: Option<IpAddr>) -> io::Result<EchoSocket> {
        EchoSocket::open(target, source, None)
    }

    /// The same through one interface, whatever the routes say.
    ///
    /// **Errors**: as [`EchoSocket::connect`]; there is no such interface.
    pub fn connect_through(
        interface: &str,
        target: IpAddr,
        source: Option<IpAddr>,
    ) -> io::Result<EchoSocket> {
        EchoSocket::open(target, source, Some(interface))
    }

    fn open(
        target: IpAddr,
        source: Option<IpAddr>,
        interface: Option<&str>,
    ) -> io::Result<EchoSocket> {
        let (domain, protocol) = match target {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let open = |how: Type| Socket::new(domain, how.nonblocking(), Some(protocol));
        let (socket, kind) = match open(Type::DGRAM) {
            Ok(socket) => (socket, EchoKind::Datagram),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                (open(Type::RAW)?, EchoKind::Raw)
            }
            Err(error) => return Err(error),
        };
        report_errors(&socket, target.is_ipv4())?;
        if let Some(interface) = interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(source) = source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect(&SocketAddr::new(target, 0).into())?;
        Ok(EchoSocket {
            socket: socket.into(),
            kind,
        })
    }
}

/// Has the kernel report also those errors that might pass, such as an unreachable host.
fn report_errors(socket: &Socket, v4: bool) -> io::Result<()> {
    let (level, option) = match v4 {
        true => (libc::IPPROTO_IP, libc::IP_RECVERR),
        false => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    };
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).expect("4");
    // SAFETY: the descriptor is the socket's, which lives; the pointer is to a live local of that
    // length, which the call only reads.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            length,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
