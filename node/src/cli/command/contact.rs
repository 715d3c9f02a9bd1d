//! `farmux contact`.

use super::Shell;
use crate::api::types::ContactTestAnswer;
use crate::cli::args::ContactAction;
use crate::cli::show;
use crate::fault::{Code, Fault};

impl Shell {
    pub(super) async fn contact(&mut self, action: ContactAction) -> Result<(), Fault> {
        let ContactAction::Test { name, channel } = action;
        let only = channel.map_or_else(String::new, |kind| format!("?channel={kind}"));
        let path = format!("/v1/contacts/{name}/test{only}");
        let answer: ContactTestAnswer = self.client.post(&path, &()).await?;
        self.terminal.show(&answer, show::contact_test)?;
        let dead: Vec<String> = answer
            .channels
            .iter()
            .filter(|one| !one.taken)
            .map(|one| one.channel.to_string())
            .collect();
        match dead.is_empty() {
            true => Ok(()),
            false => Err(Fault::new(Code::DeliveryFailed).why(format!(
                "contact {name} was not reached by {}",
                dead.join(", ")
            ))),
        }
    }
}
