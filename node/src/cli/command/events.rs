//! `farmux events`: what happened lately, and with -f what happens.
//!
//! ```text
//!   GET /v1/events?after=N&wait=25 --> events N+1 …  --shown--> ask again behind the newest
//!            '--no answer--> the same question again, in turn to every node that is known
//! ```

use std::time::Duration;

use farmux_raft::id::UnixMillis;
use farmux_raft::state::Word;

use super::super::args::EventsArguments;
use super::super::client::Client;
use super::super::show;
use super::Shell;
use super::cluster::segment;
use crate::api::types::{EventsAnswer, Reading, StatusReport};
use crate::fault::{Exit, Fault};

impl Shell {
    pub(super) async fn events(&mut self, arguments: EventsArguments) -> Result<(), Fault> {
        let query = query(&arguments, self.now());
        if !arguments.follow {
            return self.show_events(&query).await;
        }
        // Whoever follows ends it with Ctrl-C, and that is no failure.
        tokio::select! {
            ended = self.follow(&query, arguments.since.is_some()) => ended,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }

    /// All that is kept, however many questions it takes.
    async fn show_events(&mut self, query: &str) -> Result<(), Fault> {
        let mut all: Reading<EventsAnswer> = self.client.get(&path(0, 0, query)).await?;
        loop {
            let next = path(all.data.last, 0, query);
            let more: Reading<EventsAnswer> = self.client.get(&next).await?;
            if more.data.events.is_empty() {
                break;
            }
            all.data.last = more.data.last;
            all.data.events.extend(more.data.events);
        }
        self.terminal.show(&all, show::events)
    }

    /// From the last few on, or from the beginning; the first answer says whether there is anybody
    /// at all.
    async fn follow(&mut self, query: &str, whole: bool) -> Result<(), Fault> {
        let newest: Reading<EventsAnswer> = self.client.get(&path(u64::MAX, 0, "")).await?;
        let mut others = Others::default();
        others.learn(&self.client).await;
        let mut after = match whole {
            true => 0,
            false => newest.data.last.saturating_sub(LAST_SHOWN),
        };
        loop {
            let asked = self.client.get(&path(after, WAIT_S, query)).await;
            let answer: Reading<EventsAnswer> = match asked {
                Ok(answer) => answer,
                Err(fault) if is_over(&fault) => return Err(fault),
                Err(_) => {
                    tokio::time::sleep(AGAIN).await;
                    others.turn(&mut self.client);
                    continue;
                }
            };
            if answer.data.first > after + 1 && after > 0 {
                let missed = answer.data.first - after - 1;
                self.terminal
                    .line(&format!("… {missed} events are forgotten already"))?;
            }
            for event in &answer.data.events {
                let text = match self.terminal.is_json() {
                    true => serde_json::to_string(event).expect("events are plain data") + "\n",
                    false => show::event(event, self.terminal.paint()),
                };
                self.terminal.write(&text)?;
            }
            after = answer.data.last.max(after);
            others.learn(&self.client).await;
        }
    }
}

/// Whether no node would answer otherwise.
fn is_over(fault: &Fault) -> bool {
    match fault.exit {
        Exit::Usage => true,
        Exit::Refused
        | Exit::Unreachable
        | Exit::NoMajority
        | Exit::Unknown
        | Exit::WaitOver
        | Exit::Failed
        | Exit::Unfit
        | Exit::Broken => false,
    }
}

/// Where else to ask when the node that is asked is gone; only with a certificate, for the socket
/// is this machine's.
#[derive(Default)]
struct Others {
    known: Vec<String>,
    next: usize,
    asked: bool,
}

impl Others {
    /// Asks once who else there is.
    async fn learn(&mut self, client: &Client) {
        if self.asked || client.is_local() {
            return;
        }
        let report: Result<StatusReport, Fault> = client.get("/v1/status").await;
        let nodes = report.ok().and_then(|report| report.cluster);
        self.known = nodes.map_or_else(Vec::new, |cluster| {
            let nodes = cluster.nodes.iter();
            nodes.map(|node| node.admin.to_string()).collect()
        });
        self.asked = !self.known.is_empty();
    }

    fn turn(&mut self, client: &mut Client) {
        if self.known.is_empty() {
            return;
        }
        self.next = (self.next + 1) % self.known.len();
        if let Some(address) = self.known.get(self.next)
            && let Some(other) = client.elsewhere(address)
        {
            *client = other;
        }
    }
}

fn query(arguments: &EventsArguments, now: UnixMillis) -> String {
    let mut query = String::new();
    if let Some(since) = arguments.since {
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        query += &format!("&since={}", now.0.saturating_sub(since));
    }
    if let Some(subject) = &arguments.subject {
        query += &format!("&subject={}", segment(subject));
    }
    if let Some(kind) = arguments.kind {
        query += &format!("&kind={}", kind.word());
    }
    query
}

fn path(after: u64, wait: u64, query: &str) -> String {
    format!("/v1/events?after={after}&wait={wait}{query}")
}

/// As long as the daemon lets one wait.
const WAIT_S: u64 = 25;

/// What led to now.
const LAST_SHOWN: u64 = 10;

/// Long enough not to hammer a daemon that starts, short enough to miss nothing that is kept.
const AGAIN: Duration = Duration::from_secs(1);
