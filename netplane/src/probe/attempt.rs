//! One probe of whatever kind, and several of them for an inquiry.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::answer::Expected;
use super::connect::Budget;
use super::dns::Wanted;
use super::exec::{Order, Plugins};
use super::ftp::Errand;
use super::inquiry::{Answer, Inquiry};
use super::nfs::Question;
use super::outcome::{Failure, Outcome, Phase};
use super::tls::Clients;
use super::{Counters, dns, exec, ftp, greeting, http, icmp, nfs, tcp, udp};
use crate::health::HealthOverlay;
use crate::origin::Origin;
use crate::plan::{ProbeKey, ProbeKind, ProbePlan};
use crate::pretend::Pretend;

/// What probes use of this machine.
#[derive(Debug, Clone)]
pub(super) struct Means {
    /// Where they may leave from.
    pub(super) origin: Arc<Origin>,
    /// How they run plugins.
    pub(super) plugins: Arc<Plugins>,
    /// How they speak TLS.
    pub(super) clients: Arc<Clients>,
    /// What a drill pretends of those who are asked.
    pub(super) overlay: Arc<HealthOverlay>,
}

impl Means {
    /// The same, where probes leave from none of these addresses.
    pub(super) fn avoiding(&self, vips: &BTreeSet<IpAddr>) -> Means {
        Means {
            origin: Arc::new(Origin {
                own: self.origin.own.clone(),
                never: vips.clone(),
            }),
            plugins: Arc::clone(&self.plugins),
            clients: Arc::clone(&self.clients),
            overlay: Arc::clone(&self.overlay),
        }
    }

    /// How a probe ends that is not made, because a drill pretends to know; `None`: it is made.
    pub(super) async fn pretended(&self, key: &ProbeKey, timeout: Duration) -> Option<Outcome> {
        let failure = match self.overlay.pretended(key)?.how {
            Pretend::Down => Failure::Refused,
            Pretend::Slow => {
                // On the heap: tasks that only connect are kept small.
                Box::pin(tokio::time::sleep(timeout)).await;
                Failure::Timeout {
                    after: timeout,
                    during: Phase::Connecting,
                }
            }
        };
        Some(Outcome::Fail(failure))
    }
}

/// Probes once.
pub(super) async fn once(
    key: &ProbeKey,
    plan: &ProbePlan,
    timeout: Duration,
    means: &Means,
) -> Outcome {
    if let Some(pretended) = means.pretended(key, timeout).await {
        return pretended;
    }
    let budget = Budget::begin(timeout);
    let (target, proxy) = (plan.target, plan.proxy);
    let (origin, budget) = (&*means.origin, &budget);
    match &plan.kind {
        ProbeKind::Tcp => tcp::probe(target, proxy, origin, budget).await,
        ProbeKind::Http {
            path,
            host,
            status,
            text,
            obey,
            tls,
        } => {
            let expected = Expected {
                status: *status,
                text: text.clone(),
                obey: *obey,
            };
            let errand = http::Errand {
                path,
                host,
                expected,
            };
            let tls = tls.as_ref().map(|tls| (tls, &means.clients));
            http::probe(target, proxy, errand, tls, origin, budget).await
        }
        ProbeKind::Ftp {
            user,
            password,
            fetch,
        } => {
            let errand = Errand {
                user,
                password: &password.0,
                fetch: fetch.as_deref(),
            };
            ftp::probe(target, proxy, errand, origin, budget).await
        }
        ProbeKind::Nfs {
            transport,
            version,
            portmapper,
        } => {
            let question = Question {
                transport: *transport,
                version: *version,
                portmapper: *portmapper,
            };
            nfs::probe(target, question, origin, budget).await
        }
        ProbeKind::Exec { command, arguments } => {
            let order = Order {
                check: key.clone(),
                target,
                command: Arc::clone(command),
                arguments: Arc::clone(arguments),
            };
            exec::probe(order, &means.plugins, budget).await
        }
        ProbeKind::Greeting(protocol) => {
            greeting::probe(target, proxy, *protocol, origin, budget).await
        }
        ProbeKind::Dns {
            name,
            record,
            value,
        } => {
            let wanted = Wanted {
                name,
                record: *record,
                value: value.as_deref(),
            };
            dns::probe(target, wanted, origin, budget).await
        }
        ProbeKind::Icmp => icmp::probe(target.ip(), origin, budget).await,
        ProbeKind::Udp { send, expect } => udp::probe(target, send, expect, origin, budget).await,
    }
}

/// Probes as often as `inquiry` says, until it has its answer; with it, the probe that decided.
pub(super) async fn inquire(
    key: &ProbeKey,
    plan: &ProbePlan,
    mut inquiry: Inquiry,
    means: &Means,
    counters: &Counters,
) -> (Answer, Outcome) {
    let timeout = inquiry.timeout();
    let probe = |start| async move {
        tokio::time::sleep(start).await;
        counters.started(Duration::ZERO);
        once(key, plan, timeout, means).await
    };
    let mut probes: FuturesUnordered<_> = inquiry.starts().map(probe).collect();
    loop {
        let outcome = probes.next().await;
        let outcome = outcome.expect("an inquiry has its answer when the last probe has ended");
        let outcome = inquiry.weigh(outcome);
        counters.ended(&outcome);
        if let Some(answer) = inquiry.take(&outcome) {
            return (answer, outcome);
        }
    }
}
