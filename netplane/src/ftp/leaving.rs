//! When a session must go, and by when.

use std::net::IpAddr;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::refusal::FtpRefusal;
use crate::plan::Limits;
use crate::serve::deadline::Deadline;
use crate::serve::service::Service;
use crate::serve::upstream::Upstream;

/// A session has no age at which it ends, only a silence: what moves may go on for days.
pub(super) const NO_AGE: Duration = Duration::from_secs(365 * 24 * 3600);
/// How often a session looks whether it should go.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where a server or an address is being left, a session is sent away after this silence: no
/// client is so slow between two files of one run, and a drain is not held up by idle ones.
const QUIET_FOR: Duration = Duration::from_secs(2);

/// Notices that a session should go, and how long nothing has happened in it.
#[derive(Debug)]
pub(super) struct Leaving {
    /// Where its client came to.
    vip: IpAddr,
    look: Interval,
    active_at: Instant,
    noticed: bool,
}

impl Leaving {
    pub(super) fn new(vip: IpAddr) -> Self {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Leaving {
            vip,
            look,
            active_at: Instant::now(),
            noticed: false,
        }
    }

    /// There was activity.
    pub(super) fn touch(&mut self) {
        self.active_at = Instant::now();
    }

    /// Whether the session should go, and has been silent for long enough. From when it is noticed
    /// that it should until it should not any more, the service's total bounds `deadline`.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        service: &Service,
        upstream: &Upstream,
        deadline: &mut Deadline,
    ) -> bool {
        let mut quiet = false;
        while self.look.poll_tick(cx).is_ready() {
            let goes = !service.keeps(upstream.work.server()) || service.sends_away(self.vip);
            if goes != self.noticed {
                self.noticed = goes;
                let Limits { idle, total, .. } = service.limits();
                deadline.begin(idle, if goes { total } else { NO_AGE });
            }
            quiet = goes && self.active_at.elapsed() >= QUIET_FOR;
        }
        quiet
    }

    /// Why the session ends, when its time is over.
    pub(super) fn reason(&self) -> FtpRefusal {
        if self.noticed {
            FtpRefusal::SentAway
        } else {
            FtpRefusal::Idle
        }
    }
}
