//! Until when this machine may show which VIP: written by the lease thread, read by the actuator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The deadlines of the leases held here. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Leases(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    until: Mutex<BTreeMap<Arc<str>, u64>>,
    changed: Notify,
}

impl Leases {
    /// Notes that `vip` is lent to this machine until `until_boottime_ns`, or no more.
    ///
    /// Cheap enough for the lease thread: an extension only moves a number; a gain or a loss
    /// wakes the actuator as well.
    pub fn set(&self, vip: &str, until_boottime_ns: Option<u64>) {
        let mut until = self.lock();
        let changed = match (until.get_mut(vip), until_boottime_ns) {
            (Some(old), Some(new)) => {
                *old = new;
                false
            }
            (None, Some(new)) => until.insert(vip.into(), new).is_none(),
            (_, None) => until.remove(vip).is_some(),
        };
        drop(until);
        if changed {
            self.0.changed.notify_one();
        }
    }

    /// The deadlines, by VIP, in nanoseconds of `CLOCK_BOOTTIME`.
    pub fn deadlines(&self) -> BTreeMap<Arc<str>, u64> {
        self.lock().clone()
    }

    /// Waits for a gain or a loss.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, u64>> {
        self.0.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
