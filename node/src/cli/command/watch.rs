//! `farmux watch …`.

use super::super::args::WatchAction;
use super::super::show;
use super::Shell;
use crate::api::types::{Reading, WatchReport};
use crate::fault::Fault;

impl Shell {
    pub(super) async fn watch(&mut self, action: WatchAction) -> Result<(), Fault> {
        let now = self.now();
        match action {
            WatchAction::List => {
                let watches: Reading<Vec<WatchReport>> = self.client.get("/v1/watches").await?;
                self.terminal.show(&watches, |watches, paint| {
                    show::watches(watches, paint, now)
                })
            }
            WatchAction::Show { watch } => {
                let path = format!("/v1/watches/{watch}");
                let watch: Reading<WatchReport> = self.client.get(&path).await?;
                self.terminal
                    .show(&watch, |watch, paint| show::watch(watch, paint, now))
            }
        }
    }
}
