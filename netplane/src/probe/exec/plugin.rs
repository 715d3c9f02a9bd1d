//! PURE. What a plugin means: by its exit status, and by the first line that it wrote.
//!
//! | status | its name | what becomes of the check                                              |
//! |--------|----------|------------------------------------------------------------------------|
//! | 0      | OK       | passes                                                                 |
//! | 1      | WARNING  | passes, and says so                                                    |
//! | 2      | CRITICAL | fails                                                                  |
//! | 3      | UNKNOWN  | tells nothing: by the guidelines the plugin itself could not do its work |
//! | other  | -        | tells nothing: it broke down, and nothing was said of what it checks   |
//!
//! The line is carried on as evidence, because only the plugin knows what it looked at ("/srv is
//! 97 % full"). It may echo what a server sent, so it is made harmless first: printable ASCII, one
//! line, bounded, between quotation marks that it cannot close.
//!
//! **Source**: Monitoring Plugins Development Guidelines, "Plugin Return Codes" and "Print only one
//! line of text".

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::probe::outcome::{Failure, LocalTrouble, Outcome, Success};

/// The first line that a plugin wrote, made harmless; may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginLine(Box<str>);

impl PluginLine {
    /// From what a plugin wrote. What follows a `|` is for machines that draw curves.
    pub(super) fn from_output(output: &[u8]) -> PluginLine {
        let end = output
            .iter()
            .position(|byte| matches!(byte, b'\n' | b'\r' | b'|'))
            .unwrap_or(output.len());
        let line = String::from_utf8_lossy(output.get(..end).unwrap_or_default());
        let harmless = line.trim().chars().map(|char| match char {
            '"' => '\'',
            '\t' => ' ',
            ' '..='~' => char,
            _ => '?',
        });
        PluginLine(harmless.take(LINE_CHARS_MAX).collect())
    }
}

impl fmt::Display for PluginLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            "" => Ok(()),
            line => write!(f, ": \"{line}\""),
        }
    }
}

/// Why a plugin told nothing of what it should check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PluginTrouble {
    /// `node.toml` of this node has no `exec_dir`.
    #[error("exec checks are off here: node.toml names no exec_dir")]
    Off,
    /// What would run is not a file as it must be.
    #[error("{0}")]
    Unsafe(#[from] UnsafeFile),
    /// The system did not start it.
    #[error("the plugin could not be started: {0}")]
    Start(std::io::ErrorKind),
    /// As many run already as may.
    #[error("too many plugins run already")]
    Busy,
    /// It says that it does not know.
    #[error("plugin says unknown{0}")]
    Unknown(PluginLine),
    /// It ended with a status that means nothing.
    #[error("the plugin ended with status {0}")]
    Status(i32),
    /// Something ended it.
    #[error("the plugin was ended by signal {0}")]
    Signal(i32),
}

/// Why a file is not run: whoever could write it could make us run anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeFile {
    /// The name leads out of the folder.
    #[error("the command is not a bare file name")]
    Name,
    /// There is none.
    #[error("no such file in exec_dir")]
    Missing,
    /// A link, a folder, a device.
    #[error("the command is not a regular file")]
    NotRegular,
    /// It belongs to somebody who is not root.
    #[error("the command does not belong to root")]
    NotRoots,
    /// Its group or all others may write to it.
    #[error("others than root may write to the command")]
    Writable,
    /// One of the two is true of `exec_dir` itself.
    #[error("others than root may write to exec_dir")]
    Folder,
}

/// Judges a plugin that ended by itself.
pub(super) fn judge(status: ExitStatus, output: &[u8]) -> Outcome {
    let line = PluginLine::from_output(output);
    let trouble = match (status.code(), status.signal()) {
        (Some(0), _) => return Outcome::Pass(Success::Plugin(line)),
        (Some(1), _) => return Outcome::Pass(Success::Warning(line)),
        (Some(2), _) => return Outcome::Fail(Failure::Critical(line)),
        (Some(3), _) => PluginTrouble::Unknown(line),
        (Some(other), _) => PluginTrouble::Status(other),
        (None, signal) => PluginTrouble::Signal(signal.unwrap_or_default()),
    };
    Outcome::Inconclusive(LocalTrouble::Plugin(trouble))
}

/// Longest line that is carried on: fits into the subject of a mail, and into a row of a table.
const LINE_CHARS_MAX: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_made_harmless() {
        for (output, wanted) in [
            ("", ""),
            ("OK\n", ": \"OK\""),
            ("  OK - all well  \nmore\n", ": \"OK - all well\""),
            (
                "DISK OK - 3 GB free | /=3GB\nmore",
                ": \"DISK OK - 3 GB free\"",
            ),
            ("a\r\nBcc: x@y\r\n", ": \"a\""),
            ("\nsecond", ""),
            ("say \"no\"", ": \"say 'no'\""),
            ("a\tb\u{1b}[31mc\u{202e}d\0e", ": \"a b?[31mc?d?e\""),
            ("9\u{e4}9", ": \"9?9\""),
        ] {
            let line = PluginLine::from_output(output.as_bytes());
            assert_eq!(line.to_string(), wanted, "{output:?}");
        }
        let long = PluginLine::from_output("x".repeat(5000).as_bytes());
        assert_eq!(long.0.len(), LINE_CHARS_MAX);
        let invalid = PluginLine::from_output(b"a\xff\xfeb");
        assert_eq!(invalid.to_string(), ": \"a??b\"");
    }

    #[test]
    fn every_exit_status() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        for (status, wanted) in [
            (exit(0), "plugin says ok: \"text\""),
            (exit(1), "plugin warns: \"text\""),
            (exit(2), "plugin says critical: \"text\""),
            (
                exit(3),
                "this node could not probe: plugin says unknown: \"text\"",
            ),
            (
                exit(4),
                "this node could not probe: the plugin ended with status 4",
            ),
            (
                exit(127),
                "this node could not probe: the plugin ended with status 127",
            ),
            (
                ExitStatus::from_raw(libc::SIGSEGV),
                "this node could not probe: the plugin was ended by signal 11",
            ),
        ] {
            assert_eq!(judge(status, b"text\n").to_string(), wanted);
        }
        assert!(matches!(
            judge(exit(1), b""),
            Outcome::Pass(Success::Warning(_))
        ));
        assert!(matches!(judge(exit(2), b""), Outcome::Fail(_)));
        assert!(matches!(judge(exit(3), b""), Outcome::Inconclusive(_)));
    }
}
