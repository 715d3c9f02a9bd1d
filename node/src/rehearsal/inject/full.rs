//! A disk that seems full: what the store says of its room is lowered, and everything above goes
//! the way of a real full disk. The timer is a deadline in this process's memory.

use std::sync::Arc;
use std::time::Duration;

use farmux_raft::consensus::Room;
use farmux_store::PretendFull;
use tokio::time::Instant;

use crate::daemon::Member;

/// Pretends it, for so long at most; done when consensus sees it.
///
/// **Errors**: the store does not look at its disk.
pub(super) async fn fill(
    full: &PretendFull,
    member: &Arc<Member>,
    timer: Duration,
) -> Result<(), String> {
    full.begin(timer);
    match seen(member, |room| room != Room::Enough).await {
        true => Ok(()),
        false => Err("the store does not look at its disk".to_owned()),
    }
}

/// Pretends no more. A disk that is really full stays so: that is nobody's drill.
pub(super) async fn empty(full: &PretendFull, member: &Arc<Member>) -> Result<(), String> {
    full.end();
    if !seen(member, |room| room == Room::Enough).await {
        tracing::warn!("the drill is over, and the disk is full all the same");
    }
    Ok(())
}

async fn seen(member: &Arc<Member>, is: impl Fn(Room) -> bool) -> bool {
    let end = Instant::now() + LOOKED_WITHIN;
    while !is(member.consensus().room()) {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}

/// The store looks twice a second, and a slow disk holds it up.
const LOOKED_WITHIN: Duration = Duration::from_secs(3);

/// Nobody sees a tenth of it.
const LOOK_EVERY: Duration = Duration::from_millis(20);
