//! A call without a socket: what the bytes of a server alone lead to, for those who prove the codec
//! from outside of this crate.

use super::rpc::{self, Call, NFS, PORTMAPPER, Record, RpcFailure};
use super::{GETPORT, NULL, PORTMAPPER_VERSION, fail};
use crate::plan::NfsTransport;
use crate::probe::outcome::{Failure, Outcome, Phase, Success};

/// What a call ends with where a server sent these pieces over TCP.
pub(in crate::probe) fn heard<'a>(
    portmapper: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Outcome {
    match answered(portmapper, pieces) {
        Ok(true) => Outcome::Pass(Success::Answered(VERSION)),
        Ok(false) => Outcome::Fail(Failure::Closed(Phase::Waiting)),
        Err(failure) => fail(failure),
    }
}

fn answered<'a>(
    portmapper: bool,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Result<bool, RpcFailure> {
    let (program, version, procedure) = match portmapper {
        true => (PORTMAPPER, PORTMAPPER_VERSION, GETPORT),
        false => (NFS, VERSION, NULL),
    };
    let call = Call {
        xid: XID,
        program,
        version,
        procedure,
    };
    let mut record = Record::default();
    for piece in pieces {
        let Some(answer) = record.feed(piece)? else {
            continue;
        };
        let results = call.results(&answer)?.ok_or(RpcFailure::NotRpc)?;
        if !portmapper {
            return Ok(true);
        }
        let transport = NfsTransport::Tcp;
        let none = RpcFailure::NotRegistered { version, transport };
        return rpc::port(results)?.ok_or(none).map(|_| true);
    }
    Ok(false)
}

/// The number of the call, as corpora write it: `farm`.
const XID: u32 = 0x6661_726d;
const VERSION: u32 = 3;
