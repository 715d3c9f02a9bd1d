//! The configurations of the newest revisions: what `config show` shows and `config rollback`
//! makes the present one again.
//!
//! An order to a server (drain, maintenance) makes a revision, but no entry here: it is no part of
//! what goes back. So revision N has the configuration of the newest entry up to N.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{AdminState, Config, Reject, State};
use crate::id::RevisionId;

/// Configurations by the revision that made them, oldest first; shared with the present one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Past(VecDeque<(RevisionId, Arc<Config>)>);

impl Past {
    /// Remembers the configuration that a revision made, and forgets the oldest beyond the bounds.
    pub(super) fn keep(&mut self, revision: RevisionId, config: &Arc<Config>) {
        self.0.push_back((revision, Arc::clone(config)));
        let mut servers: usize = self.0.iter().map(|(_, config)| servers_of(config)).sum();
        while self.0.len() > 1 && (self.0.len() > CONFIGS_MAX || servers > SERVERS_MAX) {
            let gone = self.0.pop_front().expect("there are two at least");
            servers -= servers_of(&gone.1);
        }
    }

    /// The oldest revision whose configuration is kept.
    pub fn oldest(&self) -> Option<RevisionId> {
        self.0.front().map(|(revision, _)| *revision)
    }

    fn at(&self, revision: RevisionId) -> Option<&Arc<Config>> {
        let mut newest_first = self.0.iter().rev();
        let (_, config) = newest_first.find(|(made, _)| *made <= revision)?;
        Some(config)
    }
}

impl State {
    /// The configuration that a revision had, without what its servers were ordered to be.
    ///
    /// **Errors**: `RevisionNotKept`.
    pub fn config_at(&self, revision: RevisionId) -> Result<&Arc<Config>, Reject> {
        let kept = self.past.at(revision);
        kept.filter(|_| revision <= self.revision)
            .ok_or(Reject::RevisionNotKept {
                wanted: revision,
                oldest: self.past.oldest().unwrap_or(self.revision),
                newest: self.revision,
            })
    }

    /// The same, with each server ordered to be what it is ordered to be today; one that is not
    /// there today is ready.
    ///
    /// **Errors**: as [`State::config_at`].
    pub fn config_again(&self, revision: RevisionId) -> Result<Config, Reject> {
        let mut config = self.config_at(revision)?.as_ref().clone();
        for (name, farm) in &mut config.farms {
            let today = self.config.farms.get(name);
            for (name, server) in &mut farm.servers {
                let ordered = today.and_then(|farm| farm.servers.get(name));
                server.admin = ordered.map_or(AdminState::default(), |server| server.admin);
            }
        }
        Ok(config)
    }
}

/// Servers and watches.
fn servers_of(config: &Config) -> usize {
    let servers = config.farms.values().map(|farm| farm.servers.len());
    servers.sum::<usize>() + config.watches.len()
}

/// Weeks of ordinary changes; who wants older ones has them in version control.
const CONFIGS_MAX: usize = 50;

/// Servers are what makes a configuration large, some 60 bytes each: 6 MB of a snapshot, twenty
/// revisions of the largest configuration.
const SERVERS_MAX: usize = 100_000;
