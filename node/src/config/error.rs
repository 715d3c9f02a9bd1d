//! What is wrong with a document, and where.

use std::fmt::{self, Write as _};

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
            self.at.chars().try_for_each(|c| harmless(f, c))?;
            f.write_str(": ")?;
        }
        self.what.chars().try_for_each(|c| match c {
            '\n' => f.write_char(c),
            c => harmless(f, c),
        })
    }
}

/// Names stand in here as they were read, from a sheet of somebody else's perhaps: what would move
/// the cursor of a terminal, or hide, is written as its number.
fn harmless(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '"' | '\'' | '\\' => f.write_char(c),
        c => c.escape_debug().try_for_each(|c| f.write_char(c)),
    }
}

impl std::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by a fuzz target: the name of a watch in an imported sheet reached the terminal as it
    /// was.
    #[test]
    fn a_name_that_was_read_moves_no_cursor() {
        let error = ConfigError {
            line: Some(3),
            at: "watch[a\r\u{1b}[2Jb\u{202e}]".to_owned(),
            what: "\"ä\": one\ntwo\u{7}".to_owned(),
        };
        let wanted = "line 3: watch[a\\r\\u{1b}[2Jb\\u{202e}]: \"ä\": one\ntwo\\u{7}";
        assert_eq!(error.to_string(), wanted);
    }
}
