//! What a check came to.

use serde::{Deserialize, Serialize};

use crate::fault::Code;

/// How good it is; a later one is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and something is lost.
    Warn,
    /// It does not work.
    Fail,
}

/// One line of a check-up.
///
/// **Shape** (JSON): as the fields say; `why`, `mend` and `code` are empty where it is `ok`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How good it is.
    pub level: Level,
    /// Which check: `interface`, `disk-sync`, …
    pub check: String,
    /// What was found.
    pub what: String,
    /// Why that is not good.
    pub why: String,
    /// What mends it.
    pub mend: String,
    /// As `farmux explain` takes it.
    pub code: String,
}

impl Finding {
    /// All is well.
    pub(super) fn ok(check: &str, what: impl Into<String>) -> Finding {
        Finding {
            level: Level::Ok,
            check: check.to_owned(),
            what: what.into(),
            why: String::new(),
            mend: String::new(),
            code: String::new(),
        }
    }

    /// Something is lost.
    pub(super) fn warn(check: &str, code: Code, what: impl Into<String>) -> Finding {
        Finding::bad(Level::Warn, check, code, what.into())
    }

    /// Something does not work.
    pub(super) fn fail(check: &str, code: Code, what: impl Into<String>) -> Finding {
        Finding::bad(Level::Fail, check, code, what.into())
    }

    fn bad(level: Level, check: &str, code: Code, what: String) -> Finding {
        let entry = code.entry();
        Finding {
            level,
            check: check.to_owned(),
            what,
            why: entry.title.to_owned(),
            mend: entry.mend.to_owned(),
            code: code.to_string(),
        }
    }

    /// Says why in this very case.
    pub(super) fn why(mut self, why: impl Into<String>) -> Finding {
        self.why = why.into();
        self
    }

    /// Says what mends this very case.
    pub(super) fn mend(mut self, mend: impl Into<String>) -> Finding {
        self.mend = mend.into();
        self
    }
}

/// All of it.
///
/// **Shape** (JSON): as the fields say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// The worst of them.
    pub level: Level,
    /// How many warn.
    pub warnings: usize,
    /// How many fail.
    pub failures: usize,
    /// Line by line.
    pub findings: Vec<Finding>,
}

impl Checkup {
    pub(super) fn of(findings: Vec<Finding>) -> Checkup {
        let count = |level| findings.iter().filter(|one| one.level == level).count();
        Checkup {
            level: findings
                .iter()
                .map(|one| one.level)
                .max()
                .unwrap_or(Level::Ok),
            warnings: count(Level::Warn),
            failures: count(Level::Fail),
            findings,
        }
    }
}
