//! The lane of writes: many at once while disks are fast, one after the other while they are slow.
//!
//! openraft keeps each entry by itself, hears nobody meanwhile, and takes the next proposal before
//! the answers of the others. Where a disk takes half a second, proposals that come one after the
//! other so keep all of them from being decided. Whoever finds no place in time wrote nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::timing::SLOW_WRITE;
use crate::clockwork::{now, timeout_at};

/// Writes that may be under way at once: what waits behind them waits here, where it can give up.
const PLACES: u32 = 64;

/// Who may write now.
#[derive(Debug)]
pub(super) struct Lane {
    places: Semaphore,
    slow: AtomicBool,
}

/// The right to write, until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    lane: &'a Lane,
    since: Instant,
    _places: SemaphorePermit<'a>,
}

impl Default for Lane {
    fn default() -> Self {
        Lane {
            places: Semaphore::new(usize::try_from(PLACES).unwrap_or(1)),
            slow: AtomicBool::new(false),
        }
    }
}

impl Lane {
    /// Waits for a place, first come, first served; `None`: there was none until `end`.
    pub(super) async fn enter(&self, end: Instant) -> Option<Place<'_>> {
        let places = match self.slow.load(Ordering::SeqCst) {
            true => PLACES,
            false => 1,
        };
        let taken = timeout_at(end, self.places.acquire_many(places)).await;
        let places = taken.ok()?.ok()?;
        Some(Place {
            lane: self,
            since: now(),
            _places: places,
        })
    }

    fn note(&self, took: Duration) {
        self.slow.store(took > SLOW_WRITE, Ordering::SeqCst);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.lane.note(now().saturating_duration_since(self.since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_write_at_once_until_one_was_slow() {
        let lane = Lane::default();
        let soon = || now() + Duration::from_millis(20);
        let first = lane.enter(soon()).await.expect("there is room");
        let second = lane.enter(soon()).await.expect("beside it");
        drop((first, second));
        lane.note(SLOW_WRITE + Duration::from_millis(1));
        let alone = lane.enter(soon()).await.expect("it is empty");
        assert!(lane.enter(soon()).await.is_none(), "one after the other");
        drop(alone);
        // On a busy machine that one was slow as well; one that lets go at once is not.
        drop(lane.enter(soon()).await.expect("it is empty"));
        let first = lane.enter(soon()).await.expect("the last one was fast");
        assert!(lane.enter(soon()).await.is_some());
        drop(first);
    }

    #[tokio::test]
    async fn there_are_as_many_places_as_there_are() {
        let lane = Lane::default();
        let soon = now() + Duration::from_millis(20);
        let mut taken = Vec::new();
        while let Some(place) = lane.enter(soon).await {
            taken.push(place);
        }
        assert_eq!(taken.len(), 64);
    }
}
