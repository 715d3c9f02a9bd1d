//! PURE. How a greeting ends, in our own words: numbers and names of errors, never a server's text.

use std::fmt;

use crate::plan::Protocol;

impl Protocol {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Smtp => "SMTP",
            Protocol::Pop3 => "POP3",
            Protocol::Imap => "IMAP",
            Protocol::Ssh => "SSH",
            Protocol::Redis => "Redis",
            Protocol::Postgres => "PostgreSQL",
            Protocol::Mysql => "MySQL",
        }
    }
}

/// What is awaited of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GreetingStep {
    /// It speaks first.
    Greeting,
    /// It was told something.
    Answer,
}

impl fmt::Display for GreetingStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GreetingStep::Greeting => "greeting",
            GreetingStep::Answer => "answer",
        })
    }
}

/// How a server that is well greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeted {
    /// As its protocol says.
    Greets,
    /// What it was asked.
    Answers,
    /// It let us in.
    LetIn,
    /// It lives, and wants a login for more.
    LoginWanted,
    /// It lives, and does not know us.
    LoginRefused,
}

impl fmt::Display for Greeted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Greeted::Greets => "greets",
            Greeted::Answers => "answers",
            Greeted::LetIn => "answers, login accepted",
            Greeted::LoginWanted => "answers, login wanted",
            Greeted::LoginRefused => "answers, login refused",
        })
    }
}

/// What a server that should greet did instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GreetingFailure {
    /// What came is something else.
    #[error("the answer is not {}", .0.name())]
    Other(Protocol),
    /// It talks without end.
    #[error("{} greeting without end", .0.name())]
    Endless(Protocol),
    /// A mail server says no.
    #[error("SMTP {step} {code}")]
    Smtp {
        /// To what.
        step: GreetingStep,
        /// 100 to 599, and not what is well.
        code: u16,
    },
    /// `-ERR`.
    #[error("POP3 greeting says error")]
    Pop3,
    /// `* BYE`.
    #[error("IMAP says BYE")]
    Imap,
    /// Nobody should speak version 1 any more.
    #[error("SSH version 2 is not spoken")]
    SshVersion,
    /// It answers, but not that it is well.
    #[error("{0}")]
    Redis(RedisError),
    /// `cannot_connect_now`: it starts, stops or recovers.
    #[error("PostgreSQL takes no connections now (57P03)")]
    PostgresNotNow,
    /// Another error.
    #[error("PostgreSQL error {0}")]
    Postgres(SqlState),
    /// An error of before it could tell the protocol: it cannot start a process.
    #[error("PostgreSQL cannot take the connection")]
    PostgresEarly,
    /// An error. **Source**: MySQL's and MariaDB's lists of error codes.
    #[error("MySQL error {code}{}", mysql_words(*code))]
    Mysql {
        /// 1000 and more.
        code: u16,
    },
}

/// The first word of an error of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// `-LOADING`.
    #[error("Redis is still loading its data")]
    Loading,
    /// `-MASTERDOWN`.
    #[error("Redis has lost its master")]
    MasterDown,
    /// `-BUSY`.
    #[error("Redis is busy with a script")]
    Busy,
    /// `-MISCONF`.
    #[error("Redis cannot save its data")]
    Misconf,
    /// `-DENIED`.
    #[error("Redis is in protected mode")]
    Denied,
    /// `-ERR`, `max number of clients reached` among others.
    #[error("Redis says error")]
    Error,
    /// Another word.
    #[error("Redis says an error of another kind")]
    Other,
}

/// Five characters that name an error. **Source**: PostgreSQL, appendix A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// Digits and capital letters; `None`: it is something else.
    pub fn new(bytes: &[u8]) -> Option<SqlState> {
        let five = <[u8; 5]>::try_from(bytes).ok()?;
        let fits = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
        five.iter().all(fits).then_some(SqlState(five))
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the errors mean that a probe is likely to meet.
fn mysql_words(code: u16) -> &'static str {
    match code {
        1040 => " (too many connections)",
        1043 => " (bad handshake)",
        1053 => " (shutting down)",
        1129 => " (this node is blocked: mysqladmin flush-hosts)",
        1203 => " (too many connections of this user)",
        _ => "",
    }
}
