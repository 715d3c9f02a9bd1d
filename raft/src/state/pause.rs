//! A pause: while people work on the cluster, nothing moves by itself that could stay.
//!
//! A VIP whose owner dies or is cut off is taken over all the same: to leave it on nobody would
//! help no work. What waits is what moves a VIP from an owner that lives: legs, and planned moves.

use serde::{Deserialize, Serialize};

use super::text::plain;
use super::{Applied, Author, Now, Reject, State};
use crate::id::UnixMillis;

/// Nothing moves by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// By whose order.
    pub author: Author,
    /// Why; may be empty.
    pub why: String,
    /// Since when.
    pub since: UnixMillis,
}

impl State {
    pub(super) fn pause(
        &mut self,
        now: Now,
        author: Author,
        why: String,
    ) -> Result<Applied, Reject> {
        author.check()?;
        plain(&why, 0, WHY_CHARS_MAX).map_err(|_| Reject::BadText {
            what: "the reason".to_owned(),
            min: 0,
            max: WHY_CHARS_MAX,
        })?;
        // Whoever paused it first says when it goes on; a second order is no news.
        if self.pause.is_some() {
            return Ok(Applied::Unchanged);
        }
        self.pause = Some(Pause {
            author,
            why,
            since: now.at,
        });
        Ok(Applied::Done)
    }

    pub(super) fn resume(&mut self, author: &Author) -> Result<Applied, Reject> {
        author.check()?;
        match self.pause.take() {
            Some(_) => Ok(Applied::Done),
            None => Ok(Applied::Unchanged),
        }
    }
}

/// A line of a terminal, twice.
const WHY_CHARS_MAX: usize = 200;
