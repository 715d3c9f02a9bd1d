//! The only unsafe and the only privileged calls of farmux.
//!
//! ```text
//!   bpf       programs and maps of the kernel; hook: on interfaces, filter: whether they are there
//!             still; shared: memory with them
//!   checkup   BPF, wall clock and room on a disk, for `farmux doctor`
//!   clock     CLOCK_BOOTTIME
//!   hold      one other process: stopped, gone on, killed
//!   icmp      sockets for echo requests
//!   limits    open files
//!   memory    locked, and given back
//!   netlink   addresses and interfaces; links: all of them
//!   news      those that changed, by the kernel's own word
//!   nft       rules of the packet filter, by the program of that name
//!   process   killing groups of processes, seeing one end
//!   packet    raw ARP frames, in and out, through the qdisc
//!   realtime  real-time scheduling
//!   rouse     this process goes on, should it be stopped
//!   room      descriptors, ports and neighbours, for thousands of probes
//!   sysctl    what the kernel says about ARP
//!   terminal  a line that is typed and not shown
//! ```
//!
//! They decide nothing: whoever calls knows why. All of them work in the network namespace of the
//! calling thread.

mod bpf;
mod checkup;
mod clock;
mod filter;
mod hold;
mod hook;
mod icmp;
pub mod limits;
mod links;
mod memory;
mod netlink;
mod news;
mod nft;
mod packet;
mod process;
mod realtime;
pub mod room;
mod rouse;
mod shared;
mod sysctl;
mod terminal;

pub use bpf::{Bpf, BpfError, Counters, FENCE, MapShape, is_bpffs};
pub use checkup::{clock_is_synchronised, free_bytes, try_bpf};
pub use clock::boottime_ns;
pub use hold::{Held, Nudge, is_stopped, own_session, started};
pub use hook::{Hooked, forget};
pub use icmp::{EchoKind, EchoSocket};
pub use links::Interface;
pub use memory::{give_back_memory, lock_memory};
pub use netlink::{Link, Netlink, NetlinkError, Placed, Subnet};
pub use news::{AddressNews, News, Told};
pub use nft::{NftError, find_nft, nft};
pub use packet::PacketSocket;
pub use process::{Exit, kill_group};
pub use realtime::{hurry, schedule_first};
pub use rouse::Rouser;
pub use shared::SharedWords;
pub use sysctl::quiet_arp;
pub use terminal::read_hidden;
