//! The leader dies at the worst moments for the pages that it carries.
//!
//! ```text
//!   BeforeData   leader ── DATA ──▶ relay holds ── kill -9            nothing was taken
//!   AfterReply   leader ── mail ──▶ relay holds ── the leader's ways to its peers are cut
//!                       ◀── 250 ── goes on      ── QUIT is seen ── kill -9
//!                the leader knows that it was taken, and could not have that recorded;
//!                its next mail is held, so that it is about this one alone
//!   InWebhook    leader ── POST ─▶ webhook holds ── kill -9           all of it was taken
//!   InStorm      a hundred are down, and a few of their pages are out
//!   CutOff       the same, page by page, and for a while it could have nothing recorded before it
//!                dies
//! ```

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_tests::judge::{ExcuseKind, Turn};
use farmux_tests::lab::neighbourhood::order::Act;
use farmux_tests::lab::post::relay::{Reply, Stage};
use farmux_tests::lab::post::webhook;
use farmux_tests::lab::{Host, wait};

use super::scene::{Scene, Way, now_ms};
use super::{ONE_BY_ONE, QUICK};

/// When the leader dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It said DATA and has no answer.
    BeforeData,
    /// It read the relay's 250 and has not had it recorded.
    AfterReply,
    /// The webhook has all of its request, and did not answer.
    InWebhook,
    /// Many pages are due, and a few were sent.
    InStorm,
    /// The same, and its peers heard nothing of what it sent last.
    CutOff,
}

/// From a change to the conversation about it.
const HELD_WITHIN: Duration = Duration::from_secs(30);

/// From a released 250 to the word after it.
const HEARD_WITHIN: Duration = Duration::from_secs(5);

/// A new leader begins with fresh counts, and spreads its first probes over one interval.
const FIRST_PROBES_MS: u64 = 1_000;

/// Houses that fail in the storm in which a leader dies.
const STORM: std::ops::Range<u16> = 0..100;

/// For so long the leader believes in its majority though it hears of it no more: most of a second.
const CUT_OFF: Duration = Duration::from_millis(700);

/// Messages of that storm that are out when it dies: the first, while the others are gathered.
const STORM_PAGES: usize = 1;

/// A step: the leader dies so, all is told, it comes back, and all is well again.
pub(crate) fn lose(scene: &mut Scene, moment: Moment) -> Result<()> {
    let (paging, way) = match moment {
        Moment::BeforeData | Moment::AfterReply | Moment::InStorm => {
            return lose_as_it_is(scene, moment);
        }
        Moment::InWebhook => (QUICK, Way::Webhook),
        Moment::CutOff => (ONE_BY_ONE, Way::Mail),
    };
    scene.apply_for(paging, way)?;
    let lost = lose_as_it_is(scene, moment);
    scene.apply(QUICK)?;
    lost
}

fn lose_as_it_is(scene: &mut Scene, moment: Moment) -> Result<()> {
    let (houses, storm): (Vec<u16>, bool) = match moment {
        Moment::BeforeData | Moment::AfterReply | Moment::InWebhook => (vec![430, 431, 432], false),
        Moment::InStorm | Moment::CutOff => (STORM.collect(), true),
    };
    let dead = match moment {
        Moment::BeforeData | Moment::AfterReply | Moment::InWebhook => {
            let armed = arm(scene, moment);
            scene.order(Act::Kill, &houses)?;
            strike(scene, armed)?
        }
        Moment::InStorm | Moment::CutOff => {
            scene.excuse_storm();
            let before = scene.post.relay.count();
            scene.order(Act::Kill, &houses)?;
            let relay = &scene.post.relay;
            wait::until_true("the storm's first pages", HELD_WITHIN, || {
                relay.count() >= before + STORM_PAGES
            })?;
            match moment == Moment::CutOff {
                true => kill_cut_off(scene)?,
                false => kill(scene)?,
            }
        }
    };
    scene.wait_for_pages()?;
    revive(scene, &dead)?;
    if storm {
        scene.excuse_storm();
    }
    scene.order(Act::Heal, &houses)?;
    scene.wait_for_pages()
}

/// A death that is prepared.
pub(crate) struct Armed {
    moment: Moment,
    /// Messages wait from here on.
    excuse: Option<usize>,
}

