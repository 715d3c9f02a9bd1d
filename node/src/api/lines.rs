//! An answer that comes line by line, each of them JSON, with an empty line every 5 s in between.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, interval};

/// How often a sign of life is sent: the client gives up after 30 s of silence.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// Answers with what `events` gets, until its sender is dropped.
pub(super) fn lines<T: Serialize + Unpin + Send + 'static>(events: Receiver<T>) -> Response {
    let body = Body::new(Lines {
        events,
        life: interval(SIGN_OF_LIFE),
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

struct Lines<T> {
    events: Receiver<T>,
    life: Interval,
}

impl<T: Serialize + Unpin> hyper::body::Body for Lines<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.events.poll_recv(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(event)) => {
                let line = serde_json::to_string(&event).expect("events are plain data") + "\n";
                return Poll::Ready(Some(Ok(Frame::data(line.into()))));
            }
            Poll::Pending => {}
        }
        match self.life.poll_tick(context) {
            Poll::Ready(_) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"\n"))))),
            Poll::Pending => Poll::Pending,
        }
    }
}
