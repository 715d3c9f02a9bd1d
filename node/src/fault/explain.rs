//! What `farmux explain` knows: the catalogue here, and what the replicated state says of its own
//! refusals.

use farmux_raft::state::EXPLANATIONS;
use serde::{Deserialize, Serialize};

use super::Code;

/// A code in words.
///
/// **Shape** (JSON): as the fields say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The code.
    pub code: String,
    /// What it means, in one line or two.
    pub title: String,
    /// What usually causes it; may be empty.
    pub text: String,
    /// What mends it.
    pub mend: String,
}

/// Every code there is, in order.
pub fn explain_all() -> Vec<Explained> {
    let ours = Code::ALL.iter().map(|code| {
        let entry = code.entry();
        Explained {
            code: code.to_string(),
            title: entry.title.to_owned(),
            text: entry.text.to_owned(),
            mend: entry.mend.to_owned(),
        }
    });
    let of_state = EXPLANATIONS.iter().map(|explanation| Explained {
        code: explanation.code.to_owned(),
        title: explanation.what.to_owned(),
        text: String::new(),
        mend: explanation.mend.to_owned(),
    });
    ours.chain(of_state).collect()
}

/// One code: `FMX-204`, `fmx-204`, `204`, `FMX-S031`, `s031`.
pub fn explain(code: &str) -> Option<Explained> {
    let wanted = code.to_ascii_uppercase();
    let wanted = wanted.strip_prefix("FMX-").unwrap_or(&wanted).to_owned();
    explain_all()
        .into_iter()
        .find(|known| known.code.strip_prefix("FMX-") == Some(&wanted))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_explains_itself_and_is_unique() {
        let all = explain_all();
        let codes: BTreeSet<&str> = all.iter().map(|known| known.code.as_str()).collect();
        assert_eq!(codes.len(), all.len(), "a code has one meaning");
        for known in &all {
            assert!(known.code.starts_with("FMX-"), "{}", known.code);
            assert!(
                !known.title.is_empty() && !known.mend.is_empty(),
                "{}",
                known.code
            );
            assert_eq!(explain(&known.code).as_ref(), Some(known));
            assert_eq!(explain(&known.code.to_lowercase()).as_ref(), Some(known));
            assert_eq!(explain(&known.code[4..]).as_ref(), Some(known));
        }
        assert_eq!(explain("FMX-999"), None);
        assert_eq!(explain(""), None);
    }
}