/// Prepares a receiver, before anything happens that is paged.
pub(crate) fn arm(scene: &mut Scene, moment: Moment) -> Armed {
    let post = &scene.post;
    match moment {
        Moment::BeforeData => post.relay.hold(Stage::Data),
        Moment::AfterReply => post.relay.hold(Stage::Taken),
        Moment::InWebhook => post.webhook.hold(webhook::Stage::Taken),
        Moment::InStorm | Moment::CutOff => {
            return Armed {
                moment,
                excuse: None,
            };
        }
    }
    let excuse = Some(scene.excuse(ExcuseKind::Mute, now_ms()));
    Armed { moment, excuse }
}

/// Waits for the moment, and kills the leader; returns its name.
pub(crate) fn strike(scene: &mut Scene, armed: Armed) -> Result<String> {
    let Armed { moment, excuse } = armed;
    let Some(excuse) = excuse else {
        return kill(scene);
    };
    let held = match moment {
        Moment::InWebhook => scene.post.webhook.wait_held(HELD_WITHIN),
        Moment::BeforeData | Moment::AfterReply | Moment::InStorm | Moment::CutOff => {
            scene.post.relay.wait_held(HELD_WITHIN)
        }
    };
    let struck = held.and_then(|()| match moment {
        Moment::BeforeData | Moment::InWebhook | Moment::InStorm | Moment::CutOff => kill(scene),
        Moment::AfterReply => kill_after_reply(scene),
    });
    scene.post.relay.go_on();
    scene.post.webhook.go_on();
    scene.end_excuse(excuse, now_ms());
    struck
}

fn kill_after_reply(scene: &mut Scene) -> Result<String> {
    let cut = Cut::off_the_leader(scene)?;
    let relay = &scene.post.relay;
    let number = relay.count().checked_sub(1).context("a mail was taken")?;
    // This one goes on; the next is held, and dies with the leader.
    relay.hold(Stage::Data);
    let heard = wait::until_true("the leader has read the 250", HEARD_WITHIN, || {
        relay.replies().get(number) == Some(&Reply::Heard)
    });
    let killed = kill_one(scene, cut.leader.name().to_owned());
    cut.mend()?;
    heard?;
    killed
}

fn kill_cut_off(scene: &mut Scene) -> Result<String> {
    let cut = Cut::off_the_leader(scene)?;
    scene.pass(CUT_OFF);
    let killed = kill_one(scene, cut.leader.name().to_owned());
    cut.mend()?;
    killed
}

/// The leader sends nothing to its peers any more.
struct Cut {
    leader: Host,
    peers: Vec<Host>,
}

impl Cut {
    fn off_the_leader(scene: &Scene) -> Result<Cut> {
        let name = scene.cluster.leader()?;
        let hosts = scene.cluster.nodes.iter().map(|node| node.host().clone());
        let (leader, peers): (Vec<Host>, Vec<Host>) = hosts.partition(|host| host.name() == name);
        let leader = leader.into_iter().next();
        let leader = leader.context("the leader has a host")?;
        for peer in &peers {
            leader.shun(peer.address())?;
        }
        Ok(Cut { leader, peers })
    }

    fn mend(&self) -> Result<()> {
        let mut peers = self.peers.iter();
        peers.try_for_each(|peer| self.leader.greet(peer.address()))
    }
}

/// Kills whoever leads, and waits until another does.
fn kill(scene: &mut Scene) -> Result<String> {
    let leader = scene.cluster.leader()?;
    kill_one(scene, leader)
}

/// Kills the node that led when it was asked for, and waits until another leads.
fn kill_one(scene: &mut Scene, leader: String) -> Result<String> {
    let from_ms = now_ms();
    scene.cluster.node(&leader).kill();
    scene.kills += 1;
    scene.note_node(&leader, Turn::Down);
    let excuse = scene.excuse(ExcuseKind::Blind, from_ms);
    let next = scene.cluster.leader()?;
    ensure!(next != leader, "{leader} is dead and leads");
    scene.end_excuse(excuse, now_ms() + FIRST_PROBES_MS);
    Ok(leader)
}

/// Starts a killed node, and waits until the cluster is whole.
pub(crate) fn revive(scene: &mut Scene, node: &str) -> Result<()> {
    scene.note_node(node, Turn::Up);
    scene.cluster.node(node).run()?;
    scene.cluster.wait_for_voters(3)
}
