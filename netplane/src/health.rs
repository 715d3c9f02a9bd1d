//! What this machine's own probes say, as the data path obeys it: at once, before the log has it.
//!
//! ```text
//!   probe runner --set--> HealthOverlay (immutable map + generation) --load--> serving runtimes
//! ```
//!
//! One writer publishes a new immutable map and then raises the generation; readers take the map
//! without a lock and only when the generation moved. While this machine probes a farm, *every*
//! check of it has an entry here, beginning with the health that the log remembers; so an entry
//! is always as new as the log, or newer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::plan::{Advice, Health, ProbeKey};
use crate::pretend::{Pretences, Pretend, Pretended, TooMany, Whom};

/// What one check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// The verdict.
    pub health: Health,
    /// What the server's own page asks for.
    pub advice: Advice,
}

impl Seen {
    fn is_up(&self) -> bool {
        self.health == Health::Up
    }
}

impl From<Health> for Seen {
    fn from(health: Health) -> Seen {
        let advice = Advice::None;
        Seen { health, advice }
    }
}

/// The verdicts of this machine's own probes; one writer, any number of readers.
#[derive(Debug, Default)]
pub struct HealthOverlay {
    verdicts: ArcSwap<OwnVerdicts>,
    /// What a drill pretends; the same readers obey it.
    pretences: ArcSwap<Pretences>,
    generation: AtomicU64,
    /// Only writers take it: two of them must not publish from the same old map.
    writing: Mutex<()>,
}

impl HealthOverlay {
    /// Nothing probed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that rises whenever anything in here changed.
    ///
    /// A reader that keeps what it derived reads this first and [`Self::load`] after it: the map
    /// is then at least as new as the number, so nothing is missed.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The verdicts as they are now.
    pub fn load(&self) -> Arc<OwnVerdicts> {
        self.verdicts.load_full()
    }

