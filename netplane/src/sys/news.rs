//! What the kernel says of its own accord: addresses and interfaces that changed, by rtnetlink.
//!
//! ```text
//!   kernel --multicast--> socket --> fold (a task) --Told, newest state an address--> whoever asks
//! ```
//!
//! A socket of its own: what is asked for goes through another one, so that no answer is mistaken
//! for news.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::{MulticastGroup, new_multicast_connection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::netlink::{has_carrier, is_lent, local};

/// News of the network namespace in which it was opened.
#[derive(Debug)]
pub struct News {
    folded: Arc<Folded>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug, Default)]
struct Folded {
    told: Mutex<Told>,
    changed: Notify,
    /// The socket ended: from then on nothing is known but by looking.
    ended: AtomicBool,
}

/// What became known since it was last asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Addresses that came, went or changed, by number of interface.
    pub addresses: BTreeMap<(u32, IpAddr), AddressNews>,
    /// Interfaces that changed, by number.
    pub links: BTreeSet<u32>,
    /// Those that had no carrier in between, or went.
    pub fell: BTreeSet<u32>,
    /// More happened than was told: whoever wants to know looks at everything.
    pub missed: bool,
}

/// What happened to an address, all of it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AddressNews {
    /// It went, in between at least.
    pub went: bool,
    /// It was there to stay, in between at least: not as floating addresses are.
    pub stays: bool,
}

impl News {
    /// Listens for addresses of both families and for interfaces; its traffic is moved by tasks on
    /// the current runtime.
    ///
    /// **Errors**: the system gives no netlink socket.
    ///
    /// **Panics**: outside of a runtime.
    pub fn open() -> io::Result<News> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ];
        let (connection, _, mut messages) = new_multicast_connection(&groups)?;
        let folded = Arc::new(Folded::default());
        let into = Arc::clone(&folded);
        let fold = async move {
            while let Some((message, _)) = messages.next().await {
                into.fold(message.payload);
            }
            into.end();
        };
        Ok(News {
            folded,
            tasks: [tokio::spawn(connection), tokio::spawn(fold)],
        })
    }

    /// Waits until there are news.
    pub async fn changed(&self) {
        self.folded.changed.notified().await;
    }

    /// What there is to know; the next call has only what is newer.
    pub fn take(&self) -> Told {
        self.folded.take()
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Folded {
    fn fold(&self, payload: NetlinkPayload<RouteNetlinkMessage>) {
        // The rest is answers and endings of requests, which this socket never makes.
        if let NetlinkPayload::InnerMessage(message) = payload {
            self.change(|told| told.add(&message));
        } else if matches!(payload, NetlinkPayload::Overrun(_)) {
            self.change(|told| told.missed = true);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    fn take(&self) -> Told {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = std::mem::take(&mut *told);
        taken.missed |= self.ended.load(Ordering::SeqCst);
        taken
    }
}

impl Told {
    fn add(&mut self, message: &RouteNetlinkMessage) {
        if let RouteNetlinkMessage::NewAddress(message) = message {
            self.address(message, false);
        } else if let RouteNetlinkMessage::DelAddress(message) = message {
            self.address(message, true);
        } else if let RouteNetlinkMessage::NewLink(message) = message {
            self.link(message.header.index, !has_carrier(message));
        } else if let RouteNetlinkMessage::DelLink(message) = message {
            self.link(message.header.index, true);
        }
    }

    fn address(&mut self, message: &AddressMessage, went: bool) {
        let Some(address) = local(message) else {
            return;
        };
        let place = (message.header.index, address);
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&place) {
            self.missed = true;
            return;
        }
        let news = self.addresses.entry(place).or_default();
        news.went |= went;
        news.stays |= !is_lent(message);
    }

    fn link(&mut self, index: u32, fell: bool) {
        self.links.insert(index);
        if fell {
            self.fell.insert(index);
        }
    }
}

/// Between two looks, which are milliseconds apart: more than any script changes at once.
const ADDRESSES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_told_once_and_an_end_for_ever() {
        let folded = Folded::default();
        assert_eq!(folded.take(), Told::default());
        folded.change(|told| told.missed = true);
        assert_eq!((folded.take().missed, folded.take().missed), (true, false));
        folded.end();
        for _ in 0..3 {
            assert!(folded.take().missed, "nobody tells any more");
        }
    }
}
