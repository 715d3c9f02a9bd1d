//! What is wrong with a document, and where.

use std::fmt;

use farmux_raft::state::Fault;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The line of the document, from 1, where it is known.
    pub line: Option<usize>,
    /// The place: `farm[shop].server[s1].address`; empty for the document as a whole.
    pub at: String,
    /// What is wrong there.
    pub what: String,
}

impl ConfigError {
    /// A fault of the state, at a line of the document.
    pub(super) fn of_fault(fault: Fault, line: Option<usize>) -> ConfigError {
        ConfigError {
            line,
            at: fault.at,
            what: fault.kind.to_string(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for ConfigError {}
