//! `farmux vip …`.

use super::super::args::VipAction;
use super::super::show;
use super::Shell;
use super::cluster::segment;
use crate::api::types::{PreferAnswer, PreferRequest, Reading, VipReport};
use crate::fault::Fault;

impl Shell {
    pub(super) async fn vip(&mut self, action: VipAction) -> Result<(), Fault> {
        let now = self.now();
        match action {
            VipAction::List => {
                let vips: Reading<Vec<VipReport>> = self.client.get("/v1/vips").await?;
                self.terminal
                    .show(&vips, |vips, paint| show::vips(vips, paint, now))
            }
            VipAction::Show { vip: None } => {
                let vips: Reading<Vec<VipReport>> = self.client.get("/v1/vips").await?;
                self.terminal
                    .show(&vips, |vips, paint| show::all_vips(vips, paint, now))
            }
            VipAction::Show { vip: Some(vip) } => {
                let path = format!("/v1/vips/{}", segment(vip.as_str()));
                let vip: Reading<VipReport> = self.client.get(&path).await?;
                self.terminal
                    .show(&vip, |vip, paint| show::vip(vip, paint, now))
            }
            VipAction::Move { vip, to, how } => self.move_vip(vip, to, how).await,
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
