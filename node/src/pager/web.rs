//! One HTTP exchange as a client, or several over one connection: bounded in time and in bytes.
//!
//! ```text
//!   Call/heartbeat --Ask--> Session (dial, TLS, hyper) --> server
//!                                 <-- status, and the first words of the body
//! ```
//!
//! Redirects are not followed: where one leads was never judged. What the server says is read up
//! to a bound, and what is kept of it is one line.

use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::state::{REASON_CHARS_MAX, WebUrl, clean};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response};
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::dial::{self, Reach};
use super::trust::Trust;
use crate::exchange::Exchange;

/// Where requests go, and by what right.
#[derive(Debug, Clone)]
pub(super) struct Target<'a> {
    pub(super) url: &'a WebUrl,
    pub(super) allow_local: bool,
    pub(super) origin: &'a Origin,
    pub(super) trust: &'a Trust,
}

/// One request.
#[derive(Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Without those that every request has.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Vec<u8>,
}

impl std::fmt::Debug for Ask {
    /// Without headers and body: a key may be among them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ask({} of {} bytes)", self.method, self.body.len())
    }
}

/// A connection that is made when it is needed.
pub(super) struct Session<'a> {
    target: Target<'a>,
    open: Option<Exchange>,
}

impl<'a> Session<'a> {
    pub(super) fn new(target: Target<'a>) -> Session<'a> {
        Session { target, open: None }
    }

    /// Asks once, from the look-up to the end of the answer, until the deadline.
    ///
    /// **Errors**: the server did not take it, or nobody can tell; its words where it said any.
    pub(super) async fn ask(&mut self, ask: Ask, limit: Duration) -> Result<String, String> {
        let deadline = Instant::now() + limit;
        let answered = timeout_at(deadline, self.exchange(ask, deadline)).await;
        let answer = match answered {
            Ok(answer) => answer?,
            Err(_elapsed) => {
                self.open = None;
                return Err(format!("no answer within {} s", limit.as_secs_f32()));
            }
        };
        let status = answer.status();
        let body = self.first_words(answer, deadline).await;
        let reason = status.canonical_reason().unwrap_or_default();
        let words = clean(
            &format!("{} {reason} {body}", status.as_u16()),
            REASON_CHARS_MAX,
        );
        match status {
            _ if status.is_success() => Ok(words),
            _ if status.is_redirection() => Err(format!(
                "{} {reason}: redirects are not followed",
                status.as_u16()
            )),
            _ => Err(words),
        }
    }

    async fn exchange(
        &mut self,
        ask: Ask,
        deadline: Instant,
    ) -> Result<Response<Incoming>, String> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.connect(deadline).await?,
        };
        // The server may have closed a connection that was used before.
        if open.sender.ready().await.is_err() {
            open = self.connect(deadline).await?;
        }
        let request = self.request(ask)?;
        let answer = open.sender.send_request(request).await;
        let answer = answer.map_err(|error| broken(&error))?;
        self.open = Some(open);
        Ok(answer)
    }

    fn request(&self, ask: Ask) -> Result<Request<Full<Bytes>>, String> {
        let url = self.target.url;
        let host = WebUrl {
            path: String::new(),
            ..url.clone()
        };
        let host = host.to_string();
        let (_, host) = host.split_once("://").unwrap_or_default();
        let mut request = Request::builder()
            .method(ask.method)
            .uri(url.path.as_str())
            .header(HOST, host)
            .header(USER_AGENT, AGENT);
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(ask.body)))
            .map_err(|_| "the URL has a path that no request can have".to_owned())
    }

    async fn connect(&self, deadline: Instant) -> Result<Exchange, String> {
        let Target {
            url,
            allow_local,
            origin,
            trust,
        } = &self.target;
        let reach = match allow_local {
            true => Reach::Anywhere,
            false => Reach::Outside,
        };
        let words = |error: dial::DialError| error.to_string();
        let addresses = dial::look_up(&url.host, url.port, reach, origin, deadline).await;
        let (stream, _) = dial::connect(&addresses.map_err(words)?, origin, deadline)
            .await
            .map_err(words)?;
        if !url.tls {
            return Exchange::over(stream).await.map_err(|error| broken(&error));
        }
        let host = url.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("{host} is no name that a certificate can have"))?;
        let connector = TlsConnector::from(Arc::new(trust.client().await?));
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("TLS with {host}: {}", dial::words(&error)))?;
        Exchange::over(stream).await.map_err(|error| broken(&error))
    }

    /// The beginning of the body, as far as it comes in time. What the server decided stands in
    /// the status already.
    async fn first_words(&mut self, answer: Response<Incoming>, deadline: Instant) -> String {
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        let whole = loop {
            match timeout_at(deadline, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        let room = BODY_BYTES_MAX.saturating_sub(bytes.len());
                        bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or(data));
                    }
                    if bytes.len() >= BODY_BYTES_MAX {
                        break false;
                    }
                }
                Ok(None) => break true,
                Ok(Some(Err(_))) | Err(_) => break false,
            }
        };
        if !whole {
            self.open = None;
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn broken(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    match source {
        _ if error.is_incomplete_message() => "the server closed the connection".to_owned(),
        _ if error.is_parse() => format!("the answer is no HTTP: {error}"),
        Some(source) => clean(&format!("{error}: {source}"), REASON_CHARS_MAX),
        None => clean(&error.to_string(), REASON_CHARS_MAX),
    }
}

/// What we call ourselves.
const AGENT: &str = concat!("farmux/", env!("CARGO_PKG_VERSION"));

/// **Source**: issue 4: "answer read up to 64 KiB".
const BODY_BYTES_MAX: usize = 64 * 1024;
