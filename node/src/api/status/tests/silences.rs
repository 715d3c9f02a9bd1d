//! What somebody may have forgotten.

use farmux_raft::id::UnixMillis;
use farmux_raft::state::NodeRole::Balancer;
use farmux_raft::state::{Author, Command, Matcher, Silence, State};

use crate::api::status::assemble;
use crate::api::status::sample::{THEN, apply, maintain, state, view};

fn is_told_after_a_day(state: &State, wanted: &str) {
    for (hours, told) in [(23, false), (25, true)] {
        let mut view = view(state, &[1]);
        view.now = UnixMillis(THEN.0 + hours * 3_600_000);
        let reasons = assemble(&view).reasons;
        let found = reasons.iter().any(|reason| reason.text == wanted);
        assert_eq!(found, told, "{hours} hours: {reasons:?}");
    }
}

#[test]
fn a_silence_is_forgotten_after_a_day() {
    let mut state = state(&[Balancer]);
    let silence = Silence {
        matcher: Matcher(vec!["watch=web*".parse().expect("a term")]),
        comment: "moving".to_owned(),
        author: Author("anna".to_owned()),
        from: THEN,
        until: UnixMillis(THEN.0 + 48 * 3_600_000),
    };
    apply(&mut state, Command::AddSilence(silence));
    let wanted = "silence 1 (watch=web*) of anna has lasted for more than a day: \
                  farmux silence list";
    is_told_after_a_day(&state, wanted);
}

#[test]
fn maintenance_without_an_end_is_forgotten_after_a_day() {
    let mut state = state(&[Balancer]);
    let end = UnixMillis(THEN.0 + 48 * 3_600_000);
    maintain(&mut state, "s1", "new disks", Some(end));
    maintain(&mut state, "s2", "new disks", None);
    maintain(&mut state, "s3", "new disks", None);
    let wanted = "maintenance of shop/s2 and 1 more by anna has lasted for more than a day: \
                  farmux farm show shop";
    is_told_after_a_day(&state, wanted);
}
