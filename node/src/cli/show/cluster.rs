//! Tokens: the one that was made, and those that are remembered.

use std::time::Duration;

use farmux_raft::state::{NodeRole, duration_text};

use super::super::terminal::{Mood, Paint};
use super::role_words;
use super::table::{Columns, Word};
use crate::api::types::{Reading, TokenAnswer, TokenReport, TokenState};

/// A new token, alone, so that `TOKEN=$(farmux cluster token create)` holds it and nothing else.
pub fn token_created(answer: &TokenAnswer) -> String {
    format!("{}\n", answer.token)
}

/// What to do with a new token; for the eyes only.
pub fn token_use(answer: &TokenAnswer) -> String {
    let witness = match answer.role {
        NodeRole::Balancer => "",
        NodeRole::Witness => " --witness",
    };
    let life = duration_text(Duration::from_secs(answer.ttl_s));
    format!(
        "\nOn the new machine, within {life} and once (it is not shown again):\n\n    farmux \
         cluster join TOKEN{witness}\n"
    )
}

/// The tokens, a line each.
pub fn tokens(reading: &Reading<Vec<TokenReport>>, paint: Paint) -> String {
    let mut columns = Columns::new(
        paint,
        &["TOKEN", "ROLE", "STATE", "CREATED (UTC)", "EXPIRES (UTC)"],
    );
    for token in &reading.data {
        let state = match token.state {
            TokenState::Open => ("open", Mood::Good),
            TokenState::Claimed => ("claimed", Mood::Poor),
            TokenState::Used => ("used", Mood::Loud),
            TokenState::Expired => ("expired", Mood::Loud),
        };
        columns.row([
            Word::from(&token.id),
            Word::from(role_words(token.role)),
            Word::moody(state),
            Word::from(token.created.to_the_second()),
            Word::from(token.expires.to_the_second()),
        ]);
    }
    format!(
        "{}\n{}\n",
        columns.finish("no tokens"),
        reading.fresh.in_words()
    )
}
