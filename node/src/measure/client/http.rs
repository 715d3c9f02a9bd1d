//! Requests in HTTP/1.1: asked as a browser asks, and read to the end.
//!
//! What counts is the whole answer: a head with a good status and a body as long as it was said to
//! be, or as HTTP ends one. Redirects are answers and are not followed.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use farmux_netplane::plan::ProbeTls;
use farmux_netplane::probe::Single;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use tokio::time::{Instant, timeout_at};

use super::super::tally::{End, Miss, MissKind};
use super::super::url::Scheme;
use super::{Asking, end_of};
use crate::exchange::Exchange;

/// What is asked, and the connections that are kept for it.
pub(super) struct Session {
    path: String,
    host: String,
    tls: Option<ProbeTls>,
    status: Option<u16>,
    keeps: bool,
    idle: Mutex<Vec<Exchange>>,
}

impl Session {
    pub(super) fn new(asking: &Asking) -> Session {
        let target = &asking.target;
        let name = asking.host.as_ref().unwrap_or(&target.host);
        let tls = ProbeTls {
            name: name.as_str().into(),
            verify: asking.verify,
            days_left: 0,
        };
        Session {
            path: target.path.clone(),
            host: asking.host.clone().unwrap_or_else(|| target.authority()),
            tls: (target.scheme == Scheme::Https).then_some(tls),
            status: asking.status,
            keeps: asking.keep_alive,
            idle: Mutex::default(),
        }
    }

    /// Asks once, from the connection to the last byte of the body.
    pub(super) async fn ask(&self, single: &Single, to: SocketAddr, timeout: Duration) -> End {
        let deadline = Instant::now() + timeout;
        match timeout_at(deadline, self.exchange(single, to, timeout)).await {
            Ok(Ok(())) => End::Good,
            Ok(Err(end)) => end,
            Err(_elapsed) => missed(
                MissKind::Late,
                &format!("no whole answer within {} ms", timeout.as_millis()),
            ),
        }
    }

    async fn exchange(
        &self,
        single: &Single,
        to: SocketAddr,
        timeout: Duration,
    ) -> Result<(), End> {
        let mut open = match self.kept().await {
            Some(open) => open,
            None => self.connect(single, to, timeout).await?,
        };
        let request = self.request()?;
        let answer = open.sender.send_request(request).await;
        let answer = answer.map_err(|error| broken(&error))?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| broken(&error))?;
        }
        if self.keeps {
            self.keep(open);
        }
        match self.status {
            None if status < 400 => Ok(()),
            Some(good) if status == good => Ok(()),
            None | Some(_) => Err(missed(MissKind::Answer, &format!("status {status}"))),
        }
    }

    async fn connect(
        &self,
        single: &Single,
        to: SocketAddr,
        timeout: Duration,
    ) -> Result<Exchange, End> {
        let spoken = match &self.tls {
            None => Exchange::over(single.open(to, timeout).await.map_err(end_of)?).await,
            Some(tls) => {
                let stream = single.open_tls(to, tls, timeout).await;
                Exchange::over(stream.map_err(end_of)?).await
            }
        };
        spoken.map_err(|error| broken(&error))
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, End> {
        let mut request = Request::builder()
            .uri(self.path.as_str())
            .header(HOST, &self.host)
            .header(USER_AGENT, AGENT);
        if !self.keeps {
            request = request.header(CONNECTION, "close");
        }
        let unfit = |_| End::Unasked("the URL has a path that no request can have".to_owned());
        request.body(Full::default()).map_err(unfit)
    }

    /// A connection that is open still, as far as we know.
    async fn kept(&self) -> Option<Exchange> {
        loop {
            let mut open = self.idle().pop()?;
            if open.sender.ready().await.is_ok() {
                return Some(open);
            }
        }
    }

    fn keep(&self, open: Exchange) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push(open);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Exchange>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What went wrong on a connection that stood.
fn broken(error: &hyper::Error) -> End {
    match error {
        error if error.is_parse() => missed(MissKind::Answer, "the answer is not HTTP"),
        error if error.is_parse_too_large() => missed(MissKind::Answer, "answer head too long"),
        error if error.is_incomplete_message() => {
            missed(MissKind::Cut, "connection closed without a whole answer")
        }
        _ => missed(MissKind::Cut, "connection torn down"),
    }
}

fn missed(kind: MissKind, words: &str) -> End {
    End::Missed(Miss::new(kind, words))
}

/// What we call ourselves.
const AGENT: &str = concat!("farmux/", env!("CARGO_PKG_VERSION"), " (probe)");

/// Connections that are kept: as many as a few slow answers in a row need.
const IDLE_MAX: usize = 16;
