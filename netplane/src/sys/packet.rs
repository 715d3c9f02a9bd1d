//! Raw ARP frames on one interface (`AF_PACKET`), in and out.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// A socket for the ARP frames of one interface.
///
/// It goes through the qdisc like everything else (no `PACKET_QDISC_BYPASS`), so that a fence
/// there sees what is sent here.
#[derive(Debug)]
pub struct PacketSocket(Socket);

impl PacketSocket {
    /// Opens the interface with this index; reads and writes do not wait.
    ///
    /// **Errors**: not allowed (`CAP_NET_RAW`), or no such interface.
    pub fn arp(index: u32) -> io::Result<PacketSocket> {
        let protocol = Protocol::from(i32::from(ETH_P_ARP.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol))?;
        socket.bind(&address(index)?)?;
        Ok(PacketSocket(socket))
    }

    /// Sends a whole Ethernet frame.
    ///
    /// **Errors**: the interface is down or gone, or its queue is full.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.send(frame).map(|_| ())
    }

    /// Reads a frame, sent or received; what does not fit into `frame` is cut off.
    ///
    /// **Errors**: `WouldBlock` when there is none, or the interface is gone.
    pub fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        io::Read::read(&mut &self.0, frame)
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The link-layer address that means ARP on one interface.
fn address(index: u32) -> io::Result<SockAddr> {
    let none = || io::Error::from(io::ErrorKind::NotFound);
    let link = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).expect("17"),
        sll_protocol: ETH_P_ARP.to_be(),
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
