//! What leaves for mail, pagers and syslog, as bytes, for those who prove from outside of this
//! crate that no text of anybody's gets out of its place. Nothing here is used by a node.

use farmux_raft::id::UnixMillis;
use farmux_raft::state::SnppWords;

use super::call::Call;
use super::mail::{Mail, MailError};
use super::{snpp, syslog};

/// A mail as it is handed to a relay.
///
/// **Errors**: it cannot be written, and the mail is not sent.
pub fn letter(mail: &Mail) -> Result<Vec<u8>, MailError> {
    mail.encode().map(|letter| letter.bytes)
}

/// What a paging server is told behind `MESS`.
pub fn snpp(call: &Call, words: SnppWords, now: UnixMillis) -> String {
    snpp::words::message(call, words, now)
}

/// The lines of syslog.
pub fn syslog(call: &Call, node: &str, now: UnixMillis) -> Vec<Vec<u8>> {
    syslog::line::lines(call, node, now)
}
