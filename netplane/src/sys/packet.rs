//! Raw ARP frames on one interface (`AF_PACKET`), in and out; IPv6 frames, out.

use std::io;
use std::mem::size_of;
use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// A socket for the ARP frames of one interface.
///
/// It goes through the qdisc like everything else (no `PACKET_QDISC_BYPASS`), so that a fence
/// there sees what is sent here.
#[derive(Debug)]
pub struct PacketSocket {
    socket: Socket,
    /// Where IPv6 frames go by it.
    six: SockAddr,
}

impl PacketSocket {
    /// Opens the interface with this index; reads and writes do not wait.
    ///
    /// **Errors**: not allowed (`CAP_NET_RAW`), or no such interface.
    pub fn arp(index: u32) -> io::Result<PacketSocket> {
        PacketSocket::open(index, ETH_P_ARP)
    }

    /// Opens the interface with this index for a protocol, as IEEE 802 numbers it; what it reads
    /// got past the fence.
    ///
    /// **Errors**: not allowed (`CAP_NET_RAW`), or no such interface.
    pub fn open(index: u32, protocol: u16) -> io::Result<PacketSocket> {
        let kind = Protocol::from(i32::from(protocol.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(kind))?;
        socket.bind(&address(index, protocol)?)?;
        let six = address(index, ETH_P_IPV6)?;
        Ok(PacketSocket { socket, six })
    }

    /// Sends a whole Ethernet frame of its protocol.
    ///
    /// **Errors**: the interface is down or gone, or its queue is full.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(frame).map(|_| ())
    }

    /// Sends a whole Ethernet frame of IPv6; under its own protocol, so that whoever filters what
    /// leaves knows it for what it is.
    ///
    /// **Errors**: the interface is down or gone, or its queue is full.
    pub fn send_ipv6(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send_to(frame, &self.six).map(|_| ())
    }

    /// Reads a frame, sent or received; what does not fit into `frame` is cut off.
    ///
    /// **Errors**: `WouldBlock` when there is none, or the interface is gone.
    pub fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut &self.socket, frame)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// For a runtime that waits for datagrams: a frame is sent and received as one.
impl From<PacketSocket> for UdpSocket {
    fn from(socket: PacketSocket) -> UdpSocket {
        socket.socket.into()
    }
}

/// The link-layer address that means a protocol on one interface.
fn address(index: u32, protocol: u16) -> io::Result<SockAddr> {
    let none = || io::Error::from(io::ErrorKind::NotFound);
    let link = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).expect("17"),
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(index).map_err(|_| none())?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_ll is a plain C struct that begins with its family, as every sockaddr.
    *unsafe { storage.view_as::<libc::sockaddr_ll>() } = link;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("20");
    // SAFETY: the first `length` bytes of the storage were written just now, and are a sockaddr_ll.
    Ok(unsafe { SockAddr::new(storage, length) })
}

/// ARP, as IEEE 802 numbers it.
const ETH_P_ARP: u16 = 0x0806;
/// IPv6.
const ETH_P_IPV6: u16 = 0x86dd;
