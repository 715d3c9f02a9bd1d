//! What the steps of site 3 share: a cluster, a street, the post, and what really happened.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use farmux_node::api::types::WatchReport;
use farmux_raft::state::Health;
use farmux_tests::judge::{
    Case, Change, Excuse, ExcuseKind, Hook, Letter, Message, Owed, Report, Terms, Turn,
};
use farmux_tests::lab::cluster::Cluster;
use farmux_tests::lab::neighbourhood::Neighbourhood;
use farmux_tests::lab::neighbourhood::kind::{name, watches};
use farmux_tests::lab::neighbourhood::order::{Act, Done};
use farmux_tests::lab::post::Post;
use farmux_tests::lab::post::relay::{Reply, Taken};
use farmux_tests::lab::post::webhook::Request;
use farmux_tests::lab::{RELAY, wait};

use crate::tell;

/// Of checks every second with a timeout of one, fall 3 and rise 2.
///
/// Down: the first probe starts up to 1 s after the change, each may take 1 s, and the third ends
/// 3 s after the first began. The issue gives the pager 1 s more at p99; this is a bound for each
/// page on two busy cores, so it is a second longer. The summary has the quantiles.
///
/// A probe that began before the change may be decided by it: of an address that comes back, the
/// one that waited for ARP succeeds at once, and the next is due in the same moment.
const TERMS: Terms = Terms {
    down_lasts_ms: 4_000,
    up_lasts_ms: 3_000,
    down_soonest_ms: 900,
    up_soonest_ms: 0,
    told_within_ms: 2_000,
    gathered_ms: 5_000,
};

/// What a storm may take longer than a single page: the issue has its names told within 30 s.
const STORM_MS: u64 = 30_000;

/// Nothing tells that no further page will come but time: a probe, a verdict and a mail.
pub(crate) const QUIET: Duration = Duration::from_secs(6);

/// After a fault of the relay: back-offs of 5, 10 and 20 s, and the pages that wait behind each.
const BACK_OFF_MS: u64 = 35_000;

/// Longer than any of them, where the end is not known yet.
const OPEN_END_MS: u64 = 120_000;

/// Until a page must have come that nothing holds up, and longer than all excuses.
const PAGES_WITHIN: Duration = Duration::from_secs(180);

/// Until five hundred servers that answer are known to be up.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// The one recipient.
pub(crate) const OPS: &str = "<ops@example.com>";

/// How the one contact is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By mail.
    Mail,
    /// By webhook, and not by mail.
    Webhook,
}

/// Everything, while it runs.
pub(crate) struct Scene {
    /// The servers; gone before their LAN.
    pub(crate) street: Neighbourhood,
    /// The receivers.
    pub(crate) post: Post,
    /// The nodes.
    pub(crate) cluster: Cluster,
    /// What happened.
    pub(crate) case: Case,
    /// Leaders that were killed.
    pub(crate) kills: usize,
    /// Which of the houses work, by the last order.
    is_up: BTreeMap<u16, bool>,
    start: Instant,
    messages: Vec<Message>,
    told: Report,
    steps: usize,
    failed: Vec<String>,
}

impl Scene {
    /// Three nodes without a VIP, a street, and the post.
    pub(crate) fn set(servers: u16) -> Result<Scene> {
        let start = Instant::now();
        tell(&format!(
            "site3 forms a cluster of three nodes; {servers} servers"
        ));
        let cluster = Cluster::form_watching(3)?;
        let street = Neighbourhood::start(&cluster.lab, servers)?;
        for node in &cluster.nodes {
            street.show_the_way(node.host())?;
        }
        let post = Post::start(&cluster.lab)?;
        Ok(Scene {
            case: Case {
                terms: TERMS,
                contacts: vec![OPS.to_owned()],
                changes: vec![],
                excuses: vec![],
            },
            is_up: (0..servers).map(|house| (house, true)).collect(),
            street,
            post,
            cluster,
            kills: 0,
            start,
            messages: vec![],
            told: Report::default(),
            steps: 0,
            failed: vec![],
        })
    }

