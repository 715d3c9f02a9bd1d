//! A planned move, as an operator orders one. There is nothing to undo: what has moved stays.

use std::sync::Arc;
use std::time::Duration;

use farmux_raft::id::VipName;

use crate::daemon::Member;
use crate::drill::RunId;
use crate::moving;

/// Gives a VIP of this node to whoever can take it. A move that waits for work in flight goes on
/// after it was said to be under way.
///
/// **Errors**: in words; it stays where it is.
pub(super) async fn give_away(
    member: &Arc<Member>,
    run: RunId,
    vip: &VipName,
) -> Result<(), String> {
    let moved = moving::give_away(member, vip, format!("drill-{}", run.0));
    // Who is slow moves nevertheless: the client sees what it costs.
    tokio::time::timeout(UNDER_WAY_AFTER, moved)
        .await
        .unwrap_or(Ok(()))
}

/// Less than a run waits for its injection: a move without work in flight takes 20 ms.
const UNDER_WAY_AFTER: Duration = Duration::from_secs(4);
