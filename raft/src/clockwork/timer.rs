//! Waiting: until a moment, and for something, but not for ever.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{Clockwork, installed, now};

/// Ready when its moment has come.
pub struct Sleep(Timer);

enum Timer {
    System(Pin<Box<tokio::time::Sleep>>),
    Driven {
        at: Instant,
        clockwork: Arc<dyn Clockwork>,
        /// Whom the clockwork will wake already.
        told: Option<Waker>,
    },
}

/// It took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deadline has elapsed")]
pub struct Elapsed;

/// Something that is waited for, but not for ever.
pub struct Timeout<F> {
    future: Pin<Box<F>>,
    sleep: Sleep,
}

/// Ready after `span`.
pub fn sleep(span: Duration) -> Sleep {
    // Longer than anybody waits: as tokio has it, thirty years.
    let longest = Duration::from_secs(86_400 * 365 * 30);
    sleep_until(now() + span.min(longest))
}

/// Ready at `at`.
pub fn sleep_until(at: Instant) -> Sleep {
    Sleep(match installed() {
        None => Timer::System(Box::pin(tokio::time::sleep_until(at.into()))),
        Some(clockwork) => Timer::Driven {
            at,
            clockwork,
            told: None,
        },
    })
}

/// Waits for `future`, at most for `span`.
pub fn timeout<F: Future>(span: Duration, future: F) -> Timeout<F> {
    Timeout {
        future: Box::pin(future),
        sleep: sleep(span),
    }
}

/// Waits for `future`, at most until `at`.
pub fn timeout_at<F: Future>(at: Instant, future: F) -> Timeout<F> {
    Timeout {
        future: Box::pin(future),
        sleep: sleep_until(at),
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Timer::System(sleep) => sleep.as_mut().poll(context),
            Timer::Driven { at, clockwork, .. } if clockwork.now() >= *at => Poll::Ready(()),
            Timer::Driven {
                at,
                clockwork,
                told,
            } => {
                let known = told
                    .as_ref()
                    .is_some_and(|told| told.will_wake(context.waker()));
                if !known {
                    clockwork.wake_at(*at, context.waker().clone());
                    *told = Some(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = self.future.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        Pin::new(&mut self.sleep)
            .poll(context)
            .map(|()| Err(Elapsed))
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep")
    }
}
