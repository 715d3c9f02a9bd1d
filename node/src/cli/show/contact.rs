//! `farmux contact test`.

use super::super::terminal::{Mood, Paint};
use super::table::{Columns, Word};
use crate::api::types::ContactTestAnswer;

/// Channels, a line each, with the other side's words.
pub fn contact_test(answer: &ContactTestAnswer, paint: Paint) -> String {
    let mut columns = Columns::new(paint, &["CHANNEL", "TAKEN", "THE OTHER SIDE SAID"]);
    for one in &answer.channels {
        let taken = match one.taken {
            true => ("yes", Mood::Good),
            false => ("no", Mood::Bad),
        };
        columns.row([
            Word::from(one.channel),
            Word::moody(taken),
            Word::from(&one.words),
        ]);
    }
    columns.finish("no channels")
}
