//! Until when this machine may show which VIP: written by the lease thread, read by the actuator
//! and, where there is a fence, by the kernel.
//!
//! ```text
//!   lease thread --set--> Lent ──┬─▶ slot (shared with the kernel): closed at the deadline
//!                                └─▶ actuator, woken by a gain or a loss
//!   actuator ─ announces ─ open ───▶ slot: open 10 ms later
//!   kernel   ─ last claim ─────────▶ slot ─ claim ─▶ lease thread
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::fence::{DropReason, FenceMode, FenceSettings, FenceStatus, Rooms, Slot};
use crate::sys::boottime_ns;

/// By what right a VIP is here, and until when. Boot-clock nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lent {
    /// Until when, unless it is told of a later end before.
    pub until_ns: u64,
    /// Since when without a majority: from then on another's claim ends it.
    pub alone_since_ns: Option<u64>,
    /// It was another's before, and was taken without a majority.
    pub taken: bool,
}

/// Another machine said that a VIP is its own, and this machine's kernel heard it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// When, in nanoseconds of `CLOCK_BOOTTIME`.
    pub at_ns: u64,
    /// Which machine.
    pub mac: [u8; 6],
}

/// The deadlines of the leases held here. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: Mutex<BTreeMap<Arc<str>, Entry>>,
    changed: Notify,
    settings: Option<FenceSettings>,
    /// What the fence says of each VIP; written by the actuator, and locked for no longer than it
    /// takes to put one in the place of another.
    rooms: Mutex<Arc<Rooms>>,
}

/// What is known of a VIP.
#[derive(Debug, Default)]
struct Entry {
    lent: Option<Lent>,
    /// Whether this lease was announced, and the fence told when to open.
    opened: bool,
    /// The words that the kernel reads; `None` without a fence.
    slot: Option<Slot>,
    /// By what right it was here when an earlier process of this boot wrote last.
    inherited: Option<Lent>,
}

impl Leases {
    /// Leases that a fence in the kernel enforces, wherever it can be had; [`Leases::default`] has
    /// none.
    pub fn fenced(settings: FenceSettings) -> Leases {
        Leases(Arc::new(Inner {
            settings: Some(settings),
            ..Inner::default()
        }))
    }

    /// Notes that `vip` is lent to this machine, or no more.
    ///
    /// Cheap enough for the lease thread: an extension only moves numbers; a gain or a loss
    /// wakes the actuator as well. A deadline that had passed is gained anew: the fence opens
    /// only after another announcement.
    pub fn set(&self, vip: &str, lent: Option<Lent>) {
        let mut entries = self.lock();
        let changed = match (entries.get_mut(vip), lent) {
            (Some(entry), lent) => entry.set(lent),
            (None, Some(_)) => entries.entry(vip.into()).or_default().set(lent),
            (None, None) => false,
        };
        if lent.is_none() {
            entries.retain(|_, entry| entry.lent.is_some() || entry.slot.is_some());
        }
        drop(entries);
        if changed {
            self.0.changed.notify_one();
        }
    }

    /// The deadlines, by VIP, in nanoseconds of `CLOCK_BOOTTIME`.
    pub fn deadlines(&self) -> BTreeMap<Arc<str>, u64> {
        let entries = self.lock();
        let until = |(vip, entry): (&Arc<str>, &Entry)| {
            let lent = entry.lent.as_ref()?;
            Some((Arc::clone(vip), lent.until_ns))
        };
        entries.iter().filter_map(until).collect()
    }

    /// By what right a VIP is here, if it is.
    pub(crate) fn lent(&self, vip: &str) -> Option<Lent> {
        self.lock().get(vip)?.lent
    }

    /// The last claim of `vip` by a machine that is not this one; `None` also without the fence.
    pub fn claim(&self, vip: &str) -> Option<Claim> {
        self.lock().get(vip)?.slot.as_ref()?.claim()
    }

    /// By what right `vip` was here when an earlier process of this boot died; `None` where it left
    /// in order, never had it, or without pins.
    ///
    /// **Source**: `vip-protocol.md`, section 5, H5.
    pub fn inherited(&self, vip: &str) -> Option<Lent> {
        self.lock().get(vip)?.inherited
    }

