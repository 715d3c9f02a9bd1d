//! The servers that clients met, for a farm: one table for all its services and all runtimes.
//!
//! Only the runtimes take its locks. A node that takes a VIP over begins with an empty table:
//! whoever needs clients to meet the same server after a takeover too wants source-hash.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::balance::client::Client;
use crate::balance::hash::Hash;
use crate::balance::persistence::Persisted;

/// Parts of a table, each with its own lock: several for each core of any usual machine.
const SHARDS: usize = 16;
/// Clients that a table remembers at most: 131,072 in all parts, in about 20 MiB; beyond that the
/// ones seen longest ago are forgotten.
const CLIENTS_MAX: usize = 8192 * SHARDS;
/// Which part is a client's.
const SHARD: Hash = Hash { key: [1, 1] };

/// A farm's table.
#[derive(Debug)]
pub(crate) struct Sticky([Mutex<Persisted>; SHARDS]);

impl Default for Sticky {
    fn default() -> Self {
        Sticky(std::array::from_fn(|_| {
            Mutex::new(Persisted::new(CLIENTS_MAX / SHARDS))
        }))
    }
}

impl Sticky {
    fn shard(&self, client: &Client) -> MutexGuard<'_, Persisted> {
        let hash = SHARD.of(client.bytes()) % SHARDS as u64;
        let shard = &self.0[usize::try_from(hash).unwrap_or_default()];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server that the client met last, within `timeout` before `now`.
    pub(crate) fn meet(
        &self,
        client: &Client,
        timeout: Duration,
        now: Duration,
    ) -> Option<Arc<str>> {
        self.shard(client).meet(client, timeout, now)
    }

    /// The client meets `picked` from now on, if it still has the server that was found `before`;
    /// otherwise another of its connections was faster, and this is the server which that one met.
    pub(crate) fn settle(
        &self,
        client: Client,
        before: Option<&Arc<str>>,
        picked: &Arc<str>,
        timeout: Duration,
        now: Duration,
    ) -> Option<Arc<str>> {
        let mut shard = self.shard(&client);
        match shard.meet(&client, timeout, now) {
            Some(other) if Some(&other) != before => Some(other),
            Some(_) | None => {
                shard.remember(client, picked.clone(), now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// The connections of a browser come all at once, on different runtimes.
    #[test]
    fn of_several_that_pick_at_once_one_decides() {
        let (sticky, timeout) = (Sticky::default(), Duration::from_secs(60));
        for number in 0..200 {
            let client = Client::of(Ipv4Addr::from_bits(number).into(), None);
            let met: Vec<Arc<str>> = std::thread::scope(|scope| {
                let each = ["s1", "s2", "s3"].map(|name| {
                    let sticky = &sticky;
                    scope.spawn(move || {
                        let name: Arc<str> = name.into();
                        let settled = sticky.settle(client, None, &name, timeout, Duration::ZERO);
                        settled.unwrap_or(name)
                    })
                });
                each.map(|thread| thread.join().expect("it does not panic"))
                    .into()
            });
            assert!(met.iter().all(|name| *name == met[0]), "{met:?}");
            let now = sticky.meet(&client, timeout, Duration::ZERO);
            assert_eq!(now.as_ref(), Some(&met[0]));
        }
    }

    #[test]
    fn a_server_that_is_gone_is_replaced_once() {
        let sticky = Sticky::default();
        let client = Client::of(Ipv4Addr::LOCALHOST.into(), None);
        let [gone, new, late] = ["gone", "new", "late"].map(Arc::<str>::from);
        let settle = |before, picked| {
            let timeout = Duration::from_secs(60);
            sticky.settle(client, before, picked, timeout, Duration::ZERO)
        };
        assert_eq!(settle(None, &gone), None);
        assert_eq!(settle(Some(&gone), &new), None);
        assert_eq!(settle(Some(&gone), &late), Some(new));
    }
}
