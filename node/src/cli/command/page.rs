//! `farmux page …`.

use super::super::args::PageAction;
use super::super::show;
use super::Shell;
use super::cluster::segment;
use crate::api::types::{AckRequest, Done, PageReport, Reading};
use crate::fault::Fault;

impl Shell {
    pub(super) async fn page(&mut self, action: PageAction) -> Result<(), Fault> {
        match action {
            PageAction::List { all } => {
                let path = match all {
                    true => "/v1/pages?all=true",
                    false => "/v1/pages",
                };
                let pages: Reading<Vec<PageReport>> = self.client.get(path).await?;
                self.terminal.show(&pages, show::pages)
            }
            PageAction::Show { id } => {
                let path = format!("/v1/pages/{}", segment(&id));
                let page: Reading<PageReport> = self.client.get(&path).await?;
                self.terminal.show(&page, show::page)
            }
            PageAction::Ack { id, by } => {
                let path = format!("/v1/pages/{}/ack", segment(&id));
                let done: Done = self.client.post(&path, &AckRequest { by }).await?;
                self.terminal.show(&done, |done, _| match done.changed {
                    true => format!("page {id} is yours\n"),
                    false => format!("page {id} was yours already\n"),
                })
            }
        }
    }
}
