//! Kinds of events, by which people choose what they follow.

use serde::{Deserialize, Serialize};

use super::JournalEvent;
use crate::state::word::words;

/// A kind of event, as one asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A verdict turned.
    Health,
    /// A page was written.
    Page,
    /// A page was delivered, or could not be.
    Delivery,
    /// A page was taken on.
    Acknowledged,
    /// Something was silenced, or is no more.
    Silence,
    /// The configuration changed.
    Revision,
    /// Servers were ordered about.
    Order,
    /// A node is lost or back, has joined or left.
    Node,
    /// A VIP has another owner.
    Owner,
    /// The cluster has another leader.
    Leader,
    /// Nothing moves by itself any more, or does again.
    Pause,
    /// A drill was begun, is over, or may not be.
    Drill,
}

words!(EventKind {
    Health => "health",
    Page => "page",
    Delivery => "delivery",
    Acknowledged => "acknowledged",
    Silence => "silence",
    Revision => "revision",
    Order => "order",
    Node => "node",
    Owner => "owner",
    Leader => "leader",
    Pause => "pause",
    Drill => "drill",
});

impl JournalEvent {
    /// Its kind.
    pub fn kind(&self) -> EventKind {
        match self {
            JournalEvent::Health { .. } => EventKind::Health,
            JournalEvent::Page(_) => EventKind::Page,
            JournalEvent::Delivery { .. } => EventKind::Delivery,
            JournalEvent::Silenced { .. } | JournalEvent::Unsilenced { .. } => EventKind::Silence,
            JournalEvent::Acknowledged { .. } => EventKind::Acknowledged,
            JournalEvent::Revision(_) => EventKind::Revision,
            JournalEvent::Ordered { .. } => EventKind::Order,
            JournalEvent::Node { .. } | JournalEvent::Joined(_) | JournalEvent::Left(_) => {
                EventKind::Node
            }
            JournalEvent::Owner { .. } => EventKind::Owner,
            JournalEvent::Term(_) => EventKind::Leader,
            JournalEvent::Paused { .. } | JournalEvent::Resumed { .. } => EventKind::Pause,
            JournalEvent::Drill(_) => EventKind::Drill,
        }
    }
}
