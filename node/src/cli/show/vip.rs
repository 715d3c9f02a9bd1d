//! What became of orders about VIPs, and the line of a pause.

use farmux_raft::id::UnixMillis;

use crate::api::types::{PauseReport, PreferAnswer};

/// After `vip prefer`.
pub fn preferred(answer: &PreferAnswer) -> String {
    let names: Vec<String> = answer.vips.iter().map(ToString::to_string).collect();
    let (names, plural) = (names.join(" and "), answer.vips.len() > 1);
    let (verb, are, stay) = match plural {
        true => ("prefer", "are", "stay"),
        false => ("prefers", "is", "stays"),
    };
    let Some(prefer) = &answer.prefer else {
        return match answer.diff.is_empty() {
            true => format!("{names} {verb} no node already\n"),
            false => format!("{names} {verb} no node any more; whoever comes first takes it\n"),
        };
    };
    let already = if answer.diff.is_empty() {
        " already"
    } else {
        ""
    };
    let head = format!("{names} {verb} {prefer}{already}");
    match &answer.owner {
        Some(owner) if owner != prefer => {
            let first = answer
                .vips
                .first()
                .map_or_else(String::new, ToString::to_string);
            format!(
                "{head}; {are} with {owner} now, and {stay}\n\
                 to move by hand:   farmux vip move {first} --to {prefer}\n"
            )
        }
        Some(_) | None => format!("{head}\n"),
    }
}

/// In `status`, while nothing moves by itself.
pub(super) fn pause_words(pause: &PauseReport, now: UnixMillis) -> String {
    let PauseReport { by, why, since } = pause;
    let why = match why.is_empty() {
        true => String::new(),
        false => format!(": {why}"),
    };
    format!(
        "by {by}, for {}{why} (no VIP moves from a node that lives; farmux cluster resume)",
        since.ago(now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(vips: &[&str], prefer: Option<&str>, owner: &str, changed: bool) -> PreferAnswer {
        PreferAnswer {
            vips: vips
                .iter()
                .map(|vip| vip.parse().expect("a name"))
                .collect(),
            prefer: prefer.map(|node| node.parse().expect("a name")),
            owner: Some(owner.parse().expect("a name")),
            diff: match changed {
                true => vec!["~ vip[front]: prefer none -> lb2".to_owned()],
                false => vec![],
            },
            revision: changed.then_some(7),
        }
    }

    #[test]
    fn it_says_that_nothing_moves() {
        let table = [
            (
                answer(&["front"], Some("lb2"), "lb1", true),
                "front prefers lb2; is with lb1 now, and stays\n\
                 to move by hand:   farmux vip move front --to lb2\n",
            ),
            (
                answer(&["a", "b"], Some("lb2"), "lb1", true),
                "a and b prefer lb2; are with lb1 now, and stay\n\
                 to move by hand:   farmux vip move a --to lb2\n",
            ),
            (
                answer(&["front"], Some("lb1"), "lb1", false),
                "front prefers lb1 already\n",
            ),
            (
                answer(&["front"], None, "lb1", true),
                "front prefers no node any more; whoever comes first takes it\n",
            ),
            (
                answer(&["front"], None, "lb1", false),
                "front prefers no node already\n",
            ),
        ];
        for (answer, expected) in table {
            assert_eq!(preferred(&answer), expected);
        }
    }
}
