//! `?newest=true`, on whatever is read: answered only from a copy of the state that has all that
//! was decided before the question. Without it every node answers at once from the copy it has.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::daemon::Node;
use crate::fault::Fault;

/// Lets a question wait until this node's copy is the newest, if it says so.
pub(super) async fn newest(
    Shared(node): Shared<Arc<Node>>,
    request: Request,
    next: Next,
) -> Response {
    let asked = *request.method() == Method::GET && asks(request.uri().query().unwrap_or_default());
    if let Some(member) = node.member().filter(|_| asked)
        && let Err(error) = member.newest().await
    {
        return Fault::from(error).into_response();
    }
    next.run(request).await
}

fn asks(query: &str) -> bool {
    query.split('&').any(|word| word == "newest=true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_by_one_word_of_the_query() {
        for (query, asked) in [
            ("newest=true", true),
            ("revision=3&newest=true", true),
            ("", false),
            ("newest=false", false),
            ("newest", false),
            ("oldest=true", false),
        ] {
            assert_eq!(asks(query), asked, "{query:?}");
        }
    }
}
