//! PURE. Just enough of ONC RPC to call a procedure that takes next to nothing.
//!
//! ```text
//!   call    xid 0 2 program version procedure  credential 0 0  verifier 0 0  arguments
//!   reply   xid 1 0  verifier: flavor length bytes  status  results        (accepted)
//!           xid 1 1  0 low high | 1 why                                    (denied)
//! ```
//!
//! Every word has 4 bytes, most significant first. Over TCP a message is cut into fragments, each
//! after a word that holds its length, and in its first bit whether it is the last.
//!
//! **Source**: RFC 5531, 9 (messages) and 11 (record marking); RFC 4506 (XDR); RFC 1833, 3
//! (portmapper, version 2).

use crate::plan::NfsTransport;

/// A procedure to call; none of ours takes a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// Tells this call's reply from others.
    pub(super) xid: u32,
    /// What is called.
    pub(super) program: u32,
    /// In which version.
    pub(super) version: u32,
    /// Which procedure of it.
    pub(super) procedure: u32,
}

/// Why a call has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RpcFailure {
    /// The portmapper knows of no such service.
    #[error("NFS version {version} over {} is not registered at the portmapper", name(*transport))]
    NotRegistered {
        /// The version of NFS.
        version: u32,
        /// What should carry it.
        transport: NfsTransport,
    },
    /// Nobody serves that program there.
    #[error("program unavailable: {} does not answer there", called(*.0))]
    ProgramUnavailable(u32),
    /// It is served, but in other versions.
    #[error("version mismatch: {} has versions {low} to {high}", called(*program))]
    VersionMismatch {
        /// The program.
        program: u32,
        /// The lowest version that is served.
        low: u32,
        /// The highest.
        high: u32,
    },
    /// The program has no such procedure.
    #[error("procedure unavailable")]
    ProcedureUnavailable,
    /// It could not read the arguments.
    #[error("the server could not read the call")]
    GarbageArguments,
    /// It ran out of something.
    #[error("the server reports a system error")]
    SystemError,
    /// It does not speak version 2 of RPC.
    #[error("RPC version mismatch: the server speaks {low} to {high}")]
    RpcMismatch {
        /// The lowest version of RPC.
        low: u32,
        /// The highest.
        high: u32,
    },
    /// It does not let us call.
    #[error("authentication error {0}")]
    Authentication(u32),
    /// What came is no reply to a call.
    #[error("the answer is not RPC")]
    NotRpc,
    /// Longer than any reply to what we call.
    #[error("answer of more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl Call {
    /// The message, with these words as arguments.
    pub(super) fn message(self, arguments: &[u32]) -> Vec<u8> {
        let head = [
            self.xid,
            CALL,
            RPC_VERSION,
            self.program,
            self.version,
            self.procedure,
        ];
        let anonymous = [AUTH_NONE, 0, AUTH_NONE, 0];
        let words = head.iter().chain(&anonymous).chain(arguments);
        words.flat_map(|word| word.to_be_bytes()).collect()
    }

    /// The results in a reply to this call; `None`: it is the reply to another.
    ///
    /// **Errors**: the server did not do what was asked.
    pub(super) fn results(self, message: &[u8]) -> Result<Option<&[u8]>, RpcFailure> {
        let mut rest = Words(message);
        let (xid, kind) = (rest.word()?, rest.word()?);
        if kind != REPLY {
            return Err(RpcFailure::NotRpc);
        }
        if xid != self.xid {
            return Ok(None);
        }
        match rest.word()? {
            ACCEPTED => {
                let (_flavor, length) = (rest.word()?, rest.word()?);
                rest.skip(length)?;
                self.accepted(rest).map(Some)
            }
            DENIED => Err(denied(rest)?),
            _ => Err(RpcFailure::NotRpc),
        }
    }

    fn accepted<'a>(self, mut rest: Words<'a>) -> Result<&'a [u8], RpcFailure> {
        let program = self.program;
        Err(match rest.word()? {
            0 => return Ok(rest.0),
            1 => RpcFailure::ProgramUnavailable(program),
            2 => RpcFailure::VersionMismatch {
                program,
                low: rest.word()?,
                high: rest.word()?,
            },
            3 => RpcFailure::ProcedureUnavailable,
            4 => RpcFailure::GarbageArguments,
            5 => RpcFailure::SystemError,
            _ => RpcFailure::NotRpc,
        })
    }
}

