//! Faults: what an operator reads when something fails, in four parts: what, why, the command that
//! mends it, and a code that `farmux explain` knows.
//!
//! ```text
//!   Reject, ProposeError, OrderError, ... --from--> Fault --JSON--> the command line --> exit code
//!                                                     |
//!                                       catalogue: one entry a code
//! ```
//!
//! It holds no logic of its own: who fails says what and why; the catalogue knows the rest.

mod catalogue;
mod entry;
mod exit;
mod explain;
mod from;

pub use catalogue::Code;
pub use entry::Entry;
pub use exit::{EXIT_CODES, Exit};
pub use explain::{Explained, explain, explain_all};

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something an operator asked for and did not get.
///
/// **Shape** (JSON): `{"code":"FMX-202","exit":4,"what":"…","why":"…","mend":"…"}`. A command line
/// understands the faults of a newer daemon: it shows the texts and leaves with `exit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The code, as `farmux explain` takes it.
    pub code: String,
    /// What the command line exits with.
    pub exit: Exit,
    /// What happened.
    pub what: String,
    /// Why; may be empty where the first part says it all.
    pub why: String,
    /// The command or the step that mends it.
    pub mend: String,
    /// The HTTP status it is answered with; not part of the body.
    #[serde(skip, default = "status_unknown")]
    pub status: u16,
}

/// A fault that came over the wire has no status of its own any more.
fn status_unknown() -> u16 {
    500
}

impl Fault {
    /// A fault of this code, in the catalogue's words.
    pub fn new(code: Code) -> Fault {
        let entry = code.entry();
        Fault {
            code: code.to_string(),
            exit: entry.exit,
            what: entry.title.to_owned(),
            why: String::new(),
            mend: entry.mend.to_owned(),
            status: entry.status,
        }
    }

    /// Says what happened in this very case.
    #[must_use]
    pub fn what(mut self, what: impl fmt::Display) -> Fault {
        self.what = what.to_string();
        self
    }

    /// Says why.
    #[must_use]
    pub fn why(mut self, why: impl fmt::Display) -> Fault {
        self.why = why.to_string();
        self
    }

    /// Names the command that mends this very case.
    #[must_use]
    pub fn mend(mut self, mend: impl fmt::Display) -> Fault {
        self.mend = mend.to_string();
        self
    }
}

impl fmt::Display for Fault {
    /// The four parts, a line each; an empty part is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}: {}", self.code, self.what)?;
        if !self.why.is_empty() {
            write!(f, "\n  why:  {}", indented(&self.why))?;
        }
        if !self.mend.is_empty() {
            write!(f, "\n  mend: {}", indented(&self.mend))?;
        }
        write!(f, "\n  more: farmux explain {}", self.code)
    }
}

impl std::error::Error for Fault {}

/// Further lines stand under the first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n        ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_parts_are_shown() {
        let fault = Fault::new(Code::NoQuorum)
            .why("n2 and n3 do not answer")
            .mend("farmux status");
        assert_eq!(
            fault.to_string(),
            "error FMX-204: no majority of the cluster's nodes answers\n  why:  n2 and n3 do not \
             answer\n  mend: farmux status\n  more: farmux explain FMX-204"
        );
    }

    #[test]
    fn it_crosses_the_wire() {
        let fault = Fault::new(Code::NoLeader).why("an election is under way");
        let text = serde_json::to_string(&fault).expect("a fault is plain data");
        let back: Fault = serde_json::from_str(&text).expect("what was written");
        assert_eq!(back.code, fault.code);
        assert_eq!(back.exit, Exit::NoMajority);
        assert_eq!(back.why, fault.why);
    }
}
