//! The place of an injection: what of this machine a failure may touch, and which file makes which
//! failure.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::health::HealthOverlay;
use farmux_raft::id::NodeName;
use farmux_store::PretendFull;

use super::process::{End, Guard};
use super::{Wanted, full, overlay, restore, severed, vip};
use crate::daemon::Member;
use crate::drill::{Injection, RunId};
use crate::rehearsal::Tether;
use crate::settings::Settings;

/// What of this machine a failure may touch.
#[derive(Debug)]
pub(in crate::rehearsal) struct Place {
    pub(super) name: NodeName,
    pub(super) data: PathBuf,
    pub(super) socket: PathBuf,
    /// Where this node listens to the others.
    pub(super) ports: BTreeSet<u16>,
    pub(super) interfaces: Vec<String>,
    pub(super) overlay: Arc<HealthOverlay>,
    pub(super) full: PretendFull,
    /// Who ends it for a process that cannot.
    pub(super) guard: Guard,
}

impl Place {
    pub(in crate::rehearsal) fn new(
        settings: &Settings,
        overlay: Arc<HealthOverlay>,
        full: PretendFull,
    ) -> Place {
        let interfaces: BTreeSet<String> = settings.networks.values().cloned().collect();
        Place {
            name: settings.name.clone(),
            data: settings.data.clone(),
            socket: settings.socket.clone(),
            ports: settings.peer.iter().map(|peer| peer.port()).collect(),
            interfaces: interfaces.into_iter().collect(),
            overlay,
            full,
            guard: Guard::default(),
        }
    }

    /// One whose data folder is this, and nothing else.
    #[cfg(test)]
    pub(super) fn of_test(data: &std::path::Path) -> Place {
        Place {
            name: "lb1".parse().expect("a name"),
            data: data.to_owned(),
            socket: data.join("admin.sock"),
            ports: BTreeSet::new(),
            interfaces: vec![],
            overlay: Arc::default(),
            full: PretendFull::default(),
            guard: Guard::default(),
        }
    }

    /// Clears what a former process of this node left.
    pub(in crate::rehearsal) async fn clear(&self) {
        if let Err(why) = severed::heal(self).await {
            tracing::warn!(
                why,
                "rules of a former drill may be left; they match nothing any more"
            );
        }
        restore::clear(self);
    }

    /// Makes a failure, its timer first. One that can hear no undo any more is made only if it is
    /// still `wanted` when everything else is done.
    ///
    /// **Errors**: in words; the caller undoes what there is of it.
    pub(super) async fn inject(
        &self,
        member: &Arc<Member>,
        run: RunId,
        injection: &Injection,
        timer: Duration,
        tether: Option<Tether>,
        wanted: Wanted<'_>,
    ) -> Result<(), String> {
        let guarded = |end| self.guard.fail(self, run, end, timer, tether, wanted);
        match injection {
            Injection::MoveVip { vip } => vip::give_away(member, run, vip).await,
            Injection::Crash { node } => {
                self.is_me(node)?;
                guarded(End::Killed).await
            }
            Injection::Pause { node } => {
                self.is_me(node)?;
                guarded(End::Stopped).await
            }
            Injection::Isolate { node } => {
                self.is_me(node)?;
                severed::from_peers(self, member, timer, wanted).await
            }
            Injection::CutMajority { nodes } => {
                let me = nodes.iter().find(|node| **node == self.name);
                self.is_me(me.or(nodes.first()).ok_or("it hits nobody")?)?;
                severed::from_peers(self, member, timer, wanted).await
            }
            Injection::LoseGateway { node, gateway } => {
                self.is_me(node)?;
                severed::from_gateway(self, *gateway, timer, wanted).await
            }
            Injection::ServerDown { .. }
            | Injection::ServerSlow { .. }
            | Injection::ParentDown { .. } => overlay::pretend(&self.overlay, injection, timer),
            Injection::FillDisk { node } => {
                self.is_me(node)?;
                full::fill(&self.full, member, timer).await
            }
            Injection::Restore { node } => {
                self.is_me(node)?;
                restore::restore(self, member, run).await
            }
            // Whoever conducts it opens it in the log.
            Injection::Page { .. } => Ok(()),
        }
    }

    /// Ends a failure, or what there is of it; one that is over, or never was, is no error.
    ///
    /// **Errors**: in words; it is tried again.
    pub(super) async fn undo(
        &self,
        member: &Arc<Member>,
        injection: &Injection,
    ) -> Result<(), String> {
        match injection {
            Injection::Crash { .. } | Injection::Pause { .. } => {
                self.guard.dismiss();
                Ok(())
            }
            Injection::Isolate { .. }
            | Injection::CutMajority { .. }
            | Injection::LoseGateway { .. } => severed::heal(self).await,
            Injection::ServerDown { .. }
            | Injection::ServerSlow { .. }
            | Injection::ParentDown { .. } => {
                overlay::pretend_no_more(&self.overlay, injection);
                Ok(())
            }
            Injection::FillDisk { .. } => full::empty(&self.full, member).await,
            // What has moved stays; the others leave nothing.
            Injection::MoveVip { .. } | Injection::Restore { .. } | Injection::Page { .. } => {
                Ok(())
            }
        }
    }

    /// A word that was meant for another node does nothing here.
    fn is_me(&self, node: &NodeName) -> Result<(), String> {
        match *node == self.name {
            true => Ok(()),
            false => Err(format!("this node is {}, not {node}", self.name)),
        }
    }
}
