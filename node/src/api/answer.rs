//! How a request is read and an answer is written: JSON in, JSON or a fault out.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::{Code, Fault};

/// What a handler answers.
pub(super) type Answer<T> = Result<Json<T>, Fault>;

/// An answer that went well.
pub(super) fn answer<T: Serialize>(data: T) -> Answer<T> {
    Ok(Json(data))
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self)).into_response()
    }
}

/// The body of a request, as JSON of one shape.
pub(super) struct Order<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Order<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let body =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Fault::new(Code::RequestTooLarge),
                    _ => Fault::new(Code::RequestInvalid).why(rejection),
                })?;
        let parsed = serde_json::from_slice(&body);
        Ok(Order(parsed.map_err(|error| {
            Fault::new(Code::RequestInvalid).why(error)
        })?))
    }
}

/// A part of the path as a name or an id.
pub(super) fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Fault> {
    let shown = format!("{text:?} is not a name");
    text.parse()
        .map_err(|error| Fault::new(Code::RequestInvalid).what(shown).why(error))
}