    /// One step, what it found, and what the judge found in it.
    pub(crate) fn step(&mut self, title: &str, work: impl FnOnce(&mut Scene) -> Result<()>) {
        let start = Instant::now();
        self.steps += 1;
        let kills = self.kills;
        let done = work(self);
        if let Err(wrong) = &done {
            self.failed.push(format!("{title}: {wrong:#}"));
        }
        let before = std::mem::take(&mut self.told);
        let now = self.judge();
        let fresh = told_since(&before, &now);
        // A leader that dies may have said something that nobody will know of.
        let doubled = now.doubled.len() - before.doubled.len();
        let excused = fresh.len() == doubled && doubled <= self.kills - kills;
        let verdict = if done.is_ok() && excused {
            "ok"
        } else {
            "WRONG"
        };
        let seconds = start.elapsed().as_secs_f32();
        tell(&format!(
            "site3 {:4.0}s step {}: {title}: {verdict} ({seconds:.1} s, pages {}, \
             resent {}, doubled {doubled})",
            self.start.elapsed().as_secs_f32(),
            self.steps,
            now.pages - before.pages,
            now.resent - before.resent,
        ));
        if let Err(wrong) = done {
            tell(&format!("  {wrong:#}"));
        }
        for text in fresh.iter().take(COMPLAINTS_SHOWN) {
            tell(&format!("  {text}"));
        }
        if fresh.len() > COMPLAINTS_SHOWN {
            tell(&format!("  … and {} more", fresh.len() - COMPLAINTS_SHOWN));
        }
        self.told = now;
    }

