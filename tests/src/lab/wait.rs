//! Waiting for a condition with a deadline: the one place of the tests that sleeps.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at: rarely enough to leave two cores to what is tested.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until `look` finds something; `what` names it in the complaint.
///
/// **Errors**: nothing was found within `limit`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} in vain: {what}");
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until `holds` says so.
///
/// **Errors**: it did not within `limit`.
pub fn until_true(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
    until(what, limit, || holds().then_some(()))
}

/// Looks on for `span` and stops at the first moment in which `holds` does not.
///
/// **Errors**: it did not hold at some moment.
pub fn throughout(what: &str, span: Duration, mut holds: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < span {
        if !holds() {
            bail!("ended after {:?}: {what}", start.elapsed());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
