//! One round of a row of the matrix: a fault, in which something that is watched goes down as well;
//! what clients, the log and the people on call see of both.
//!
//! ```text
//!   begin ─ 1 s ─ the watch `bell` goes down ─ HOLDS or more ─ undo ─ all well ─ bell is back
//!   asker, client ───────────────────────────────────────────────────────────▶ nobody, failed
//! ```

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::acts::SMALL_DISK;
use super::case::Policy;
use super::rows::{Bounds, Row};
use super::scene::{OVERLAP_MAX, Scene, Witnesses};
use crate::lab::cluster::{AGREES_WITHIN, Cluster};
use crate::lab::dns::RELAY_NAME;
use crate::lab::nginx::Nginx;
use crate::lab::{RELAY, server_address, wait};

/// The server that `bell` watches.
const BELL: u8 = 9;
/// A fault is there before the watch goes down.
const FIRST: Duration = Duration::from_secs(1);
/// Longer than a lease, an election and the way of a page; and than the five seconds after which a
/// node pages by its own word.
const HOLDS: Duration = Duration::from_secs(8);
/// As long as it may last until the page has come in spite of it: slow disks make a page slow.
const HOLDS_AT_MOST: Duration = Duration::from_secs(24);
/// After everything was mended every page has come; a relay that was gone is tried again within it.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// Where no request fails, none is held up by a disk that takes half a second either.
pub const HELD_UP_MAX: Duration = Duration::from_millis(400);

const DOWN: &str = "[DOWN] prod bell";
const UP: &str = "[UP] prod bell";
/// A cable that was loose is told to be steady minutes later, or sooner where the leader's clock
/// jumped: in a later row.
const LINGERS: &str = "[UP] prod carrier of lb";

/// Its farm, a relay with a name, and a watch that may go down as often as there are rows, without
/// counting as flapping.
fn amended(toml: String) -> String {
    let toml = toml.replace("[paging]\n", "[paging]\nflap_changes = 100\n");
    let toml = toml.replace(&RELAY.to_string(), RELAY_NAME);
    let address = server_address(BELL);
    format!(
        "{toml}[[watch]]\nname = \"bell\"\naddress = \"{address}\"\nport = 80\n\
         check = {{ kind = \"tcp\", interval = \"500ms\", timeout = \"400ms\" }}\n"
    )
}

/// A cluster that balances, and a server that is only watched.
///
/// **Errors**: a step failed, or took too long.
pub fn set() -> Result<(Scene, Nginx)> {
    let cluster = Cluster::form_on_disks(3, &[SMALL_DISK])?;
    let scene = Scene::set_with(cluster, Policy::Hold, Duration::ZERO, amended)?;
    let bell = Nginx::start(&scene.cluster.lab, BELL)?;
    wait::until_true("bell is up", AGREES_WITHIN, || {
        let shown = scene.cluster.nodes[0].ask(&["watch", "list"]);
        shown.is_ok_and(|shown| {
            shown
                .lines()
                .any(|l| l.contains("bell") && l.contains("up"))
        })
    })?;
    Ok((scene, bell))
}

/// What came of a row.
#[derive(Debug, Clone)]
pub struct Outcome {
    row: (&'static str, &'static str),
    bounds: Bounds,
    overlap: Duration,
    nobody: Duration,
    gap: Duration,
    /// The same without what the client itself was late.
    held_up: Duration,
    failed: usize,
    answered: usize,
    terms: u64,
    told: Told,
    of_bell: usize,
    right: usize,
    wrong: Vec<String>,
}

/// Plays a row once.
///
/// **Errors**: the fault could not be played, or the cluster did not recover.
pub fn play(scene: &mut Scene, bell: &mut Nginx, row: &Row) -> Result<Outcome> {
    let (term, before) = (scene.term()?, scene.mail.mails().len());
    let witnesses = Witnesses::start(scene);
    let played = break_and_mend(scene, bell, row);
    let (ownership, asked, seen) = witnesses.stop(scene)?;
    let told = played.with_context(|| row.name)?;
    let mails = scene.mail.mails().split_off(before);
    let subjects = mails.into_iter().map(|mail| mail.subject);
    let (of_bell, others): (Vec<_>, Vec<_>) = subjects.partition(|one| one.contains(" bell"));
    let allowed = |one: &String| {
        let mut parts = row.bounds.pages.iter().chain([&LINGERS]);
        parts.any(|part| one.contains(part))
    };
    let (right, wrong) = others.into_iter().partition(allowed);
    Ok(Outcome {
        row: (row.name, row.what),
        bounds: row.bounds,
        overlap: ownership.overlap,
        nobody: asked.silence,
        gap: seen.gap,
        held_up: seen.own_gap(),
        failed: seen.failed,
        answered: seen.answered,
        terms: scene.term()?.saturating_sub(term),
        told,
        of_bell: of_bell.len(),
        right: Vec::len(&right),
        wrong,
    })
}