    /// Waits for what may still come, and tells the sum of it all.
    ///
    /// **Errors**: something is not as promised.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.pass(QUIET);
        let report = self.judge();
        tell(&format!(
            "site3 changes={} messages={} notices={} resent={} told-after-ms p50={} p99={} max={}",
            self.case.changes.len(),
            report.pages,
            report.notices,
            report.resent,
            report.told_after_ms(50),
            report.told_after_ms(99),
            report.told_after_ms(100),
        ));
        for text in told_since(&self.told, &report) {
            tell(&format!("  after the last step: {text}"));
        }
        tell(&report.summary(self.kills));
        if self.failed.is_empty() && report.is_well(self.kills) {
            return Ok(());
        }
        let kept = self.keep_logs()?;
        bail!(
            "not as promised; steps failed: {:#?}; logs: {}",
            self.failed,
            kept.display()
        )
    }

    /// The lab takes its folder with it; whoever looks for the reason needs what the nodes said.
    fn keep_logs(&self) -> Result<PathBuf> {
        let into = std::env::temp_dir().join(format!("site3-{}", std::process::id()));
        fs::create_dir_all(&into)?;
        for node in &self.cluster.nodes {
            let log = format!("{}.log", node.name());
            fs::copy(self.cluster.lab.folder().join(&log), into.join(&log))?;
        }
        Ok(into)
    }

    /// Applies the configuration: all watches and one contact with mail, and these words of
    /// `[paging]`.
    pub(crate) fn apply(&self, paging: &str) -> Result<()> {
        self.apply_for(paging, Way::Mail)
    }

    /// The same, with another way to the contact.
    pub(crate) fn apply_for(&self, paging: &str, way: Way) -> Result<()> {
        let channel = match way {
            Way::Mail => {
                format!("mail = {{ to = [\"ops@example.com\"], relay = \"smtp://{RELAY}:25\" }}")
            }
            Way::Webhook => format!("webhook = {{ url = \"http://{RELAY}:8080/hook\" }}"),
        };
        let toml = format!(
            "[[contact]]\nname = \"ops\"\n{channel}\n[paging]\n{paging}\n{}",
            watches(self.street.count())
        );
        self.cluster.nodes[0].apply(&toml)?;
        Ok(())
    }

    /// Waits until every watch is up.
    pub(crate) fn wait_for_all_up(&self) -> Result<()> {
        let count = usize::from(self.street.count());
        wait::until_true("every watch is up", UP_WITHIN, || {
            let listed = self
                .cluster
                .any()
                .and_then(|node| node.report(&["watch", "list"]));
            let listed: Vec<WatchReport> = listed.unwrap_or_default();
            let up = listed.iter().filter(|watch| watch.health == Health::Up);
            up.count() == count
        })
    }

    /// Has something done to houses, and writes down what happened.
    pub(crate) fn order(&mut self, act: Act, houses: &[u16]) -> Result<()> {
        self.order_owed(act, houses, Owed::Page)
    }

    /// The same, where a page is right and none is right too.
    pub(crate) fn order_unowed(&mut self, act: Act, houses: &[u16]) -> Result<()> {
        self.order_owed(act, houses, Owed::Nothing)
    }

    fn order_owed(&mut self, act: Act, houses: &[u16], owed: Owed) -> Result<()> {
        let done = self.street.order(act, houses)?;
        for house in houses {
            self.note(*house, act, done, owed);
        }
        Ok(())
    }

    /// Whether a house works, by the last order.
    pub(crate) fn is_up(&self, house: u16) -> bool {
        self.is_up.get(&house).copied().unwrap_or(false)
    }

    fn note(&mut self, house: u16, act: Act, done: Done, owed: Owed) {
        let up = match act {
            Act::Heal => true,
            Act::Kill | Act::Hang | Act::Spoil | Act::Taint | Act::Unplug | Act::Flap { .. } => {
                false
            }
        };
        if self.is_up.insert(house, up) == Some(up) {
            return;
        }
        self.case.changes.push(Change {
            what: name(house),
            turn: if up { Turn::Up } else { Turn::Down },
            from_ms: done.from_ms,
            to_ms: done.to_ms,
            owed,
        });
    }

    /// Writes down that a node went, or came back: whether that is paged is for other tests.
    pub(crate) fn note_node(&mut self, node: &str, turn: Turn) {
        self.note_unowed(format!("node {node}"), turn);
    }

    /// The same of a node's way to what it probes.
    pub(crate) fn note_path(&mut self, node: &str, turn: Turn) {
        self.note_unowed(format!("path of {node}"), turn);
    }

    fn note_unowed(&mut self, what: String, turn: Turn) {
        let at_ms = now_ms();
        self.case.changes.push(Change {
            what,
            turn,
            from_ms: at_ms,
            to_ms: at_ms,
            owed: Owed::Nothing,
        });
    }

    /// A time in which no mail gets through; what came in it, may come later.
    pub(crate) fn mute(&mut self, work: impl FnOnce(&mut Scene) -> Result<()>) -> Result<()> {
        let excuse = self.excuse(ExcuseKind::Mute, now_ms());
        // The contact's only channel may be said to fail, and to work again.
        let channel = || "channel ops/mail".to_owned();
        self.note_unowed(channel(), Turn::Down);
        let done = work(self);
        self.note_unowed(channel(), Turn::Up);
        self.end_excuse(excuse, now_ms() + BACK_OFF_MS);
        done
    }

    /// A storm begins: its messages come one after the other, or gathered.
    pub(crate) fn excuse_storm(&mut self) {
        let excuse = self.excuse(ExcuseKind::Mute, now_ms());
        self.end_excuse(excuse, now_ms() + STORM_MS);
    }

    /// A time begins in which the product cannot do its work; returns its number.
    pub(crate) fn excuse(&mut self, kind: ExcuseKind, from_ms: u64) -> usize {
        let to_ms = from_ms + OPEN_END_MS;
        self.case.excuses.push(Excuse {
            kind,
            from_ms,
            to_ms,
        });
        self.case.excuses.len() - 1
    }

    /// That time is over.
    pub(crate) fn end_excuse(&mut self, number: usize, to_ms: u64) {
        if let Some(excuse) = self.case.excuses.get_mut(number) {
            excuse.to_ms = to_ms;
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, span: Duration) {
        // Nothing can end it early.
        let _ = wait::throughout("time passes", span, || true);
    }

    /// Waits until every lasting change was told, or its time is over; and until every sender knows
    /// what it was told.
    pub(crate) fn wait_for_pages(&mut self) -> Result<()> {
        let mut judged = (usize::MAX, Instant::now());
        let waited = wait::until_true("every change is told, or late", PAGES_WITHIN, || {
            let now = (self.post.relay.count(), Instant::now());
            if now.0 == judged.0 && now.1 - judged.1 < JUDGE_EVERY {
                return false;
            }
            judged = now;
            let report = self.judge();
            report.pending.is_empty() && report.unanswered == 0
        });
        if waited.is_err() {
            let Report {
                pending,
                unanswered,
                ..
            } = self.judge();
            bail!("pages wait for ever: {pending:?}; not answered: {unanswered}");
        }
        Ok(())
    }

    /// What came so far, judged.
    pub(crate) fn judge(&mut self) -> Report {
        let fresh = self.post.relay.taken_after(self.messages.len());
        self.messages.extend(fresh.iter().map(message));
        for (message, reply) in self.messages.iter_mut().zip(self.post.relay.replies()) {
            message.answered = reply == Reply::Heard;
        }
        let requests = self.post.webhook.requests();
        let mut all = self.messages.clone();
        all.extend(requests.iter().filter_map(called));
        all.sort_by_key(|one| one.at_ms);
        self.case.judge(&all, now_ms())
    }

    /// How many messages the newest storm brought in its first minute, and in all.
    pub(crate) fn tell_messages(&self) -> usize {
        let storm = self
            .case
            .excuses
            .iter()
            .rfind(|one| one.kind == ExcuseKind::Mute);
        let from_ms = storm.map_or(0, |storm| storm.from_ms);
        let since = self.messages.iter().filter(|one| one.at_ms >= from_ms);
        let after: Vec<u64> = since.map(|one| one.at_ms - from_ms).collect();
        let minute = after.iter().filter(|after_ms| **after_ms <= 60_000).count();
        let last_ms = after.last().copied().unwrap_or(0);
        let all = after.len();
        tell(&format!(
            "site3 storm: messages={all} in-first-minute={minute} last-after-ms={last_ms}"
        ));
        minute
    }
}

