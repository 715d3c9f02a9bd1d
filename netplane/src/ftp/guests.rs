//! The guests of all runtimes: clients that speak TLS with a server, and what they have open.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::refusal::FtpRefusal;
use crate::serve::Shared;

/// A session has one data connection, and perhaps one that is just ending.
const TRANSFERS_EACH: usize = 2;
/// So many data connections in a row that come to nothing are no accident: clients come to ports
/// that their server has just opened.
const MISSES_MAX: u32 = 8;
/// For how long no data connection is taken after that: whoever tries all ports of a server for
/// one that another client is about to use gets through 16 a minute.
const BARRED_FOR: Duration = Duration::from_secs(30);

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

/// Data connections of a guest that came to nothing.
#[derive(Debug, Clone, Copy)]
struct Misses {
    in_a_row: u32,
    last: Instant,
}

/// The guests of all runtimes; locked by them for moments, and by nobody else.
#[derive(Debug, Default)]
pub(crate) struct Guests(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    present: BTreeMap<Guest, Presence>,
    /// They outlive the session, so that a new one is no way around them, and are forgotten after
    /// [`BARRED_FOR`]: no more than had a session within that time.
    misses: BTreeMap<Guest, Misses>,
}

impl Book {
    fn missed(&mut self, guest: Guest, now: Instant) {
        self.misses.retain(|_, misses| misses.is_recent(now));
        let misses = self.misses.entry(guest).or_insert(Misses {
            in_a_row: 0,
            last: now,
        });
        misses.in_a_row += 1;
        misses.last = now;
    }

    fn is_barred(&self, guest: Guest, now: Instant) -> bool {
        let misses = self.misses.get(&guest);
        misses.is_some_and(|misses| misses.in_a_row >= MISSES_MAX && misses.is_recent(now))
    }
}

impl Misses {
    fn is_recent(&self, now: Instant) -> bool {
        now.duration_since(self.last) < BARRED_FOR
    }
}

impl Guests {
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, guest: Guest, with: impl FnOnce(&mut Presence)) {
        let mut book = self.lock();
        let presence = book.present.entry(guest).or_default();
        with(presence);
        if presence.sessions == 0 && presence.transfers == 0 {
            book.present.remove(&guest);
        }
    }

    pub(super) fn transfers(&self, guest: Guest) -> usize {
        let book = self.lock();
        let presence = book.present.get(&guest);
        presence.map_or(0, |presence| presence.transfers)
    }

    /// Takes in a data connection, if somebody of that address has a session.
    ///
    /// **Errors**: nobody has, it has enough of them, or too many came to nothing.
    pub(super) fn admit(&self, guest: Guest, now: Instant) -> Result<(), FtpRefusal> {
        let mut book = self.lock();
        if book.is_barred(guest, now) {
            return Err(FtpRefusal::DataBarred);
        }
        match book.present.get_mut(&guest) {
            Some(presence) if presence.transfers < presence.sessions * TRANSFERS_EACH => {
                presence.transfers += 1;
                Ok(())
            }
            Some(_) => {
                book.missed(guest, now);
                Err(FtpRefusal::Stranger)
            }
            None => Err(FtpRefusal::Stranger),
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

impl Transfer {
    /// The server did not take it: it had not opened that port.
    pub(super) fn missed(&self, now: Instant) {
        self.0.guests.lock().missed(self.1, now);
    }

    /// The server took it.
    pub(super) fn met(&self) {
        self.0.guests.lock().misses.remove(&self.1);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0
            .guests
            .change(self.1, |presence| presence.transfers -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_misses_too_often_is_barred_for_a_while() {
        let guests = Guests::default();
        let ip = |last| IpAddr::from([127, 0, 0, last]);
        let [guest, other] = [1, 2].map(|last| Guest {
            vip: ip(100),
            client: ip(last),
            server: SocketAddr::new(ip(21), 21),
        });
        let begun = Instant::now();
        let miss = |at: Duration| {
            let admitted = guests.admit(guest, begun + at);
            if admitted.is_ok() {
                guests.lock().missed(guest, begun + at);
                guests.change(guest, |presence| presence.transfers -= 1);
            }
            admitted
        };
        let second = Duration::from_secs(1);
        assert_eq!(miss(second), Err(FtpRefusal::Stranger));
        for present in [guest, other] {
            guests.change(present, |presence| presence.sessions += 1);
        }
        for _ in 1..MISSES_MAX {
            assert_eq!(miss(second), Ok(()));
        }
        // One that went well, or much time, begins the count anew.
        guests.lock().misses.remove(&guest);
        for at in [second, 2 * second + BARRED_FOR] {
            for _ in 1..MISSES_MAX {
                assert_eq!(miss(at), Ok(()));
            }
        }
        let last = 3 * second + BARRED_FOR;
        assert_eq!(miss(last), Ok(()));
        assert_eq!(miss(last), Err(FtpRefusal::DataBarred));
        assert_eq!(guests.admit(other, begun + last), Ok(()));
        // Not even with a new session.
        guests.change(guest, |presence| presence.sessions -= 1);
        guests.change(guest, |presence| presence.sessions += 1);
        let end = last + BARRED_FOR;
        assert_eq!(miss(end - second), Err(FtpRefusal::DataBarred));
        assert_eq!(miss(end), Ok(()));
        // More at once than a session has are misses too.
        for _ in 0..TRANSFERS_EACH {
            assert_eq!(guests.admit(guest, begun + end), Ok(()));
        }
        for _ in 1..MISSES_MAX {
            assert_eq!(miss(end), Err(FtpRefusal::Stranger));
        }
        assert_eq!(miss(end), Err(FtpRefusal::DataBarred));
    }
}
