//! `farmux page …`.

use std::time::Duration;

use super::super::args::PageAction;
use super::super::show;
use super::Shell;
use super::cluster::segment;
use crate::api::types::{
    AckManyRequest, AckRequest, Done, MessageName, PageReport, PreviewReport, Reading,
    ResolveRequest,
};
use crate::daemon::wall_clock;
use crate::fault::{Code, Fault};

impl Shell {
    pub(super) async fn page(&mut self, action: PageAction) -> Result<(), Fault> {
        match action {
            PageAction::List { all } => {
                let path = match all {
                    true => "/v1/pages?all=true",
                    false => "/v1/pages",
                };
                self.pages(path).await
            }
            PageAction::History { subject, since } => {
                self.pages(&history(subject.as_deref(), since)).await
            }
            PageAction::Show { id } => {
                let path = format!("/v1/pages/{}", segment(&id));
                let page: Reading<PageReport> = self.client.get(&path).await?;
                self.terminal.show(&page, show::page)
            }
            PageAction::Preview { subject } => {
                let path = format!("/v1/pages/preview?subject={}", segment(&subject));
                let preview: Reading<PreviewReport> = self.client.get(&path).await?;
                let now = self.now();
                self.terminal.show(&preview, |preview, paint| {
                    show::preview(preview, paint, now)
                })
            }
            PageAction::Ack {
                ids,
                all_open,
                message,
                by,
            } => self.acknowledge(ids, all_open, message, by).await,
            PageAction::Resolve { ids, why, by } => self.resolve(ids, why, by).await,
        }
    }

    async fn pages(&mut self, path: &str) -> Result<(), Fault> {
        let pages: Reading<Vec<PageReport>> = self.client.get(path).await?;
        self.terminal.show(&pages, show::pages)
    }

    async fn acknowledge(
        &mut self,
        ids: Vec<String>,
        all_open: bool,
        message: Option<String>,
        by: Option<String>,
    ) -> Result<(), Fault> {
        if let ([id], false, None) = (ids.as_slice(), all_open, &message) {
            let path = format!("/v1/pages/{}/ack", segment(id));
            let done: Done = self.client.post(&path, &AckRequest { by }).await?;
            return self.terminal.show(&done, |done, _| match done.changed {
                true => format!("page {id} is yours\n"),
                false => format!("page {id} was yours already\n"),
            });
        }
        let message = message.as_deref().map(message_name).transpose()?;
        let request = AckManyRequest {
            pages: ids,
            all_open,
            message,
            by,
        };
        let done: Done = self.client.post("/v1/pages/ack", &request).await?;
        self.terminal.show(&done, |done, _| match done.changed {
            true => "these pages are yours\n".to_owned(),
            false => "nothing was left to take on\n".to_owned(),
        })
    }

    async fn resolve(
        &mut self,
        ids: Vec<String>,
        why: String,
        by: Option<String>,
    ) -> Result<(), Fault> {
        for id in ids {
            let path = format!("/v1/pages/{}/resolve", segment(&id));
            let (why, by) = (why.clone(), by.clone());
            let done: Done = self.client.post(&path, &ResolveRequest { by, why }).await?;
            self.terminal.show(&done, |done, _| match done.changed {
                true => format!("page {id} is resolved; that it is up again will be told\n"),
                false => format!("page {id} was over, or resolved already\n"),
            })?;
        }
        Ok(())
    }
}

fn history(subject: Option<&str>, since: Option<Duration>) -> String {
    let mut path = "/v1/pages?all=true".to_owned();
    if let Some(subject) = subject {
        path.push_str(&format!("&subject={}", segment(subject)));
    }
    if let Some(since) = since {
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        path.push_str(&format!("&since={}", wall_clock().0.saturating_sub(since)));
    }
    path
}

/// `ops/17`.
fn message_name(text: &str) -> Result<MessageName, Fault> {
    let parts = text.split_once('/');
    let read = parts.and_then(|(contact, number)| {
        Some(MessageName {
            contact: contact.to_owned(),
            message: number.parse().ok()?,
        })
    });
    read.ok_or_else(|| {
        Fault::new(Code::RequestInvalid)
            .what(format!("{text:?} is no message"))
            .why("a message is a contact and a number, as in ops/17")
            .mend("see the messages of a page: farmux page show ID")
    })
}
