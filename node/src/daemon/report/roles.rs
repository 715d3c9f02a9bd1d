//! Tells the log file who leads, what this node is, and whether it was removed; each change once.

use farmux_raft::consensus::{Consensus, Role};
use farmux_raft::id::NodeId;
use tokio::sync::watch;

/// What is worth a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// Somebody leads.
    Led(NodeId),
    /// Nobody does.
    Leaderless,
    /// This node is no member any more.
    Removed,
}

/// What was told last.
#[derive(Debug, Default)]
struct Told {
    standing: Option<(Option<NodeId>, Role)>,
    removed: bool,
}

impl Told {
    /// PURE. What has not been told yet.
    fn news(&mut self, leader: Option<NodeId>, role: Role, removed: bool) -> Vec<News> {
        let mut news = Vec::new();
        if self.standing.replace((leader, role)) != Some((leader, role)) {
            news.push(leader.map_or(News::Leaderless, News::Led));
        }
        if removed && !std::mem::replace(&mut self.removed, true) {
            news.push(News::Removed);
        }
        news
    }
}

/// Runs for ever.
pub(in crate::daemon) async fn tell_roles(
    consensus: Consensus,
    mut removed: watch::Receiver<Option<NodeId>>,
) {
    let mut standing = consensus.standing();
    let mut told = Told::default();
    loop {
        let (term, leader, role) = {
            let standing = standing.borrow_and_update();
            (standing.term, standing.leader, standing.role)
        };
        let gone = removed.borrow_and_update().is_some();
        for news in told.news(leader, role, gone) {
            match news {
                News::Led(leader) => tracing::info!(term, %leader, ?role, "the log is led"),
                News::Leaderless => tracing::info!(term, ?role, "nobody leads the log"),
                News::Removed => tracing::warn!(
                    "this node was removed from its cluster: `farmux cluster leave` here"
                ),
            }
        }
        tokio::select! {
            Ok(()) = standing.changed() => {}
            Ok(()) = removed.changed() => {}
            else => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_told_once() {
        let mut told = Told::default();
        let (one, two) = (Some(NodeId(1)), Some(NodeId(2)));
        let table = [
            (None, Role::Follower, false, vec![News::Leaderless]),
            (one, Role::Follower, false, vec![News::Led(NodeId(1))]),
            // A new term, or the same again: nothing that anybody needs to read.
            (one, Role::Follower, false, vec![]),
            (two, Role::Leader, false, vec![News::Led(NodeId(2))]),
            (
                None,
                Role::Follower,
                true,
                vec![News::Leaderless, News::Removed],
            ),
            (None, Role::Follower, true, vec![]),
        ];
        for (leader, role, removed, expected) in table {
            let what = format!("{leader:?} {role:?} removed {removed}");
            assert_eq!(told.news(leader, role, removed), expected, "{what}");
        }
    }
}
