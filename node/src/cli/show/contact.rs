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

#[cfg(test)]
mod tests {
    use farmux_raft::state::ChannelKind;

    use super::*;
    use crate::api::types::ChannelTest;

    #[test]
    fn every_channel_has_a_line_and_its_own_words() {
        let one = |channel, taken, words: &str| ChannelTest {
            channel,
            taken,
            words: words.to_owned(),
        };
        let answer = ContactTestAnswer {
            channels: vec![
                one(ChannelKind::Mail, true, "250 2.0.0 queued as 4711"),
                one(
                    ChannelKind::Webhook,
                    false,
                    "302 Found: redirects are not followed",
                ),
            ],
        };
        assert_eq!(
            contact_test(&answer, Paint::Plain),
            "CHANNEL  TAKEN  THE OTHER SIDE SAID\n\
             mail     yes    250 2.0.0 queued as 4711\n\
             webhook  no     302 Found: redirects are not followed\n"
        );
    }
}
