//! One conversation with a mail relay: connect, protect, log in, hand the letter over.
//!
//! ```text
//!   connect -> greeting, EHLO -> [STARTTLS -> EHLO] -> [AUTH] -> MAIL -> RCPT each -> DATA -> QUIT
//! ```
//!
//! One refused recipient does not keep the letter from the others. Nothing but STARTTLS is said
//! in the clear where the relay is to be protected, and no password ever.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::state::{REASON_CHARS_MAX, Relay, RelaySecurity, clean};
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use super::mail::Letter;
use super::names;
use super::trust::Trust;
use super::wire::Wire;

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relayed {
    /// For whom the relay took it.
    pub(super) accepted: Vec<Address>,
    /// For whom it did not, and its words.
    pub(super) refused: Vec<(Address, String)>,
    /// What it said when it took the letter.
    pub(super) words: String,
}

/// Hands a letter over.
///
/// **Errors**: it was handed over to nobody, or nobody can tell; in words for people, the
/// relay's own where it said any.
pub(super) async fn hand_over(
    relay: &Relay,
    letter: &Letter,
    origin: &Origin,
    trust: &Trust,
    deadline: Instant,
) -> Result<Relayed, String> {
    if relay.password.is_some() && relay.security == RelaySecurity::None {
        return Err("a password is not sent without TLS".to_owned());
    }
    let talk = Talk {
        deadline,
        begun: Instant::now(),
    };
    let mut connection = talk.connect(relay, origin, trust).await?;
    if let (Some(user), Some(password)) = (&relay.user, &relay.password) {
        let credentials = Credentials::new(user.clone(), password.reveal().to_owned());
        talk.step("login", connection.auth(DEFAULT_MECHANISMS, &credentials))
            .await?;
    }
    let relayed = talk.transact(&mut connection, letter).await?;
    // The letter is theirs; whether they still hear the good-bye changes nothing.
    let _ = tokio::time::timeout(GOODBYE_TIME_MAX, connection.quit()).await;
    Ok(relayed)
}

/// The time of one conversation, and where it stands.
struct Talk {
    begun: Instant,
    deadline: Instant,
}

impl Talk {
    async fn step<T, E: Words>(
        &self,
        doing: &str,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, String> {
        match tokio::time::timeout_at(self.deadline, step).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(bounded(format_args!("{doing}: {}", error.words()))),
            Err(_elapsed) => {
                let seconds = (self.deadline - self.begun + Duration::from_millis(500)).as_secs();
                Err(bounded(format_args!(
                    "{doing}: no answer within {seconds} s in all"
                )))
            }
        }
    }

