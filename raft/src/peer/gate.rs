//! The gate: how many connections may be open, and how many of them unproven.
//!
//! ```text
//!   enter(ip) --> Young (handshake, join) --grow_up()--> Grown (a node of ours)
//! ```
//!
//! The two are counted apart, so that a crowd of strangers keeps no node out for long, and one
//! address keeps no other stranger out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Unproven connections at once. Seven nodes with two lanes each reconnect with fourteen.
const YOUNG_MAX: u32 = 64;

/// Of them, from one address.
const YOUNG_PER_IP_MAX: u32 = 16;

/// Proven connections at once: seven nodes with two lanes each, old ones not yet given up, and
/// room.
const GROWN_MAX: u32 = 128;

/// Counts connections.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    young: BTreeMap<IpAddr, u32>,
    young_all: u32,
    grown: u32,
}

/// A place for an unproven connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Young {
    gate: Arc<Gate>,
    ip: IpAddr,
}

/// A place for a proven connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Grown {
    gate: Arc<Gate>,
}

impl Gate {
    /// A place for a new connection, where there is one.
    pub(super) fn enter(self: &Arc<Self>, ip: IpAddr) -> Option<Young> {
        let mut counts = self.counts();
        let here = counts.young.get(&ip).copied().unwrap_or(0);
        if counts.young_all >= YOUNG_MAX || here >= YOUNG_PER_IP_MAX {
            return None;
        }
        counts.young.insert(ip, here + 1);
        counts.young_all += 1;
        Some(Young {
            gate: self.clone(),
            ip,
        })
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

impl Young {
    /// The same connection, now that it proved who it is.
    pub(super) fn grow_up(self) -> Option<Grown> {
        let mut counts = self.gate.counts();
        if counts.grown >= GROWN_MAX {
            return None;
        }
        counts.grown += 1;
        drop(counts);
        Some(Grown {
            gate: self.gate.clone(),
        })
    }
}

impl Drop for Young {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        counts.young_all -= 1;
        let here = counts.young.get(&self.ip).copied().unwrap_or(0);
        if here <= 1 {
            counts.young.remove(&self.ip);
        } else {
            counts.young.insert(self.ip, here - 1);
        }
    }
}

impl Drop for Grown {
    fn drop(&mut self) {
        self.gate.counts().grown -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn one_address_leaves_room_for_others() {
        let gate = Arc::new(Gate::default());
        let mut first: Vec<_> = (0..YOUNG_PER_IP_MAX).map(|_| gate.enter(ip(1))).collect();
        assert!(first.iter().all(Option::is_some));
        assert!(gate.enter(ip(1)).is_none());
        let other = gate.enter(ip(2)).expect("another address has room");
        first.pop();
        assert!(gate.enter(ip(1)).is_some());
        let grown = other.grow_up().expect("there is room");
        assert_eq!(gate.counts().grown, 1);
        drop((first, grown));
        let counts = gate.counts();
        assert_eq!(
            (counts.young.len(), counts.young_all, counts.grown),
            (0, 0, 0)
        );
    }

    #[test]
    fn strangers_are_few_and_keep_no_proven_node_out() {
        let gate = Arc::new(Gate::default());
        let strangers: Vec<_> = (0..200).filter_map(|i| gate.enter(ip(i))).collect();
        assert_eq!(strangers.len(), YOUNG_MAX as usize);
        let grown: Vec<_> = strangers.into_iter().filter_map(Young::grow_up).collect();
        assert_eq!(grown.len(), YOUNG_MAX as usize);
        assert!(gate.enter(ip(1)).is_some());
    }
}
