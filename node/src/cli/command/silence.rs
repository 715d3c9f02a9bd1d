//! `farmux silence …`.

use super::super::args::SilenceAction;
use super::super::show;
use super::Shell;
use crate::api::types::{Done, Reading, SilenceAnswer, SilenceReport, SilenceRequest};
use crate::fault::Fault;

impl Shell {
    pub(super) async fn silence(&mut self, action: SilenceAction) -> Result<(), Fault> {
        let now = self.now();
        match action {
            SilenceAction::Add {
                terms,
                lasts,
                comment,
            } => {
                let request = SilenceRequest {
                    terms,
                    lasts_s: lasts.as_secs(),
                    comment,
                };
                let made: SilenceAnswer = self.client.post("/v1/silences", &request).await?;
                self.terminal
                    .show(&made, |made, _| show::silence_added(made))
            }
            SilenceAction::List => {
                let all: Reading<Vec<SilenceReport>> = self.client.get("/v1/silences").await?;
                self.terminal
                    .show(&all, |all, paint| show::silences(all, paint, now))
            }
            SilenceAction::End { number } => {
                let path = format!("/v1/silences/{number}");
                let done: Done = self.client.delete(&path).await?;
                self.terminal
                    .show(&done, |_, _| format!("silence {number} is over\n"))
            }
        }
    }
}