    async fn connect(
        &self,
        relay: &Relay,
        origin: &Origin,
        trust: &Trust,
    ) -> Result<AsyncSmtpConnection, String> {
        let host = relay.host.trim_start_matches('[').trim_end_matches(']');
        let doing = format!("looking up {host}");
        let addresses = self.step(&doing, names::look_up(host, relay.port)).await?;
        let mut last = format!("{doing}: no address");
        for address in addresses {
            match self
                .open(relay.security, host, address, origin, trust)
                .await
            {
                Ok(connection) => return Ok(connection),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    async fn open(
        &self,
        security: RelaySecurity,
        host: &str,
        address: SocketAddr,
        origin: &Origin,
        trust: &Trust,
    ) -> Result<AsyncSmtpConnection, String> {
        let source = origin
            .source_for(address)
            .map_err(|error| error.to_string())?;
        let hello = hello(source.or(origin.own.first().copied()));
        match security {
            RelaySecurity::None => self.greet(address, source, false, &hello).await,
            RelaySecurity::Starttls => {
                let parameters = trust.parameters(host).await?;
                let mut connection = self.greet(address, source, true, &hello).await?;
                if !connection.can_starttls() {
                    return Err("STARTTLS: the relay does not offer it".to_owned());
                }
                self.step("STARTTLS", connection.starttls(parameters, &hello))
                    .await?;
                Ok(connection)
            }
            RelaySecurity::Tls => {
                let parameters = Some(trust.parameters(host).await?);
                let limit = Some(CONNECT_TIME_MAX);
                let open =
                    AsyncSmtpConnection::connect_tokio1(address, limit, &hello, parameters, source);
                self.step(&format!("connecting to {address} with TLS"), open)
                    .await
            }
        }
    }

    async fn greet(
        &self,
        address: SocketAddr,
        source: Option<IpAddr>,
        awaits_starttls: bool,
        hello: &ClientId,
    ) -> Result<AsyncSmtpConnection, String> {
        let connect = async {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            if let Some(source) = source {
                socket.bind(SocketAddr::new(source, 0))?;
            }
            // One address that swallows everything must leave time for the next.
            let limited = tokio::time::timeout(CONNECT_TIME_MAX, socket.connect(address));
            let stream = limited
                .await
                .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))?;
            // lettre writes the end of a letter by itself, which would wait for the relay's
            // delayed ACK of the rest: 40 ms a mail.
            stream.set_nodelay(true)?;
            Ok::<_, std::io::Error>(stream)
        };
        let stream = self
            .step(&format!("connecting to {address}"), connect)
            .await?;
        let wire = Box::new(Wire::new(stream, awaits_starttls));
        self.step(
            "greeting",
            AsyncSmtpConnection::connect_with_transport(wire, hello),
        )
        .await
    }

    async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        letter: &Letter,
    ) -> Result<Relayed, String> {
        let from = Mail::new(Some(letter.from.clone()), vec![]);
        self.step("MAIL", connection.command(from)).await?;
        let (mut accepted, mut refused) = (Vec::new(), Vec::new());
        for to in &letter.to {
            let rcpt = connection.command(Rcpt::new(to.clone(), vec![]));
            match self.step(&format!("RCPT {to}"), rcpt).await {
                Ok(_) => accepted.push(to.clone()),
                Err(words) if connection.has_broken() => return Err(words),
                Err(words) => refused.push((to.clone(), words)),
            }
        }
        if accepted.is_empty() {
            let first = refused.into_iter().next();
            return Err(first.map_or_else(|| "no recipient".to_owned(), |(_, words)| words));
        }
        self.step("DATA", connection.command(Data)).await?;
        let taken = self
            .step("the mail", connection.message(&letter.bytes))
            .await?;
        Ok(Relayed {
            accepted,
            refused,
            words: reply(&taken),
        })
    }
}

/// An error in the words of whoever spoke last.
trait Words {
    fn words(&self) -> String;
}

impl Words for String {
    fn words(&self) -> String {
        self.clone()
    }
}

impl Words for std::io::Error {
    fn words(&self) -> String {
        if self.kind() == std::io::ErrorKind::ConnectionRefused {
            "connection refused".to_owned()
        } else if self.kind() == std::io::ErrorKind::TimedOut {
            "no answer".to_owned()
        } else {
            self.to_string()
        }
    }
}

impl Words for Error {
    fn words(&self) -> String {
        let source = std::error::Error::source(self).map(ToString::to_string);
        let said = source.unwrap_or_else(|| self.to_string());
        match self.status() {
            Some(code) => format!("{code} {said}"),
            None if said == "incomplete response" => "the relay closed the connection".to_owned(),
            None => said,
        }
    }
}

fn reply(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    bounded(format_args!("{} {}", response.code(), lines.join(" ")))
}

fn bounded(text: impl Display) -> String {
    clean(&text.to_string(), REASON_CHARS_MAX)
}

/// An address literal (RFC 5321, 4.1.3): true on every machine, whatever its name server thinks.
fn hello(own: Option<IpAddr>) -> ClientId {
    match own {
        Some(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Some(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        None => ClientId::default(),
    }
}

/// For one connection to be made: a SYN is repeated after 1 and 3 seconds, so that two may be lost.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// For a farewell that changes nothing.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(1);
