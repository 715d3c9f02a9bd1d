//! The SNPP channel: one conversation with a paging server, level 1.
//!
//! ```text
//!   connect -> 220 greeting -> PAGE number -> MESS text -> SEND -> QUIT
//! ```
//!
//! **Source**: RFC 1861, 4.

pub(super) mod words;

use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::id::UnixMillis;
use farmux_raft::state::{REASON_CHARS_MAX, SnppChannel, clean};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::call::Call;
use super::dial::{self, DialError, Reach};

/// Why a pager was not paged, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SnppError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The server said nothing for too long.
    #[error("{step}: no answer in time")]
    Slow {
        /// After what.
        step: &'static str,
    },
    /// The connection broke.
    #[error("{step}: {why}")]
    Broken {
        /// After what.
        step: &'static str,
        /// The system's words.
        why: String,
    },
    /// It said something that is no reply.
    #[error("{step}: no SNPP: {words}")]
    Garbled {
        /// After what.
        step: &'static str,
        /// Its words.
        words: String,
    },
    /// 421: it hangs up, and may be back soon.
    #[error("{step}: {words}")]
    GoneAway {
        /// After what.
        step: &'static str,
        /// Its words.
        words: String,
    },
    /// It refuses, most often with 550 for a number it does not know.
    #[error("{step}: {words}")]
    Refused {
        /// After what.
        step: &'static str,
        /// Its words.
        words: String,
    },
}

/// Sends a call to a pager; the server's words.
pub(super) async fn send(
    call: &Call,
    channel: &SnppChannel,
    origin: &Origin,
    now: UnixMillis,
) -> Result<String, SnppError> {
    let deadline = Instant::now() + TIME_MAX;
    let message = words::message(call, channel.words, now);
    let (host, port) = (&channel.host, channel.port);
    let addresses = dial::look_up(host, port, Reach::Anywhere, origin, deadline).await?;
    let connecting = deadline.min(Instant::now() + dial::CONNECT_TIME_MAX);
    let (stream, _) = dial::connect(&addresses, origin, connecting).await?;
    let mut talk = Talk {
        stream: BufReader::new(stream),
        left: READ_BYTES_MAX,
        deadline,
    };
    talk.expect("greeting").await?;
    talk.say("PAGE", &channel.pager).await?;
    talk.say("MESS", &message).await?;
    let words = talk.say("SEND", "").await?;
    // The page is theirs; whether they still hear the good-bye changes nothing.
    let _ = talk.write("QUIT", "").await;
    Ok(words)
}

struct Talk {
    stream: BufReader<TcpStream>,
    /// Bytes that the server may still send.
    left: u64,
    deadline: Instant,
}

impl Talk {
    async fn say(&mut self, verb: &'static str, text: &str) -> Result<String, SnppError> {
        self.write(verb, text).await?;
        self.expect(verb).await
    }

    async fn write(&mut self, verb: &'static str, text: &str) -> Result<(), SnppError> {
        let line = match text {
            "" => format!("{verb}\r\n"),
            text => format!("{verb} {text}\r\n"),
        };
        let written = self.stream.get_mut().write_all(line.as_bytes());
        match timeout_at(self.deadline, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(verb, &error)),
            Err(_elapsed) => Err(SnppError::Slow { step: verb }),
        }
    }

    /// A reply that says yes: `2xx`, in one line or, with a hyphen, in several.
    async fn expect(&mut self, step: &'static str) -> Result<String, SnppError> {
        let mut said = String::new();
        loop {
            let line = match timeout_at(self.deadline, self.line()).await {
                Ok(Ok(line)) => line,
                Ok(Err(error)) => return Err(broken(step, &error)),
                Err(_elapsed) => return Err(SnppError::Slow { step }),
            };
            said.push_str(&line);
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let goes_on = code.is_some() && line.as_bytes().get(3) == Some(&b'-');
            if goes_on && said.len() < REPLY_BYTES_MAX {
                continue;
            }
            let words = clean(&said, REASON_CHARS_MAX);
            return match code {
                Some(200..=299) if !goes_on => Ok(words),
                Some(421) => Err(SnppError::GoneAway { step, words }),
                Some(300..=999) => Err(SnppError::Refused { step, words }),
                Some(_) | None => Err(SnppError::Garbled { step, words }),
            };
        }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(self.left);
        let read = bounded.read_until(b'\n', &mut line).await?;
        self.left = self
            .left
            .saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        match line.last() {
            Some(b'\n') => Ok(String::from_utf8_lossy(&line).into_owned()),
            Some(_) if self.left == 0 => Err(std::io::Error::other("it talks without end")),
            Some(_) | None => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn broken(step: &'static str, error: &std::io::Error) -> SnppError {
    SnppError::Broken {
        step,
        why: dial::words(error),
    }
}

/// Some paging servers dial before they answer.
const TIME_MAX: Duration = Duration::from_secs(15);

/// All that a server may say in one conversation: five replies are hundreds of bytes.
const READ_BYTES_MAX: u64 = 32 * 1024;

/// One reply of several lines.
const REPLY_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests;
