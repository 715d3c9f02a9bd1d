//! `farmux vip …`.

use super::super::args::VipAction;
use super::super::show;
use super::Shell;
use crate::api::types::{PreferAnswer, PreferRequest};
use crate::fault::Fault;

impl Shell {
    pub(super) async fn vip(&mut self, action: VipAction) -> Result<(), Fault> {
        match action {
            VipAction::Prefer { vip, whom, why } => {
                let request = PreferRequest {
                    node: whom.node,
                    note: why,
                };
                let path = format!("/v1/vips/{vip}/prefer");
                let answer: PreferAnswer = self.client.post(&path, &request).await?;
                self.terminal
                    .show(&answer, |answer, _| show::preferred(answer))
            }
        }
    }
}
