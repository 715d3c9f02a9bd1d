//! `farmux cluster …`.

use std::io::Read;
use std::time::{Duration, Instant};

use farmux_raft::id::NodeName;
use farmux_raft::state::NodeRole;

use super::super::args::{ClusterAction, InitArguments, TokenAction};
use super::super::show;
use super::Shell;
use crate::api::types::{
    Done, InitRequest, InitVipRequest, JoinEvent, JoinRequest, PauseRequest, Reading,
    RemoveRequest, StatusReport, TokenAnswer, TokenReport, TokenRequest,
};
use crate::fault::{Code, Fault};

impl Shell {
    pub(super) async fn cluster(&mut self, action: ClusterAction) -> Result<(), Fault> {
        match action {
            ClusterAction::Init(arguments) => self.init(arguments).await,
            ClusterAction::Token(action) => self.token(action).await,
            ClusterAction::Join { token, witness } => self.join(token, role(witness)).await,
            ClusterAction::Switchover { to, how } => self.switch_over(to, how).await,
            ClusterAction::Remove { node, yes } => self.remove(node, yes).await,
            ClusterAction::Leave { yes } => self.leave(yes).await,
            ClusterAction::Pause { why } => self.pause(why).await,
            ClusterAction::Resume => self.resume().await,
            ClusterAction::Recover {
                config,
                yes,
                accept_data_loss,
            } => self.recover(&config, yes, accept_data_loss).await,
        }
    }

    async fn pause(&mut self, why: String) -> Result<(), Fault> {
        let request = PauseRequest { why };
        let done: Done = self.client.post("/v1/cluster/pause", &request).await?;
        self.terminal.show(&done, |done, _| match done.changed {
            true => "paused: no VIP moves from a node that lives; a dead owner is followed all \
                     the same\nto go on:   farmux cluster resume\n"
                .to_owned(),
            false => "paused already: farmux status says by whom\n".to_owned(),
        })
    }

    async fn resume(&mut self) -> Result<(), Fault> {
        let done: Done = self.client.post("/v1/cluster/resume", &()).await?;
        self.terminal.show(&done, |done, _| match done.changed {
            true => "VIPs move again\n".to_owned(),
            false => "not paused\n".to_owned(),
        })
    }

    async fn init(&mut self, arguments: InitArguments) -> Result<(), Fault> {
        let vip = arguments
            .vip
            .zip(arguments.network)
            .map(|(address, network)| InitVipRequest {
                name: arguments.vip_name,
                address,
                network,
                gateway: arguments.gateway,
            });
        let request = InitRequest {
            name: arguments.name,
            vip,
        };
        let done: Done = self.client.post("/v1/cluster/init", &request).await?;
        self.terminal.show(&done, |_, _| {
            format!(
                "cluster {} is made; this node is its first one\n\n{ADVICE_ALONE}\n",
                request.name
            )
        })?;
        // The gateway was proposed by the daemon: what follows from it is said here.
        let report: StatusReport = self.client.get("/v1/status").await?;
        let survives = report.cluster.map(|cluster| cluster.survives);
        for sentence in survives.into_iter().flat_map(|survives| survives.alone) {
            self.terminal.line(&sentence)?;
        }
        Ok(())
    }

    async fn token(&mut self, action: TokenAction) -> Result<(), Fault> {
        match action {
            TokenAction::Create { witness, ttl } => {
                let request = TokenRequest {
                    role: role(witness),
                    ttl_s: ttl.as_secs(),
                };
                let answer: TokenAnswer = self.client.post("/v1/tokens", &request).await?;
                self.terminal
                    .show(&answer, |answer, _| show::token_created(answer))?;
                self.terminal.advise(&show::token_use(&answer))
            }
            TokenAction::List => {
                let tokens: Reading<Vec<TokenReport>> = self.client.get("/v1/tokens").await?;
                self.terminal.show(&tokens, show::tokens)
            }
            TokenAction::Revoke { id } => {
                let path = format!("/v1/tokens/{}", segment(&id));
                let done: Done = self.client.delete(&path).await?;
                self.terminal
                    .show(&done, |_, _| format!("token {id} is worthless now\n"))
            }
        }
    }

