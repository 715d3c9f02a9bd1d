//! The wire: VIPs, balancing and probes of one machine; it knows nothing of Raft.
//!
//! ```text
//!   plan, diff   PURE: what this machine must show, and the steps that lead there
//!   health       what own probes say, as the data path obeys it
//!   arp          PURE: the frames that announce an IPv4 address, and that ask for one
//!   vip          addresses and their announcement
//!   fence        the program in the kernel that lets them answer only while they are lent
//!   balance      PURE: picking a server
//!   proxy        the PROXY protocol: who the client behind another proxy is
//!   tcp, http    one folder a service: codec (PURE) and the tasks that move bytes
//!   severed      from its peers or its gateway, in a drill
//!   reference    the gateway of a VIP's network, and whether anybody has the VIP
//!   pretend      what a drill pretends of servers
//!   probe        one file a kind of check; schedule; rise and fall (PURE)
//!   sys          the only unsafe and privileged calls
//! ```

pub mod arp;
pub mod balance;
pub mod diff;
pub mod fence;
pub mod ftp;
pub mod health;
pub mod http;
pub mod origin;
pub mod plan;
pub mod pretend;
pub mod probe;
pub mod proxy;
pub mod reference;
pub mod serve;
pub mod severed;
#[expect(
    unsafe_code,
    reason = "the only place for it; each block says why it is sound"
)]
pub mod sys;
pub mod tcp;
pub mod vip;
