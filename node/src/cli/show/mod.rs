//! PURE. Answers in words: from the API's shapes to text, with the time as an argument.

mod cluster;
mod config;
mod contact;
mod doctor;
mod drill;
mod event;
mod farm;
mod page;
mod probe;
mod silence;
mod snapshot;
mod status;
mod table;
mod vip;
mod vips;
mod watch;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use tests::rehearsals::run as sample_run;

pub use cluster::{admin_certs, token_created, token_use, tokens};
pub use config::{applied, history};
pub use contact::contact_test;
pub use doctor::checkup;
pub use drill::{drill_history, drill_over, drill_plan, drill_progress, drill_schedules, drills};
pub use event::{event, events};
pub use farm::{farm, farms};
pub use page::{page, pages, preview};
pub use probe::{measured, measuring};
pub use silence::{silence_added, silences};
pub use snapshot::snapshot;
pub use status::status;
pub use vip::preferred;
pub use vips::{all_vips, move_plan, vip, vips};
pub use watch::{watch, watches, watches_changed};

use farmux_raft::state::{AdminState, Advice, Health, NodeRole};

use super::terminal::Mood;
use crate::api::types::Condition;

/// The health of something, whether something else explains it, and what its own page asks for.
fn health_words(health: Health, because: Option<&String>, advice: Advice) -> (String, Mood) {
    let (word, mood) = match (health, because) {
        (Health::Up, _) => ("up", Mood::Good),
        (Health::Down, None) => ("DOWN", Mood::Bad),
        (Health::Down, Some(_)) => ("UNREACHABLE", Mood::Poor),
        (Health::Unknown, _) => ("unknown", Mood::Poor),
    };
    match (advice, mood) {
        (Advice::None, _) => (word.to_owned(), mood),
        (Advice::Overload | Advice::Quiesce, Mood::Good) => {
            (format!("{word}, {advice}"), Mood::Poor)
        }
        (Advice::Overload | Advice::Quiesce | Advice::Weight(_), mood) => {
            (format!("{word}, {advice}"), mood)
        }
    }
}

/// `because of fs1: connection refused`.
fn reason_words(reason: &str, because: Option<&String>) -> String {
    match (because, reason.is_empty()) {
        (None, _) => reason.to_owned(),
        (Some(cause), true) => format!("because of {cause}"),
        (Some(cause), false) => format!("because of {cause}: {reason}"),
    }
}

fn condition_words(condition: Condition) -> (&'static str, Mood) {
    match condition {
        Condition::Serving => ("serving", Mood::Good),
        Condition::Degraded => ("DEGRADED", Mood::Poor),
        Condition::Down => ("DOWN", Mood::Bad),
        Condition::Undecided => ("undecided", Mood::Poor),
    }
}

fn admin_words(admin: AdminState) -> (&'static str, Mood) {
    match admin {
        AdminState::Ready => ("ready", Mood::Good),
        AdminState::Drain => ("drain", Mood::Poor),
        AdminState::Maintenance => ("maintenance", Mood::Poor),
    }
}

fn role_words(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Balancer => "balancer",
        NodeRole::Witness => "witness",
    }
}
