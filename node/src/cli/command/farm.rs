//! `farmux farm …`.

use super::super::args::FarmAction;
use super::super::show;
use super::Shell;
use crate::api::types::{FarmReport, Reading};
use crate::fault::Fault;

impl Shell {
    pub(super) async fn farm(&mut self, action: FarmAction) -> Result<(), Fault> {
        match action {
            FarmAction::List => {
                let farms: Reading<Vec<FarmReport>> = self.client.get("/v1/farms").await?;
                self.terminal.show(&farms, show::farms)
            }
            FarmAction::Show { farm } => {
                let path = format!("/v1/farms/{farm}");
                let farm: Reading<FarmReport> = self.client.get(&path).await?;
                let now = self.now();
                self.terminal
                    .show(&farm, |farm, paint| show::farm(farm, paint, now))
            }
        }
    }
}
