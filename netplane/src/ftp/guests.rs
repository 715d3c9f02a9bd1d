//! The guests of all runtimes: clients that speak TLS with a server, and what they have open.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::serve::Shared;

/// A session has one data connection, and perhaps one that is just ending.
const TRANSFERS_EACH: usize = 2;

/// A client that speaks TLS with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Guest {
    pub(super) vip: IpAddr,
    pub(super) client: IpAddr,
    pub(super) server: SocketAddr,
}

/// What a guest has open.
#[derive(Debug, Clone, Copy, Default)]
struct Presence {
    sessions: usize,
    transfers: usize,
}

/// The guests of all runtimes; locked by them for moments, and by nobody else.
#[derive(Debug, Default)]
pub(crate) struct Guests(Mutex<BTreeMap<Guest, Presence>>);

impl Guests {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Guest, Presence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, guest: Guest, with: impl FnOnce(&mut Presence)) {
        let mut guests = self.lock();
        let presence = guests.entry(guest).or_default();
        with(presence);
        if presence.sessions == 0 && presence.transfers == 0 {
            guests.remove(&guest);
        }
    }

    pub(super) fn transfers(&self, guest: Guest) -> usize {
        self.lock()
            .get(&guest)
            .map_or(0, |presence| presence.transfers)
    }

    /// Takes in a data connection, if somebody of that address has a session.
    pub(super) fn admit(&self, guest: Guest) -> bool {
        match self.lock().get_mut(&guest) {
            Some(presence) if presence.transfers < presence.sessions * TRANSFERS_EACH => {
                presence.transfers += 1;
                true
            }
            Some(_) | None => false,
        }
    }
}

/// A session of a guest, for as long as this lives.
pub(super) struct Session(Arc<Shared>, Guest);

impl Session {
    pub(super) fn begin(shared: Arc<Shared>, guest: Guest) -> Self {
        shared
            .guests
            .change(guest, |presence| presence.sessions += 1);
        Session(shared, guest)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0
            .guests
            .change(self.1, |presence| presence.sessions -= 1);
    }
}

/// A data connection of a guest, for as long as this lives.
pub(super) struct Transfer(pub(super) Arc<Shared>, pub(super) Guest);

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0
            .guests
            .change(self.1, |presence| presence.transfers -= 1);
    }
}