    /// Lets no new connection to `vip` begin (its SYNs are dropped and counted), or lets them.
    /// It ends by itself after 100 ms, should its caller die.
    ///
    /// **Source**: `vip-protocol.md`, sections 6 and 8.
    pub fn refuse_new(&self, vip: &str, refuse: bool) {
        let until = boottime_ns().saturating_add(nanos(REFUSED_FOR));
        if let Some(slot) = self.lock().get(vip).and_then(|entry| entry.slot.as_ref()) {
            slot.refuse_until(if refuse { until } else { 0 });
        }
    }

    /// What the fence does for each VIP of the plan; empty without VIPs.
    ///
    /// Reads six counters of every core for each VIP: who asks many times a second about one of
    /// them has [`Leases::mode`] and [`Leases::refused`].
    pub fn fences(&self) -> BTreeMap<Arc<str>, FenceStatus> {
        self.rooms().status(boottime_ns())
    }

    /// How a VIP is fenced; reads no counter.
    pub fn mode(&self, vip: &str) -> FenceMode {
        self.rooms().mode(vip)
    }

    /// How many new connections to a VIP the fence refused so far; `None` without a fence.
    pub fn refused(&self, vip: &str) -> Option<u64> {
        self.rooms().dropped(vip, DropReason::NewRefused)
    }

    /// How the fence is to be had; `None`: not at all.
    pub(crate) fn settings(&self) -> Option<&FenceSettings> {
        self.0.settings.as_ref()
    }

    /// Gives each VIP the words that the kernel reads of it; whoever has none any more is closed.
    pub(crate) fn bind(&self, rooms: Rooms) {
        let mut entries = self.lock();
        for (vip, entry) in entries.iter_mut() {
            if rooms.slot(vip).is_none() {
                entry.bind(None);
            }
        }
        for (vip, slot) in rooms.slots() {
            entries.entry(vip).or_default().bind(Some(slot));
        }
        entries.retain(|_, entry| entry.lent.is_some() || entry.slot.is_some());
        drop(entries);
        *self.lock_rooms() = Arc::new(rooms);
    }

    /// The VIPs that are lent and were not announced since.
    pub(crate) fn unopened(&self) -> Vec<Arc<str>> {
        let entries = self.lock();
        let waits = |entry: &Entry| entry.lent.is_some() && !entry.opened;
        let vips = entries.iter().filter(|(_, entry)| waits(entry));
        vips.map(|(vip, _)| Arc::clone(vip)).collect()
    }

    /// Opens the fence of a VIP from that time on: it was announced.
    pub(crate) fn open(&self, vip: &str, from_ns: u64) {
        if let Some(entry) = self.lock().get_mut(vip)
            && entry.lent.is_some()
        {
            entry.opened = true;
            if let Some(slot) = &entry.slot {
                slot.open_from(from_ns);
            }
        }
    }

    /// Waits for a gain or a loss.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn rooms(&self) -> Arc<Rooms> {
        Arc::clone(&self.lock_rooms())
    }

    fn lock_rooms(&self) -> MutexGuard<'_, Arc<Rooms>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Entry>> {
        self.0
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Takes a lease over; whether that is a gain or a loss.
    fn set(&mut self, lent: Option<Lent>) -> bool {
        let alive = |old: &Lent| old.until_ns > boottime_ns();
        let extends = self.lent.as_ref().is_some_and(alive);
        let had = self.lent.is_some();
        self.lent = lent;
        match (lent, extends) {
            (Some(lent), true) => {
                if let Some(slot) = &self.slot {
                    slot.extend(lent);
                }
                false
            }
            (Some(lent), false) => {
                self.opened = false;
                if let Some(slot) = &self.slot {
                    slot.gain(lent);
                }
                true
            }
            (None, _) => {
                if let (true, Some(slot)) = (had, &self.slot) {
                    slot.close();
                }
                had
            }
        }
    }

    fn bind(&mut self, slot: Option<Slot>) {
        let before = self.slot.as_ref().map(Slot::index);
        if let Some(old) = &self.slot
            && before != slot.as_ref().map(Slot::index)
        {
            old.close();
        }
        let fresh = slot.is_some() && before != slot.as_ref().map(Slot::index);
        self.slot = slot;
        if let (true, Some(slot)) = (fresh, &self.slot) {
            self.inherited = slot.lent();
            if let Some(lent) = self.lent {
                self.opened = false;
                slot.gain(lent);
            }
        }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Five times as long as a planned move may refuse new connections (`vip-protocol.md`, section 8).
pub(super) const REFUSED_FOR: Duration = Duration::from_millis(100);
