//! `cluster recover`: the data folder of a stopped node made a cluster of one.
//!
//! ```text
//!   node.toml, identity.json, store --survey--> Remains --check--> nobody else is there
//!                                                       --recover--> store, then identity.json
//! ```
//!
//! It talks to no daemon: there is none. Nothing is written before everything was checked; a power
//! cut between the two writes leaves a node that is recovered by the same command once more.

use std::path::Path;

use farmux_raft::consensus::Wreck;
use farmux_raft::epoch::Epoch;
use farmux_raft::id::{ClusterName, NodeId, RequestId};
use farmux_raft::peer::key::random;
use farmux_raft::peer::{Addresses, Identity};
use farmux_raft::state::{Command, Proposal, State};
use farmux_store::Store;
use tokio::net::UnixStream;

use crate::alone::nobody_else;
use crate::daemon::{store_folder, wall_clock};
use crate::fault::{Code, Fault};
use crate::identity::Home;
use crate::settings::Settings;

/// What is left of a cluster on this machine.
pub struct Remains {
    settings: Settings,
    home: Home,
    identity: Identity,
    wreck: Wreck<farmux_store::LogStore>,
    state: State,
}

impl Remains {
    /// Looks at the data folder that `node.toml` names.
    ///
    /// **Errors**: the daemon runs, there is no cluster here, or something cannot be read.
    pub async fn survey(config: &Path) -> Result<Remains, Fault> {
        let settings = Settings::load(config)?;
        if UnixStream::connect(&settings.socket).await.is_ok() {
            return Err(Fault::new(Code::StillRunning));
        }
        let home = Home::open(&settings.data)?;
        let Some(identity) = home.load()? else {
            return Err(Fault::new(Code::NoCluster));
        };
        let (folder, me) = (store_folder(&settings.data), identity.node());
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder, me)).await;
        let store = opened.map_err(|error| Fault::new(Code::Broken).why(error))??;
        let wreck = Wreck::survey(me, store.log, store.machine).await;
        let wreck = wreck.map_err(|error| Fault::new(Code::Broken).why(error))?;
        let state = State::clone(&store.state.borrow());
        if !state.nodes.contains_key(&me) {
            let why = "its copy of the state does not know this node yet";
            return Err(Fault::new(Code::NothingLeft).why(why));
        }
        Ok(Remains {
            settings,
            home,
            identity,
            wreck,
            state,
        })
    }

    /// What the cluster is called.
    pub fn name(&self) -> &ClusterName {
        self.identity.cluster_name()
    }

    /// What will be, in one line.
    pub fn in_words(&self) -> String {
        let others: Vec<String> = self
            .others()
            .map(|node| self.state.node_name(node))
            .collect();
        let lost = match others.is_empty() {
            true => "nobody".to_owned(),
            false => others.join(" and "),
        };
        format!(
            "{} becomes the only node of cluster {}; {lost} can come back only by joining anew, \
             with an empty data folder",
            self.identity.name(),
            self.name()
        )
    }

    /// Everybody else who votes.
    fn others(&self) -> impl Iterator<Item = NodeId> + '_ {
        let voters = self.wreck.effective.halves.iter().flatten().copied();
        let voters: std::collections::BTreeSet<NodeId> = voters.collect();
        let me = self.identity.node();
        voters.into_iter().filter(move |node| *node != me)
    }

    /// Makes sure that nobody else is there.
    ///
    /// **Errors**: a voter answers, somebody has a VIP, or more than one other voter may know of
    /// something that this node does not.
    pub async fn check(&self, accept_data_loss: bool) -> Result<(), Fault> {
        let others: Vec<NodeId> = self.others().collect();
        if others.len() > 1 && !accept_data_loss {
            let names: Vec<String> = others.iter().map(|n| self.state.node_name(*n)).collect();
            let why = format!(
                "{} may together have agreed on changes that never reached this node",
                names.join(" and ")
            );
            return Err(Fault::new(Code::MayLoseData).why(why));
        }
        let alone = nobody_else(&self.settings, &self.state, others).await;
        alone.map_err(|somebody| somebody.fault(Code::VoterAnswers))
    }

    /// Makes this node the only one, in the next epoch; returns how often that has been done.
    ///
    /// **Errors**: something cannot be written; the command is given once more.
    pub async fn recover(self) -> Result<u32, Fault> {
        let broken = |why: String| Fault::new(Code::Broken).why(why);
        let known = self
            .state
            .cluster
            .as_ref()
            .map_or(0, |cluster| cluster.epoch);
        // The one that goes further, should the last attempt have been cut short.
        let last = [Epoch(known), Epoch(self.identity.epoch())];
        let last = last.into_iter().max_by_key(|epoch| epoch.count());
        let tag = u32::from_be_bytes(random()).max(1);
        let epoch = last.and_then(|last| last.next(tag));
        let epoch = epoch.ok_or_else(|| broken("there is no higher epoch".to_owned()))?;
        let proposal = Proposal {
            id: RequestId::random(),
            at: wall_clock(),
            command: Command::Recover {
                survivor: self.identity.node(),
                epoch: epoch.0,
            },
        };
        let written = self.wreck.recover(proposal).await;
        written.map_err(|error| broken(error.to_string()))?;
        let identity = self.identity.recovered(epoch.0);
        self.home.save(&identity, &Addresses::new())?;
        Ok(epoch.count())
    }
}