fn message(taken: &Taken) -> Message {
    let letter = Letter::read(&taken.raw);
    Message {
        at_ms: taken.at_ms,
        contact: taken.to.join(","),
        says: letter.says(),
        id: letter.id,
        answered: false,
    }
}

/// What a webhook took for the same contact; `None`: no page of ours.
fn called(request: &Request) -> Option<Message> {
    let hook = Hook::read(&request.body)?;
    Some(Message {
        at_ms: request.at_ms,
        contact: OPS.to_owned(),
        id: hook.id,
        answered: request.answered,
        says: hook.says,
    })
}

/// What the judge found that it had not found before.
fn told_since(before: &Report, now: &Report) -> Vec<String> {
    let lists = [
        ("missed", &before.missed, &now.missed),
        ("doubled", &before.doubled, &now.doubled),
        ("late", &before.late, &now.late),
        ("wrong", &before.wrong, &now.wrong),
    ];
    let mut fresh = Vec::new();
    for (word, before, now) in lists {
        let new = now.iter().filter(|text| !before.contains(text));
        fresh.extend(new.map(|text| format!("{word}: {text}")));
    }
    fresh
}

/// **Units**: wall-clock milliseconds.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// How often all is judged anew when nothing came: enough to see that a time is over.
const JUDGE_EVERY: Duration = Duration::from_millis(500);

/// Of what went wrong in one step; the summary has the numbers.
const COMPLAINTS_SHOWN: usize = 12;
