//! Where names lead, also while no name server answers: a page shall not fail because of it.
//!
//! ```text
//!   name --ask the resolver, 2 s--> addresses --remember--> whoever connects
//!                            \--silent--> what it led to last
//!   every node, once a minute and when they change: the names of all channels, so that whoever
//!   leads next knows them
//! ```
//!
//! One memory for the process, as the machine has one resolver.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use farmux_raft::state::{Channel, Contact, State};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// What names led to last.
#[derive(Debug, Default)]
struct Names(Mutex<BTreeMap<String, Vec<IpAddr>>>);

static NAMES: Names = Names(Mutex::new(BTreeMap::new()));

/// Looks up where a name leads; as it led last, if the resolver says nothing for two seconds, or
/// fails. At most [`ADDRESSES_MAX`] addresses; never empty.
///
/// **Errors**: it leads nowhere, and never did; the resolver's words.
pub(super) async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut asked = std::pin::pin!(ask(host, port));
    let found = match timeout(FRESH_WITHIN, &mut asked).await {
        Ok(Ok(found)) => return Ok(NAMES.keep(host, found)),
        Ok(Err(why)) => Err(why),
        Err(_elapsed) => Ok(()),
    };
    if let Some(known) = NAMES.last(host, port) {
        tracing::warn!(
            host,
            "no name server answers: it is taken to lead where it did last"
        );
        return Ok(known);
    }
    match found {
        Ok(()) => asked.await.map(|found| NAMES.keep(host, found)),
        Err(why) => Err(why),
    }
}

async fn ask(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found = tokio::net::lookup_host((host, port)).await;
    let found: Vec<_> = found
        .map_err(|error| error.to_string())?
        .take(ADDRESSES_MAX)
        .collect();
    match found.is_empty() {
        true => Err("no address".to_owned()),
        false => Ok(found),
    }
}

impl Names {
    fn keep(&self, host: &str, found: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let mut names = self.names();
        if names.len() < NAMES_MAX || names.contains_key(host) {
            let addresses = found.iter().map(SocketAddr::ip).collect();
            names.insert(host.to_owned(), addresses);
        }
        found
    }

    fn last(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        let names = self.names();
        let known = names.get(host)?.iter();
        Some(known.map(|ip| SocketAddr::new(*ip, port)).collect())
    }

    /// Nothing but what is in use stays.
    fn retain(&self, hosts: &BTreeSet<String>) {
        self.names().retain(|host, _| hosts.contains(host));
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<String, Vec<IpAddr>>> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

/// The task that keeps them fresh; dropping it ends it.
#[derive(Debug)]
pub struct FreshNames(AbortHandle);

impl FreshNames {
    /// Starts it.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(mut state: watch::Receiver<Arc<State>>) -> FreshNames {
        let task = tokio::spawn(async move {
            loop {
                let config = Arc::clone(&state.borrow_and_update().config);
                let hosts = hosts(&config.contacts);
                for host in &hosts {
                    // Whoever needs it hears why it leads nowhere.
                    let _ = look_up(host, 0).await;
                }
                NAMES.retain(&hosts);
                let other = state.wait_for(|state| !Arc::ptr_eq(&state.config, &config));
                if matches!(timeout(REFRESH_EVERY, other).await, Ok(Err(_))) {
                    return;
                }
            }
        });
        FreshNames(task.abort_handle())
    }
}

impl Drop for FreshNames {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// PURE. Every name that a page may go to.
fn hosts<'a, K: 'a>(contacts: impl IntoIterator<Item = (&'a K, &'a Contact)>) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for (_, contact) in contacts {
        for channel in &contact.channels {
            match channel {
                Channel::Mail(mail) => hosts.extend(mail.relays.iter().map(|r| r.host.clone())),
                Channel::Webhook(webhook) => _ = hosts.insert(webhook.url.host.clone()),
                Channel::Snpp(snpp) => _ = hosts.insert(snpp.host.clone()),
                Channel::Syslog(syslog) => _ = hosts.insert(syslog.host.clone()),
            }
        }
    }
    // An address leads to itself.
    hosts.retain(|host| host.parse::<IpAddr>().is_err());
    hosts
}

/// A resolver asks each name server for five seconds; a page has ten in all.
const FRESH_WITHIN: Duration = Duration::from_secs(2);

/// What of a name's addresses is kept and tried.
const ADDRESSES_MAX: usize = 4;

/// More names than a hundred contacts have.
const NAMES_MAX: usize = 1_000;

/// Names change rarely, and whoever pages asks anew.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use farmux_raft::id::ContactName;

    use crate::pager::testing::contact;

    #[tokio::test]
    async fn a_name_that_is_lost_leads_where_it_did() {
        let lost = look_up("lost.invalid", 25).await;
        assert!(lost.is_err(), "{lost:?}");
        let led: SocketAddr = "192.0.2.7:25".parse().expect("an address");
        NAMES.keep("lost.invalid", vec![led]);
        assert_eq!(look_up("lost.invalid", 25).await, Ok(vec![led]));
    }

    #[test]
    fn what_is_not_in_use_is_forgotten_and_not_too_much_is_kept() {
        let names = Names::default();
        let led: SocketAddr = "192.0.2.7:25".parse().expect("an address");
        for number in 0..=NAMES_MAX {
            names.keep(&format!("n{number}"), vec![led]);
        }
        assert_eq!(names.names().len(), NAMES_MAX);
        names.retain(&BTreeSet::from(["n7".to_owned()]));
        assert_eq!(
            names.last("n7", 26),
            Some(vec![SocketAddr::new(led.ip(), 26)])
        );
        assert_eq!(names.last("n8", 26), None);
    }

    #[test]
    fn addresses_are_no_names() {
        let mut ops = contact(&["ops@example.com"], 25);
        let name = "ops".parse::<ContactName>().expect("a name");
        assert_eq!(hosts([(&name, &ops)]), BTreeSet::new(), "127.0.0.1");
        for channel in &mut ops.channels {
            if let Channel::Mail(mail) = channel {
                mail.relays[0].host = "relay.example".to_owned();
            }
        }
        let named = BTreeSet::from(["relay.example".to_owned()]);
        assert_eq!(hosts([(&name, &ops)]), named);
    }
}
