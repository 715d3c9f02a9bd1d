//! PURE. Answers in words: from the API's shapes to text, with the time as an argument.

mod cluster;
mod config;
mod farm;
mod page;
mod status;
mod table;

#[cfg(test)]
mod tests;

pub use cluster::{admin_certs, token_created, token_use, tokens};
pub use config::{applied, history};
pub use farm::{farm, farms};
pub use page::{page, pages};
pub use status::status;

use farmux_raft::state::{AdminState, Health, NodeRole};

use super::terminal::Mood;

fn health_words(health: Health) -> (&'static str, Mood) {
    match health {
        Health::Up => ("up", Mood::Good),
        Health::Down => ("DOWN", Mood::Bad),
        Health::Unknown => ("unknown", Mood::Poor),
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
