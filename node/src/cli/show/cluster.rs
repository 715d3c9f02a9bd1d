//! Tokens and administrators: those that are remembered, and the token that was just made.

use std::time::Duration;

use farmux_raft::state::{NodeRole, duration_text};

use super::super::terminal::{Mood, Paint};
use super::role_words;
use super::table::{Columns, Word};
use crate::api::types::{
    AdminCertReport, AdminCertState, Moment, Reading, TokenAnswer, TokenReport, TokenState,
};

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

/// The administrators, a line each.
pub fn admin_certs(reading: &Reading<Vec<AdminCertReport>>, paint: Paint) -> String {
    let header = [
        "NAME",
        "STATE",
        "ISSUED (UTC)",
        "EXPIRES (UTC)",
        "REVOKED (UTC)",
    ];
    let mut columns = Columns::new(paint, &header);
    for admin in &reading.data {
        let state = match admin.state {
            AdminCertState::Good => ("good", Mood::Good),
            AdminCertState::Revoked => ("revoked", Mood::Bad),
            AdminCertState::Expired => ("expired", Mood::Loud),
        };
        columns.row([
            Word::from(&admin.name),
            Word::moody(state),
            Word::from(admin.issued.to_the_second()),
            Word::from(admin.expires.to_the_second()),
            Word::from(admin.revoked.map_or(String::new(), Moment::to_the_second)),
        ]);
    }
    let none = "no administrators: farmux admin-cert create NAME --out FILE";
    format!("{}\n{}\n", columns.finish(none), reading.fresh.in_words())
}
