//! What this machine pretends in a drill: that a server, or something that is watched, refuses
//! connections or does not answer. The server itself never hears of it.
//!
//! ```text
//!   HealthOverlay::pretend ──Pretences (immutable, bounded)──▶ probes: refused, or timed out
//!                            └─generation──▶ serving runtimes: no new connection, no idle one
//! ```
//!
//! Each pretence has its end in this process's memory: it is over with its deadline or with the
//! process, whoever else is dead. Connections that stand go on, as they do where a server only
//! stops accepting. Where nothing is pretended a request costs what it always did: a runtime takes
//! the table over when the generation moves, and looks at a cell of its own when it connects.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::plan::ProbeKey;
use crate::sys::boottime_ns;

/// How somebody seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pretend {
    /// Connections are refused at once.
    Down,
    /// Nothing comes in time.
    Slow,
}

/// Who seems so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// A server of a farm, in all its services.
    Server {
        /// The farm.
        farm: Arc<str>,
        /// The server.
        server: Arc<str>,
    },
    /// Something that is watched.
    Watch(Arc<str>),
}

impl Whom {
    /// Whom a check is about.
    fn of(key: &ProbeKey) -> Whom {
        match key {
            ProbeKey::Server { farm, server, .. } => Whom::Server {
                farm: Arc::clone(farm),
                server: Arc::clone(server),
            },
            ProbeKey::Watch(name) => Whom::Watch(Arc::clone(name)),
        }
    }
}

/// There is more pretended than any drill needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{PRETENCES_MAX} servers are pretended to fail already")]
pub struct TooMany;

/// A run hits one server or one watch; some may be left of runs that were cut short.
pub const PRETENCES_MAX: usize = 16;

/// A pretence with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pretended {
    pub(crate) how: Pretend,
    /// On the clock that goes on while the machine sleeps.
    until_ns: u64,
}

impl Pretended {
    pub(crate) fn for_so_long(how: Pretend, lasts: Duration) -> Pretended {
        let lasts = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
        Pretended {
            how,
            until_ns: boottime_ns().saturating_add(lasts),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        boottime_ns() >= self.until_ns
    }

    /// How a connection fails that may take so long.
    pub(crate) async fn refuse(self, within: Duration) -> io::Error {
        match self.how {
            Pretend::Down => io::ErrorKind::ConnectionRefused.into(),
            Pretend::Slow => {
                tokio::time::sleep(within).await;
                io::ErrorKind::TimedOut.into()
            }
        }
    }
}

/// An immutable picture of all that is pretended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Pretences(BTreeMap<Whom, Pretended>);

impl Pretences {
    /// The same with one more, or with another end; what is over goes.
    pub(crate) fn with(&self, whom: Whom, pretended: Pretended) -> Result<Pretences, TooMany> {
        let mut next = self.present();
        next.0.insert(whom, pretended);
        match next.0.len() <= PRETENCES_MAX {
            true => Ok(next),
            false => Err(TooMany),
        }
    }

    /// The same without one.
    pub(crate) fn without(&self, whom: &Whom) -> Pretences {
        let mut next = self.present();
        next.0.remove(whom);
        next
    }

    fn present(&self) -> Pretences {
        let all = self.0.iter().filter(|(_, one)| !one.is_over());
        Pretences(all.map(|(whom, one)| (whom.clone(), *one)).collect())
    }

    /// What is pretended of a server now.
    pub(crate) fn server(&self, farm: &Arc<str>, server: &Arc<str>) -> Option<Pretended> {
        let whom = || Whom::Server {
            farm: Arc::clone(farm),
            server: Arc::clone(server),
        };
        self.find(whom)
    }

    /// What is pretended of whom a check is about.
    pub(crate) fn check(&self, key: &ProbeKey) -> Option<Pretended> {
        self.find(|| Whom::of(key))
    }

    /// Mostly there is nothing, and then nobody is named.
    fn find(&self, whom: impl FnOnce() -> Whom) -> Option<Pretended> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&whom()).copied().filter(|one| !one.is_over())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> Whom {
        Whom::Server {
            farm: "shop".into(),
            server: name.into(),
        }
    }

    #[test]
    fn a_pretence_ends_with_its_deadline_and_their_number_is_bounded() {
        let long = Pretended::for_so_long(Pretend::Down, Duration::from_secs(60));
        let over = Pretended::for_so_long(Pretend::Slow, Duration::ZERO);
        let (farm, name) = ("shop".into(), "s1".into());
        let one = Pretences::default().with(server("s1"), long).expect("room");
        assert_eq!(one.server(&farm, &name), Some(long));
        assert_eq!(one.server(&"other".into(), &name), None);
        let key = |service: &str| ProbeKey::Server {
            farm: Arc::clone(&farm),
            server: Arc::clone(&name),
            service: service.into(),
        };
        assert_eq!(one.check(&key("web")), Some(long), "in each service");
        assert_eq!(one.check(&ProbeKey::Watch("s1".into())), None);
        assert_eq!(one.without(&server("s1")), Pretences::default());

        let two = one.with(server("s2"), over).expect("room");
        assert_eq!(two.server(&farm, &"s2".into()), None, "it is over");
        let mut all = Pretences::default();
        for number in 0..PRETENCES_MAX {
            all = all.with(server(&number.to_string()), over).expect("room");
        }
        for number in 0..PRETENCES_MAX {
            let added = all.with(server(&number.to_string()), long);
            all = added.expect("what was over has gone");
        }
        assert_eq!(all.with(server("more"), long), Err(TooMany));
    }
}