    /// Takes in several changes as one: `None` forgets a check that is not probed here any more.
    pub fn set<S: Into<Seen>>(&self, changes: impl IntoIterator<Item = (ProbeKey, Option<S>)>) {
        let _one_writer = self.one_writer();
        let mut next = OwnVerdicts::clone(&self.verdicts.load());
        let mut changed = false;
        for (key, seen) in changes {
            changed |= next.set(&key, seen.map(Into::into));
        }
        if changed {
            self.verdicts.store(Arc::new(next));
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Pretends from now on that somebody is down or slow, for so long at most; again, with
    /// another end.
    ///
    /// **Errors**: [`TooMany`]; nothing has changed.
    pub fn pretend(&self, whom: Whom, how: Pretend, lasts: Duration) -> Result<(), TooMany> {
        let _one_writer = self.one_writer();
        let next = self.pretences.load();
        let next = next.with(whom, Pretended::for_so_long(how, lasts))?;
        self.publish(next);
        Ok(())
    }

    /// Pretends no more of somebody; of whom nothing is pretended, nothing changes.
    pub fn pretend_no_more(&self, whom: &Whom) {
        let _one_writer = self.one_writer();
        let next = self.pretences.load().without(whom);
        self.publish(next);
    }

    /// What is pretended now.
    pub(crate) fn pretences(&self) -> Arc<Pretences> {
        self.pretences.load_full()
    }

    /// What is pretended of whom a check is about; cheap where that is nothing.
    pub(crate) fn pretended(&self, key: &ProbeKey) -> Option<Pretended> {
        self.pretences.load().check(key)
    }

    fn publish(&self, next: Pretences) {
        self.pretences.store(Arc::new(next));
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn one_writer(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An immutable picture of all verdicts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnVerdicts {
    /// By farm; shared between pictures, so that one verdict copies one farm only.
    farms: BTreeMap<Arc<str>, Arc<FarmVerdicts>>,
}

/// The verdicts of one farm: by server, then by service.
type FarmVerdicts = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Seen>>;

impl OwnVerdicts {
    /// What the own probe of one check says; `None` where this machine does not probe it.
    pub fn get(&self, farm: &str, service: &str, server: &str) -> Option<Seen> {
        self.farms.get(farm)?.get(server)?.get(service).copied()
    }

    /// What `server` asks for in `service`: with fate *each* what its own check found there, with
    /// shared fate the strictest of what all its checks found. `logged` is what the log remembers;
    /// it counts where no own probe watches.
    pub fn advice(
        &self,
        farm: &str,
        service: &str,
        server: &str,
        shared_fate: bool,
        logged: Advice,
    ) -> Advice {
        let own = self.farms.get(farm).and_then(|servers| servers.get(server));
        let Some(checks) = own else { return logged };
        match shared_fate {
            false => checks.get(service).map_or(logged, |seen| seen.advice),
            true => {
                let all = checks.values().map(|seen| seen.advice);
                all.fold(Advice::None, Advice::stricter)
            }
        }
    }

    /// Whether `server` may be given work of `service`.
    ///
    /// `logged` is the log's opinion ([`crate::plan::Footing::Checked`]); it counts where no
    /// own probe watches. With fate *each* the service's own check decides. With shared fate any
    /// check of the server that is down takes it out; a check without a verdict keeps it only
    /// out of its own service, and a service without a check needs one other that is up.
    pub fn healthy(
        &self,
        farm: &str,
        service: &str,
        server: &str,
        shared_fate: bool,
        logged: bool,
    ) -> bool {
        let own = self.farms.get(farm).and_then(|servers| servers.get(server));
        let Some(checks) = own else { return logged };
        let mine = checks.get(service).map(Seen::is_up);
        if !shared_fate {
            return mine.unwrap_or(logged);
        }
        if checks.values().any(|seen| seen.health == Health::Down) {
            return false;
        }
        mine.unwrap_or_else(|| checks.values().any(Seen::is_up))
    }

    /// A watch is nobody's server: its verdict concerns no data path.
    fn set(&mut self, key: &ProbeKey, seen: Option<Seen>) -> bool {
        let ProbeKey::Server {
            farm,
            server,
            service,
        } = key
        else {
            return false;
        };
        if self.get(farm, service, server) == seen {
            return false;
        }
        let servers = Arc::make_mut(self.farms.entry(farm.clone()).or_default());
        let checks = servers.entry(server.clone()).or_default();
        match seen {
            Some(seen) => {
                checks.insert(service.clone(), seen);
            }
            None => {
                checks.remove(service);
                if checks.is_empty() {
                    servers.remove(server);
                }
                if servers.is_empty() {
                    self.farms.remove(farm);
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(server: &str, service: &str) -> ProbeKey {
        ProbeKey::Server {
            farm: "shop".into(),
            server: server.into(),
            service: service.into(),
        }
    }

    /// Own verdicts of (web, api), asked service, fate, log's opinion -> may it be given work?
    #[test]
    fn every_combination_of_fate_and_verdict() {
        use Health::{Down, Unknown, Up};
        /// web, api, shared, logged -> web may have work
        type Row = (Option<Health>, Option<Health>, bool, bool, bool);
        let rows: &[Row] = &[
            (None, None, true, true, true),
            (None, None, true, false, false),
            (None, None, false, true, true),
            (None, None, false, false, false),
            (Some(Up), None, true, false, true),
            (Some(Down), None, true, true, false),
            (Some(Unknown), None, true, true, false),
            (Some(Up), None, false, false, true),
            (Some(Down), None, false, true, false),
            (Some(Unknown), None, false, true, false),
            (Some(Up), Some(Up), true, false, true),
            (Some(Up), Some(Down), true, true, false),
            (Some(Up), Some(Down), false, false, true),
            (Some(Up), Some(Unknown), true, false, true),
            (Some(Unknown), Some(Up), true, true, false),
            (Some(Down), Some(Up), true, true, false),
            // web has no check of its own
            (None, Some(Up), true, false, true),
            (None, Some(Down), true, true, false),
            (None, Some(Unknown), true, true, false),
            (None, Some(Down), false, true, true),
            (None, Some(Up), false, false, false),
        ];
        for &(web, api, shared, logged, wanted) in rows {
            let overlay = HealthOverlay::new();
            overlay.set([(key("s1", "web"), web), (key("s1", "api"), api)]);
            let got = overlay.load().healthy("shop", "web", "s1", shared, logged);
            assert_eq!(
                got, wanted,
                "web {web:?}, api {api:?}, shared {shared}, logged {logged}"
            );
        }
    }

    #[test]
    fn the_generation_moves_only_with_a_change() {
        let overlay = HealthOverlay::new();
        let start = overlay.generation();
        overlay.set([(key("s1", "web"), Some(Health::Up))]);
        let first = overlay.generation();
        assert!(first > start);
        overlay.set([
            (key("s1", "web"), Some(Health::Up)),
            (key("s9", "web"), None),
        ]);
        assert_eq!(overlay.generation(), first);
        let before = overlay.load();
        overlay.set([(key("s1", "web"), None::<Health>)]);
        assert!(overlay.generation() > first);
        assert_eq!(
            before.get("shop", "web", "s1"),
            Some(Health::Up.into()),
            "pictures never change"
        );
        assert_eq!(
            *overlay.load(),
            OwnVerdicts::default(),
            "nothing is left behind"
        );
    }

    /// Advice of (web, api), fate, the log's -> what web's server asks for there.
    #[test]
    fn whose_advice_counts() {
        use Advice::{None as Nothing, Overload, Quiesce};
        let weight = |n| Advice::Weight(std::num::NonZeroU32::new(n).expect("not 0"));
        type Row = (Option<Advice>, Option<Advice>, bool, Advice, Advice);
        let rows: &[Row] = &[
            (None, None, true, Overload, Overload),
            (None, None, false, Quiesce, Quiesce),
            (Some(Nothing), None, true, Quiesce, Nothing),
            (Some(Nothing), None, false, Quiesce, Nothing),
            (Some(Overload), Some(Quiesce), true, Nothing, Quiesce),
            (Some(Overload), Some(Quiesce), false, Nothing, Overload),
            (Some(weight(9)), Some(weight(3)), true, Nothing, weight(3)),
            (Some(weight(9)), Some(weight(3)), false, Nothing, weight(9)),
            (Some(weight(9)), Some(Nothing), true, Nothing, weight(9)),
            // web has no check of its own
            (None, Some(Quiesce), true, Nothing, Quiesce),
            (None, Some(Quiesce), false, Nothing, Nothing),
        ];
        for &(web, api, shared, logged, wanted) in rows {
            let overlay = HealthOverlay::new();
            let seen = |advice| Seen {
                health: Health::Up,
                advice,
            };
            overlay.set([
                (key("s1", "web"), web.map(seen)),
                (key("s1", "api"), api.map(seen)),
            ]);
            let got = overlay.load().advice("shop", "web", "s1", shared, logged);
            assert_eq!(got, wanted, "{web:?}, {api:?}, shared {shared}, {logged:?}");
        }
    }

    #[test]
    fn a_change_of_advice_alone_is_a_change() {
        let overlay = HealthOverlay::new();
        overlay.set([(key("s1", "web"), Some(Health::Up))]);
        let before = overlay.generation();
        let seen = Seen {
            health: Health::Up,
            advice: Advice::Quiesce,
        };
        overlay.set([(key("s1", "web"), Some(seen))]);
        assert!(overlay.generation() > before);
        assert_eq!(overlay.load().get("shop", "web", "s1"), Some(seen));
    }
}
