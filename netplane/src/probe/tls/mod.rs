//! TLS around a probe: the handshake, and what the server's certificate is worth.
//!
//! ```text
//!   connect ─ (PROXY header) ─ TLS 1.2 or 1.3, ALPN http/1.1 ─ the probe itself
//!                               │ trust: whose certificates count, read once a minute
//!                               │ judge: rustls' own verdict, or none with `verify = false`
//!                               └ dates: for how many more days it is good
//! ```
//!
//! Sessions are never resumed: a resumed one shows no certificate. The wall clock decides about
//! certificates, and about nothing else.

mod dates;
mod failure;
mod judge;
mod trust;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::Budget;
use super::outcome::{Failure, LocalTrouble, Outcome, Phase};
use crate::plan::ProbeTls;
pub use dates::CertificateDays;
pub use failure::{Alert, TlsFailure};
pub(super) use trust::Clients;
pub use trust::Trust;

/// Speaks TLS on a connection; with it, for how long the certificate is good.
///
/// **Errors**: how the probe ends without: the handshake failed, the certificate is not good or
/// not for long enough.
pub(super) async fn handshake(
    stream: TcpStream,
    target: SocketAddr,
    wanted: &ProbeTls,
    clients: &Arc<Clients>,
    budget: &Budget,
) -> Result<(TlsStream<TcpStream>, CertificateDays), Outcome> {
    let name = match ServerName::try_from(wanted.name.as_ref()) {
        Ok(name) => name.to_owned(),
        // Nobody looks at it: then it need not be asked for either.
        Err(_) if !wanted.verify => ServerName::IpAddress(target.ip().into()),
        Err(_) => return Err(Outcome::Inconclusive(LocalTrouble::CertificateName)),
    };
    let client = budget
        .step(Phase::Handshake, clients.client(wanted.verify))
        .await
        .unwrap_or_else(|_late| Err("reading certificates takes too long".to_owned()))
        .map_err(|why| Outcome::Inconclusive(LocalTrouble::Trust(why)))?;
    let connect = TlsConnector::from(client).connect(name, stream);
    let stream = budget.step(Phase::Handshake, connect).await?;
    let fail = |failure| Err(Outcome::Fail(Failure::Tls(failure)));
    let (_, session) = stream.get_ref();
    let Some(leaf) = session.peer_certificates().and_then(<[_]>::first) else {
        return fail(TlsFailure::NoCertificate);
    };
    let Some(dates) = dates::Dates::of(leaf) else {
        return fail(TlsFailure::Unreadable);
    };
    let days = dates.days(now());
    // Who wants neither a verdict nor days has said that its certificate means nothing.
    if (wanted.verify || wanted.days_left > 0)
        && let Err(failure) = days.judge(wanted.days_left)
    {
        return fail(failure);
    }
    Ok((stream, days))
}

/// What is read of a certificate, without a handshake: for those who prove it from outside of this
/// crate. Looked at when 2026 began.
pub(super) fn heard(der: &[u8]) -> String {
    match dates::Dates::of(der) {
        Some(dates) => dates.days(1_767_225_600).to_string(),
        None => TlsFailure::Unreadable.to_string(),
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since.unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Says that no more will come, as TLS wants it said, and gives the connection back.
pub(super) fn end(stream: TlsStream<TcpStream>) -> TcpStream {
    let (tcp, mut session) = stream.into_inner();
    session.send_close_notify();
    let mut record = Vec::new();
    // A server that has gone already misses nothing.
    if session.write_tls(&mut record).is_ok() {
        let _ = tcp.try_write(&record);
    }
    tcp
}