    async fn join(&mut self, token: String, role: NodeRole) -> Result<(), Fault> {
        let token = match token.as_str() {
            "-" => read_stdin()?,
            _ => token,
        };
        let request = JoinRequest {
            token: token.trim().to_owned(),
            role,
        };
        let mut joined = None;
        let terminal = &mut self.terminal;
        let on_line = |event: JoinEvent| match event {
            JoinEvent::Progress(text) if terminal.is_json() => {
                let event = JoinEvent::Progress(text);
                terminal.write(&(serde_json::to_string(&event).expect("plain data") + "\n"))
            }
            JoinEvent::Progress(text) => terminal.line(&text),
            JoinEvent::Failed(fault) => Err(fault),
            event @ (JoinEvent::Joined | JoinEvent::JoinedAlready) => {
                joined = Some(event);
                Ok(())
            }
        };
        self.client
            .post_lines("/v1/cluster/join", &request, on_line)
            .await?;
        let Some(joined) = joined else {
            return Err(Fault::new(Code::OutcomeUnknown)
                .what("the daemon ended the join without a verdict")
                .mend("the same command again: a join can be repeated"));
        };
        if self.terminal.is_json() {
            return self
                .terminal
                .write(&(serde_json::to_string(&joined).expect("plain data") + "\n"));
        }
        self.terminal.line(match joined {
            JoinEvent::JoinedAlready => "joined already",
            JoinEvent::Joined | JoinEvent::Progress(_) | JoinEvent::Failed(_) => "joined",
        })?;
        self.say_what_it_survives().await
    }

    /// A pair is honest: whoever joins learns what the cluster survives now.
    async fn say_what_it_survives(&mut self) -> Result<(), Fault> {
        let end = Instant::now() + SETTLING_MAX;
        let cluster = loop {
            let report: StatusReport = self.client.get("/v1/status").await?;
            let Some(cluster) = report.cluster else {
                return Ok(());
            };
            // The joiner has yet to hear of the others, and votes on VIPs a second later.
            let none = matches!(cluster.survives.failures, None | Some(0));
            if !none || Instant::now() >= end {
                break cluster;
            }
            tokio::time::sleep(SETTLING_POLL).await;
        };
        let hint = cluster
            .survives
            .hint
            .map_or(String::new(), |hint| format!("\n{hint}"));
        match cluster.survives.failures {
            None | Some(0) => self
                .terminal
                .line(&format!("\nThe cluster survives NO FAILURE now.{hint}")),
            Some(1) => self.terminal.line("The cluster survives one failure now."),
            Some(more) => self
                .terminal
                .line(&format!("The cluster survives {more} failures now.")),
        }
    }

    async fn remove(&mut self, node: NodeName, yes: bool) -> Result<(), Fault> {
        let question = format!(
            "Remove node {node}? It must join anew, with an empty data folder, to come back."
        );
        self.terminal.confirm(&question, yes)?;
        let request = RemoveRequest { node };
        let done: Done = self.client.post("/v1/cluster/remove", &request).await?;
        self.terminal
            .show(&done, |_, _| format!("node {} is removed\n", request.node))
    }

    async fn leave(&mut self, yes: bool) -> Result<(), Fault> {
        let question = "Take this node out of its cluster, and forget all that it knows of it?";
        self.terminal.confirm(question, yes)?;
        let done: Done = self.client.post("/v1/cluster/leave", &()).await?;
        self.terminal.show(&done, |_, _| {
            "this node is in no cluster any more\n".to_owned()
        })
    }
}

/// What is said after `init`.
const ADVICE_ALONE: &str = "\
One node survives no failure. For the next machine:   farmux cluster token create
For a witness that only votes, on any other machine:  farmux cluster token create --witness";

/// A joiner is told of the others within a second, and votes on VIPs after 1.1 s.
const SETTLING_MAX: Duration = Duration::from_secs(3);

/// How often it is asked meanwhile.
const SETTLING_POLL: Duration = Duration::from_millis(200);

/// The longest token that is read from standard input; one has some 200 characters.
const TOKEN_BYTES_MAX: u64 = 4096;

fn role(witness: bool) -> NodeRole {
    match witness {
        true => NodeRole::Witness,
        false => NodeRole::Balancer,
    }
}

fn read_stdin() -> Result<String, Fault> {
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text);
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Fault::new(Code::FileUnreadable)
            .what("standard input cannot be read")
            .why(error)),
    }
}

/// A path segment: whatever is not a letter, a digit or `-_.` is percent-encoded (RFC 3986, 2.1).
pub(super) fn segment(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_leads_nowhere_else() {
        assert_eq!(segment("0a1b"), "0a1b");
        assert_eq!(segment("../x?y z"), "..%2Fx%3Fy%20z");
    }
}
