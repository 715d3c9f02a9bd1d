//! `farmux vip move`, `farmux node …` and `farmux cluster switchover`: moving what is served.

use std::time::Duration;

use farmux_raft::id::{NodeName, VipName};

use super::super::args::{MoveArguments, NodeAction, Switch};
use super::super::show;
use super::Shell;
use super::cluster::segment;
use crate::api::types::{
    Done, MaintenanceRequest, MoveEvent, MovePlan, MoveReport, MoveRequest, MoveWish,
};
use crate::fault::{Code, Fault};

impl Shell {
    pub(super) async fn move_vip(
        &mut self,
        vip: VipName,
        to: NodeName,
        how: MoveArguments,
    ) -> Result<(), Fault> {
        let done = format!("{to} owns VIP {vip} already");
        let request = request(MoveWish::Vip { vip, to }, how.wait);
        let plan = self.ask_about(&request, how, "").await?;
        self.move_all(&request, &plan, &done).await
    }

    pub(super) async fn switch_over(
        &mut self,
        to: Option<NodeName>,
        how: MoveArguments,
    ) -> Result<(), Fault> {
        let request = request(MoveWish::Switchover { to }, how.wait);
        let plan = self.ask_about(&request, how, "").await?;
        let done = "everything is there already";
        self.move_all(&request, &plan, done).await
    }

    pub(super) async fn node(&mut self, action: NodeAction) -> Result<(), Fault> {
        let NodeAction::Maintenance {
            node,
            order,
            why,
            yes,
        } = action;
        match order {
            Switch::On => self.begin_maintenance(node, why, yes).await,
            Switch::Off => {
                let done = self.set_maintenance(&node, false, why).await?;
                self.terminal.show(&done, |done, _| match done.changed {
                    true => format!("node {node} works again; nothing moves back by itself\n"),
                    false => format!("node {node} was not in maintenance\n"),
                })
            }
        }
    }

    /// First the order, so that nothing comes back meanwhile; then what it has goes.
    async fn begin_maintenance(
        &mut self,
        node: NodeName,
        why: String,
        yes: bool,
    ) -> Result<(), Fault> {
        let how = MoveArguments { wait: WAIT, yes };
        let request = request(MoveWish::Away { node: node.clone() }, how.wait);
        let first = format!("node {node} takes neither a VIP nor the leadership until told so\n");
        let plan = self.ask_about(&request, how, &first).await?;
        let done = self.set_maintenance(&node, true, why).await?;
        let already = match done.changed {
            true => "",
            false => " already",
        };
        self.terminal
            .line(&format!("node {node} is in maintenance{already}"))?;
        self.move_all(&request, &plan, "it had nothing to give away")
            .await
    }

    async fn set_maintenance(
        &mut self,
        node: &NodeName,
        on: bool,
        why: String,
    ) -> Result<Done, Fault> {
        let path = format!("/v1/nodes/{}/maintenance", segment(node.as_str()));
        self.client
            .post(&path, &MaintenanceRequest { on, why })
            .await
    }

    /// Says what will be done, and asks.
    async fn ask_about(
        &mut self,
        request: &MoveRequest,
        how: MoveArguments,
        first: &str,
    ) -> Result<MovePlan, Fault> {
        let plan: MovePlan = self.client.post("/v1/moves/plan", request).await?;
        if plan.is_empty() && first.is_empty() {
            return Ok(plan);
        }
        let question = format!("{first}{}", show::move_plan(&plan, how.wait));
        self.terminal
            .confirm(&format!("{question}Go on?"), how.yes)?;
        Ok(plan)
    }

    /// Has it done and shows what happens; `nothing` is said where there is nothing to do.
    async fn move_all(
        &mut self,
        request: &MoveRequest,
        plan: &MovePlan,
        nothing: &str,
    ) -> Result<(), Fault> {
        if plan.is_empty() {
            let report = MoveReport::default();
            return match self.terminal.is_json() {
                true => self.event(&MoveEvent::Done(report)),
                false => self.terminal.line(nothing),
            };
        }
        let mut ended = None;
        let terminal = &mut self.terminal;
        let on_line = |event: MoveEvent| match event {
            MoveEvent::Progress(text) if terminal.is_json() => {
                terminal.write(&as_line(&MoveEvent::Progress(text)))
            }
            MoveEvent::Progress(text) => terminal.line(&text),
            event @ (MoveEvent::Done(_) | MoveEvent::Failed { .. }) => {
                ended = Some(event);
                Ok(())
            }
        };
        self.client
            .post_lines("/v1/moves", request, on_line)
            .await?;
        let Some(ended) = ended else {
            return Err(Fault::new(Code::OutcomeUnknown)
                .what("the daemon ended the move without a verdict"));
        };
        if self.terminal.is_json() {
            self.event(&ended)?;
        }
        match ended {
            MoveEvent::Failed { fault, .. } => Err(fault),
            MoveEvent::Done(_) | MoveEvent::Progress(_) => Ok(()),
        }
    }

    fn event(&mut self, event: &MoveEvent) -> Result<(), Fault> {
        self.terminal.write(&as_line(event))
    }
}

/// What `node maintenance` gives work in flight; the node would give it the same by itself.
const WAIT: Duration = crate::moving::WAIT;

fn as_line(event: &MoveEvent) -> String {
    serde_json::to_string(event).expect("events are plain data") + "\n"
}

fn request(wish: MoveWish, wait: Duration) -> MoveRequest {
    MoveRequest {
        wish,
        wait_ms: u64::try_from(wait.as_millis()).ok(),
    }
}
