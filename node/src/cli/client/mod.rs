//! The client of the admin API: HTTP/1.1 over the daemon's Unix socket, or over TLS to another
//! node.
//!
//! ```text
//!   command --request--> Client --connect--> unix | tls --HTTP--> daemon
//!                           <--------- answer, or Fault ---------
//! ```
//!
//! One connection for each request: a command makes one or a few.

mod connect;
mod tls;

pub use connect::{Client, Stream};

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::{Code, Fault};

/// How long an answer may take: a little more than the daemon allows itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(65);

/// How long a stream of lines may be silent: the daemon sends an empty one every 5 s.
const LINE_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest answer that is read: 10,000 pages at about 1 KiB, with room.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// The longest single line of a stream of lines.
const LINE_BYTES_MAX: usize = 64 << 10;

impl Client {
    /// Asks.
    ///
    /// **Errors**: the daemon's [`Fault`], or why there was no answer.
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Fault> {
        self.exchange(Method::GET, path, Bytes::new()).await
    }

    /// Asks for a text that is not JSON.
    ///
    /// **Errors**: as [`Client::get`].
    pub async fn text(&self, path: &str) -> Result<String, Fault> {
        let bytes = self.read(Method::GET, path, Bytes::new()).await?;
        String::from_utf8(bytes.to_vec()).map_err(unclear)
    }

    /// Orders.
    ///
    /// **Errors**: as [`Client::get`].
    pub async fn post<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        order: &Q,
    ) -> Result<A, Fault> {
        let body = serde_json::to_vec(order).expect("requests are plain data");
        self.exchange(Method::POST, path, body.into()).await
    }

    /// Takes away.
    ///
    /// **Errors**: as [`Client::get`].
    pub async fn delete<A: DeserializeOwned>(&self, path: &str) -> Result<A, Fault> {
        self.exchange(Method::DELETE, path, Bytes::new()).await
    }

    /// Orders, and reads an answer that comes line by line, each of them JSON.
    ///
    /// **Errors**: as [`Client::get`]; also the first fault that `on_line` returns.
    pub async fn post_lines<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &str,
        order: &Q,
        mut on_line: impl FnMut(A) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let body = serde_json::to_vec(order).expect("requests are plain data");
        let response = self.answer(Method::POST, path, body.into()).await?;
        let mut body = response.into_body();
        let mut rest: Vec<u8> = Vec::new();
        loop {
            let next = tokio::time::timeout(LINE_TIMEOUT, body.frame()).await;
            let Some(frame) = next.map_err(|_| silent())? else {
                return Ok(());
            };
            if let Ok(data) = frame.map_err(unclear)?.into_data() {
                rest.extend_from_slice(&data);
            }
            while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                if !line.trim_ascii().is_empty() {
                    on_line(serde_json::from_slice(&line).map_err(unclear)?)?;
                }
            }
            if rest.len() > LINE_BYTES_MAX {
                return Err(unclear("a line without end"));
            }
        }
    }

    /// Orders, and takes the answer as bytes, piece by piece, with how many there will be.
    ///
    /// **Errors**: as [`Client::get`]; also the first fault that `on_piece` returns.
    pub async fn post_bytes<Q: Serialize>(
        &self,
        path: &str,
        order: &Q,
        mut on_piece: impl FnMut(&[u8], Option<u64>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let body = serde_json::to_vec(order).expect("requests are plain data");
        let response = self.answer(Method::POST, path, body.into()).await?;
        let mut body = response.into_body();
        let all = body.size_hint().exact();
        loop {
            let next = tokio::time::timeout(LINE_TIMEOUT, body.frame()).await;
            let Some(frame) = next.map_err(|_| silent())? else {
                return Ok(());
            };
            if let Ok(data) = frame.map_err(unclear)?.into_data() {
                on_piece(&data, all)?;
            }
        }
    }

    async fn exchange<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<A, Fault> {
        let bytes = self.read(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(unclear)
    }

    async fn read(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, Fault> {
        let whole = async {
            let response = self.answer(method, path, body).await?;
            collect(response.into_body()).await
        };
        tokio::time::timeout(ANSWER_TIMEOUT, whole)
            .await
            .map_err(|_| silent())?
    }

    /// The head of an answer that is not a fault.
    async fn answer(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, Fault> {
        let stream = self.connect().await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        // It ends with the last byte of the answer, or when `sender` and the body are dropped.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.host())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(unclear)?;
        let sent = tokio::time::timeout(ANSWER_TIMEOUT, sender.send_request(request)).await;
        let response = sent.map_err(|_| silent())?.map_err(lost)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let bytes = collect(response.into_body()).await?;
        Err(serde_json::from_slice::<Fault>(&bytes)
            .unwrap_or_else(|_| unclear(format!("it answered {status}"))))
    }
}

async fn collect(body: Incoming) -> Result<Bytes, Fault> {
    let limited = Limited::new(body, ANSWER_BYTES_MAX);
    Ok(limited.collect().await.map_err(unclear)?.to_bytes())
}

fn lost(error: hyper::Error) -> Fault {
    Fault::new(Code::OutcomeUnknown)
        .what("the daemon closed the connection without an answer")
        .why(error)
}

fn silent() -> Fault {
    Fault::new(Code::OutcomeUnknown).what("the daemon took the request and did not answer in time")
}

fn unclear(why: impl std::fmt::Display) -> Fault {
    Fault::new(Code::AnswerUnclear).why(why)
}
