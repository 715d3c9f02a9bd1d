//! Exit codes of the command line; `farmux --help` lists them.

use serde::{Deserialize, Serialize};

/// What the command line exits with; 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u8", into = "u8")]
pub enum Exit {
    /// 1: understood and refused; nothing was changed.
    Refused,
    /// 2: the command line is wrong (as clap has it).
    Usage,
    /// 3: no daemon answered, or it let us not in.
    Unreachable,
    /// 4: no leader or no majority; nothing was changed, try again later.
    NoMajority,
    /// 5: no answer in time: it may have happened, look before you repeat it.
    Unknown,
    /// 6: a wait ended before what it waited for.
    WaitOver,
    /// 7: what `farmux probe` asked did not always answer.
    Failed,
    /// 8: `farmux doctor` found something that does not work.
    Unfit,
    /// 70: something broke inside farmux or on this machine (`EX_SOFTWARE` of sysexits.h).
    Broken,
}

/// The exit codes as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   refused: nothing was changed
  2   the command line is wrong
  3   no daemon answers, or it does not let you in
  4   no leader or no majority: nothing was changed
  5   no answer in time: it may have happened, look before you repeat it
  6   --wait ended before what it waited for
  7   probe saw an outage, or a drill failed
  8   doctor found something that does not work
  70  something broke inside farmux or on this machine";

impl From<Exit> for u8 {
    fn from(exit: Exit) -> u8 {
        match exit {
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::NoMajority => 4,
            Exit::Unknown => 5,
            Exit::WaitOver => 6,
            Exit::Failed => 7,
            Exit::Unfit => 8,
            Exit::Broken => 70,
        }
    }
}

impl From<u8> for Exit {
    /// A number that a newer daemon may have is shown as [`Exit::Refused`].
    fn from(number: u8) -> Exit {
        match number {
            2 => Exit::Usage,
            3 => Exit::Unreachable,
            4 => Exit::NoMajority,
            5 => Exit::Unknown,
            6 => Exit::WaitOver,
            7 => Exit::Failed,
            8 => Exit::Unfit,
            70 => Exit::Broken,
            _ => Exit::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_listed_and_comes_back() {
        let all = [
            Exit::Refused,
            Exit::Usage,
            Exit::Unreachable,
            Exit::NoMajority,
            Exit::Unknown,
            Exit::WaitOver,
            Exit::Failed,
            Exit::Unfit,
            Exit::Broken,
        ];
        for exit in all {
            let number = u8::from(exit);
            assert_eq!(Exit::from(number), exit);
            assert!(EXIT_CODES.contains(&format!("\n  {number:<2}  ")));
        }
    }
}
