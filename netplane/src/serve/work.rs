//! What would be cut if an address went away at this moment.
//!
//! An HTTP connection between two requests is no work: its client comes again and loses nothing.
//! One that has not asked anything yet is, for its request may be on its way.

use std::iter::Sum;
use std::net::IpAddr;

use super::counters::ServiceCounters;
use crate::plan::ServiceKind;

/// What clients have in hand, by what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// HTTP connections with a request or an answer under way, or without a first request.
    pub http: u64,
    /// HTTP connections between two requests.
    pub idle: u64,
    /// TCP connections.
    pub tcp: u64,
    /// FTP sessions, each with its data connections.
    pub ftp: u64,
}

impl Work {
    /// What is worth waiting for.
    pub fn in_hand(&self) -> u64 {
        self.http + self.tcp + self.ftp
    }

    /// Client connections that are open.
    pub fn open(&self) -> u64 {
        self.in_hand() + self.idle
    }

    /// What the clients of a service have in hand that came to `ip`.
    pub(super) fn of(kind: ServiceKind, counters: &ServiceCounters, ip: IpAddr) -> Work {
        let (open, idle) = counters.open_and_idle(ip);
        match kind {
            ServiceKind::Http => Work {
                // Read one after the other, so that the second may be ahead of the first.
                http: open.saturating_sub(idle),
                idle: idle.min(open),
                ..Work::default()
            },
            ServiceKind::Tcp => Work {
                tcp: open,
                ..Work::default()
            },
            ServiceKind::Ftp(_) => Work {
                ftp: open,
                ..Work::default()
            },
        }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Work>>(all: I) -> Work {
        all.fold(Work::default(), |sum, one| Work {
            http: sum.http + one.http,
            idle: sum.idle + one.idle,
            tcp: sum.tcp + one.tcp,
            ftp: sum.ftp + one.ftp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_between_two_requests_is_not_waited_for() {
        let [here, there, nowhere] = [100, 101, 102].map(|last| IpAddr::from([10, 0, 0, last]));
        let counters = ServiceCounters::new(2).next([].into_iter(), [here, there].into_iter());
        let at = |ip| counters.at(ip).expect("it is listened for");
        for runtime in 0..2 {
            at(here).shard(runtime).open.up();
            at(here).shard(runtime).open.up();
        }
        at(here).shard(1).idle.up();
        at(there).shard(0).open.up();
        let http = Work::of(ServiceKind::Http, &counters, here);
        assert_eq!((http.http, http.idle), (3, 1));
        assert_eq!((http.in_hand(), http.open()), (3, 4));
        let tcp = Work::of(ServiceKind::Tcp, &counters, here);
        assert_eq!((tcp.in_hand(), tcp.tcp), (4, 4));
        let both: Work = [http, tcp].into_iter().sum();
        assert_eq!((both.in_hand(), both.open()), (7, 8));
        let tcp = |counters, ip| Work::of(ServiceKind::Tcp, counters, ip).tcp;
        assert_eq!((tcp(&counters, there), tcp(&counters, nowhere)), (1, 0));
        let later = counters.next([].into_iter(), [nowhere].into_iter());
        assert_eq!(
            tcp(&later, there),
            1,
            "it left the plan, its client is here"
        );
        at(there).shard(0).open.down();
        let later = later.next([].into_iter(), [nowhere].into_iter());
        assert!(later.at(there).is_none() && later.at(here).is_some());
    }
}