/// The page of the watch, from when that went down.
#[derive(Debug, Clone, Copy)]
struct Told {
    /// When it came; `None`: it never did.
    after: Option<Duration>,
    /// Whether that was before the fault was mended.
    meanwhile: bool,
}

fn break_and_mend(scene: &mut Scene, bell: &mut Nginx, row: &Row) -> Result<Told> {
    let before = scene.mail.about(DOWN).len();
    let undo = (row.begin)(scene)?;
    scene.pass(FIRST);
    bell.stop()?;
    let down = SystemTime::now();
    scene.pass(HOLDS);
    let page = |scene: &Scene| scene.mail.about(DOWN).into_iter().nth(before);
    if row.bounds.told {
        // What is late is a complaint, and no reason to end here.
        let _ = wait::until("the page of bell", HOLDS_AT_MOST - HOLDS, || page(scene));
    }
    let mended = SystemTime::now();
    undo(scene)?;
    scene.wait_until_well()?;
    let page = wait::until("the page of bell", TOLD_WITHIN, || page(scene)).ok();
    let backs = scene.mail.about(UP).len();
    bell.back()?;
    wait::until_true("bell is told to be back", AGREES_WITHIN, || {
        scene.mail.about(UP).len() > backs
    })?;
    let arrived = page.map(|page| page.arrived);
    Ok(Told {
        after: arrived.map(|at| at.duration_since(down).unwrap_or_default()),
        meanwhile: arrived.is_some_and(|at| at <= mended),
    })
}

impl Outcome {
    /// What is not as promised; `silence_max` is how long the VIP may be on nobody.
    pub fn complaints(&self, silence_max: Duration) -> Vec<String> {
        let mut wrong = Vec::new();
        let bounds = &self.bounds;
        if self.overlap > OVERLAP_MAX {
            wrong.push(format!("on two nodes for {} ms", self.overlap.as_millis()));
        }
        if self.nobody > silence_max {
            wrong.push(format!("on nobody for {} ms", self.nobody.as_millis()));
        }
        if bounds.failed.is_some_and(|most| self.failed > most) {
            wrong.push(format!("{} requests failed", self.failed));
        }
        if bounds.failed == Some(0) && self.held_up > HELD_UP_MAX {
            wrong.push(format!(
                "nothing answered for {} ms",
                self.held_up.as_millis()
            ));
        }
        if self.terms > bounds.terms {
            wrong.push(format!("{} terms began", self.terms));
        }
        if self.told.after.is_none() {
            wrong.push("nobody was told that bell is down".to_owned());
        } else if bounds.told && !self.told.meanwhile {
            wrong.push("nobody was told before it was mended".to_owned());
        }
        // Down and up, and each once more where whoever sent it could not record that.
        if !(2..=4).contains(&self.of_bell) {
            wrong.push(format!("{} pages of bell", self.of_bell));
        }
        wrong.extend(self.wrong.iter().map(|one| format!("a wrong page: {one}")));
        wrong
    }

    /// A row of the table.
    pub fn line(&self) -> String {
        let (name, what) = self.row;
        let told = self.told.after;
        let told = told.map_or("never".to_owned(), |after| {
            format!("{:.1} s", after.as_secs_f64())
        });
        format!(
            "| {name} | {what} | {} ms | {} ms | {} of {} | {} | {told} | {}/{} |",
            self.nobody.as_millis(),
            self.gap.as_millis(),
            self.failed,
            self.failed + self.answered,
            self.terms,
            self.of_bell + self.right,
            self.wrong.len()
        )
    }
}

/// What the columns are.
pub const HEAD: &str = "| row | what | VIP on nobody | longest time without an answer | requests \
                        failed | elections | page after | pages right/wrong |\n\
                        |---|---|---|---|---|---|---|---|";