fn denied(mut rest: Words<'_>) -> Result<RpcFailure, RpcFailure> {
    Ok(match rest.word()? {
        0 => RpcFailure::RpcMismatch {
            low: rest.word()?,
            high: rest.word()?,
        },
        1 => RpcFailure::Authentication(rest.word()?),
        _ => RpcFailure::NotRpc,
    })
}

/// The port in the results of the portmapper's `GETPORT`; `None`: not registered.
pub(super) fn port(results: &[u8]) -> Result<Option<u16>, RpcFailure> {
    let port = Words(results).word()?;
    let port = u16::try_from(port).map_err(|_| RpcFailure::NotRpc)?;
    Ok((port != 0).then_some(port))
}

/// A message as one record: what goes over TCP.
pub(super) fn record(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(0);
    let mark = (LAST_FRAGMENT | length).to_be_bytes();
    mark.iter().chain(message).copied().collect()
}

/// A record that comes in over TCP, in whatever pieces.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Bytes not sorted yet.
    kept: Vec<u8>,
    message: Vec<u8>,
}

impl Record {
    /// Takes some bytes in; the message, once its last fragment is whole.
    ///
    /// **Errors**: longer than [`ANSWER_BYTES_MAX`].
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, RpcFailure> {
        self.kept.extend_from_slice(bytes);
        while let Some((mark, rest)) = self.kept.split_first_chunk() {
            let mark = u32::from_be_bytes(*mark);
            let length = usize::try_from(mark & !LAST_FRAGMENT).unwrap_or(usize::MAX);
            // Fragments without a byte in them would otherwise never end.
            let last = mark & LAST_FRAGMENT != 0;
            if self.message.len().saturating_add(length) > ANSWER_BYTES_MAX {
                return Err(RpcFailure::TooLong);
            }
            if length == 0 && !last {
                return Err(RpcFailure::NotRpc);
            }
            let Some(fragment) = rest.get(..length) else {
                return Ok(None);
            };
            self.message.extend_from_slice(fragment);
            self.kept.drain(..4 + length);
            if last {
                return Ok(Some(std::mem::take(&mut self.message)));
            }
        }
        Ok(None)
    }
}

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn word(&mut self) -> Result<u32, RpcFailure> {
        let (word, rest) = self.0.split_first_chunk().ok_or(RpcFailure::NotRpc)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*word))
    }

    /// Leaves out bytes that are padded to whole words.
    fn skip(&mut self, length: u32) -> Result<(), RpcFailure> {
        if length > VERIFIER_BYTES_MAX {
            return Err(RpcFailure::NotRpc);
        }
        for _ in 0..length.div_ceil(4) {
            self.word()?;
        }
        Ok(())
    }
}

fn name(transport: NfsTransport) -> &'static str {
    match transport {
        NfsTransport::Tcp => "TCP",
        NfsTransport::Udp => "UDP",
    }
}

fn called(number: u32) -> &'static str {
    match number {
        PORTMAPPER => "the portmapper",
        _ => "NFS",
    }
}

/// The program that knows where the others are. **Source**: RFC 1833, 3.
pub(super) const PORTMAPPER: u32 = 100_000;

/// NFS itself. **Source**: RFC 1813, 2.2; RFC 7530, 1.1.
pub(super) const NFS: u32 = 100_003;

/// Longest answer: 24 bytes and a verifier of up to 400 are a whole reply to a null call.
pub(super) const ANSWER_BYTES_MAX: usize = 1024;

// Source: RFC 5531, 9.
const CALL: u32 = 0;
const REPLY: u32 = 1;
const ACCEPTED: u32 = 0;
const DENIED: u32 = 1;
const RPC_VERSION: u32 = 2;
const AUTH_NONE: u32 = 0;
const VERIFIER_BYTES_MAX: u32 = 400;

/// Source: RFC 5531, 11.
const LAST_FRAGMENT: u32 = 1 << 31;

#[cfg(test)]
mod tests;
