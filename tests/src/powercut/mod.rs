//! All three nodes lose their power in one instant, again and again, while clients write: whatever
//! was confirmed is there afterwards, and the cluster serves.
//!
//! ```text
//!   writers ── label, one higher each time ──▶ lb1 lb2 lb3 ── Disks, one power line
//!      └─ confirmed, tried ──▶ judge ◀── labels, asked of every node ◀── restart ◀── cut, kill -9
//! ```

mod writer;

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::chance::Chance;
use crate::disk::{Disks, Leaves, Obeys};
use crate::lab::cluster::{AGREES_WITHIN, Cluster};
use crate::lab::{Lab, wait};
use crate::linear::{Asker, Copy};
use writer::{Note, Writers, value_of};

/// Clients that write at once; each its own label.
const WRITERS: usize = 3;

/// How long a round writes before its cut, in milliseconds.
const WRITES_MS: (u64, u64) = (250, 900);

/// A round writes at least so often, however slow the machine is.
const CONFIRMED_MIN: u64 = 2;

/// How long one question may take after a restart.
const PATIENCE: Duration = Duration::from_secs(5);

/// Three nodes on disks with one power line.
#[derive(Debug)]
pub struct Scene {
    cluster: Cluster,
    disks: Option<Disks>,
    sockets: Vec<PathBuf>,
    notes: Vec<Note>,
    chance: Chance,
}

/// What came of some rounds.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// Rounds.
    pub rounds: usize,
    /// Writes that were confirmed.
    pub confirmed: u64,
    /// Writes whose outcome the cut left open.
    pub open: u64,
    /// Of those confirmed: not there afterwards.
    pub lost: u64,
    /// What was not as promised, one line each.
    pub wrong: Vec<String>,
    /// The longest time from power to an answer from every node.
    pub back_max: Duration,
}

impl Scene {
    /// Forms the cluster.
    ///
    /// **Errors**: no FUSE, or a step failed.
    pub fn set(seed: u64) -> Result<Scene> {
        let lab = Lab::new()?;
        let folder = |number| lab.folder().join(format!("lb{number}/data"));
        let folders: Vec<PathBuf> = (1..=3).map(folder).collect();
        let disks = Disks::mount(&folders, Obeys::All)?;
        let cluster = Cluster::form_watching_in(lab, 3);
        let cluster = cluster.context("form a cluster on disks that forget")?;
        let sockets: Vec<_> = cluster.nodes.iter().map(|node| node.socket()).collect();
        let notes = (1..=WRITERS).map(Note::new).collect();
        let scene = Scene {
            cluster,
            disks: Some(disks),
            sockets,
            notes,
            chance: Chance::new(seed),
        };
        let asker = Asker::new(&scene.sockets, PATIENCE)?;
        for note in &scene.notes {
            wait::until_true("a watch to write on", AGREES_WITHIN, || {
                let made = asker.add(0, &note.name, &note.label(0));
                made.is_ok()
            })?;
        }
        Ok(scene)
    }

    fn disks(&self) -> &Disks {
        self.disks.as_ref().expect("there until the scene goes")
    }

    /// From now on the disks obey these syncs.
    pub fn obey(&self, obeys: Obeys) {
        self.disks().obey(obeys);
    }

    /// Writes, cuts the power, and looks what is there; `leaves`: what the disks keep beside what
    /// was synced.
    ///
    /// **Errors**: the lab failed; what the nodes do wrong is in the outcome.
    pub fn round(&mut self, leaves: Leaves, outcome: &mut Outcome) -> Result<()> {
        outcome.rounds += 1;
        let writers = Writers::start(&self.sockets, std::mem::take(&mut self.notes));
        let (least, most) = WRITES_MS;
        let span = Duration::from_millis(least + self.chance.below(most - least));
        let begun = Instant::now();
        let enough = wait::until_true("some writes", AGREES_WITHIN, || {
            begun.elapsed() > span && writers.confirmed() >= CONFIRMED_MIN
        });
        self.disks().cut();
        self.cluster.nodes.iter_mut().for_each(|node| node.kill());
        let (notes, confirmed, open) = writers.stop()?;
        self.notes = notes;
        enough?;
        outcome.confirmed += confirmed;
        outcome.open += open;
        let disks = self.disks.as_ref().expect("there until the scene goes");
        disks.restore(leaves, &mut self.chance);
        self.look(outcome)
    }

    /// Starts the nodes and compares what they have with what was confirmed.
    fn look(&mut self, outcome: &mut Outcome) -> Result<()> {
        let begun = Instant::now();
        let round = outcome.rounds;
        for node in &mut self.cluster.nodes {
            if let Err(error) = node.run() {
                outcome.wrong.push(format!("round {round}: {error:#}"));
            }
        }
        let asker = Asker::new(&self.sockets, PATIENCE)?;
        for number in 0..self.sockets.len() {
            let answered = wait::until("the newest of every node", AGREES_WITHIN, || {
                asker.config(number, Copy::Newest).ok()
            });
            let Ok(answered) = answered else {
                let what = format!("round {round}: lb{} does not serve", number + 1);
                outcome.wrong.push(what);
                continue;
            };
            for note in &mut self.notes {
                let found = value_of(&answered.toml, &note.name).unwrap_or(0);
                if found < note.confirmed || found > note.tried {
                    outcome.lost += note.confirmed.saturating_sub(found);
                    outcome.wrong.push(format!(
                        "round {round}: lb{} has {}={found}, confirmed {}, tried {}",
                        number + 1,
                        note.name,
                        note.confirmed,
                        note.tried
                    ));
                    // Told once; the rounds after begin from what is there.
                    note.confirmed = found;
                }
            }
        }
        outcome.back_max = outcome.back_max.max(begun.elapsed());
        Ok(())
    }
}

impl Drop for Scene {
    /// The nodes go first, then their disks, then the LAN with its folder.
    fn drop(&mut self) {
        self.cluster.nodes.clear();
        self.disks = None;
    }
}

/// Plays so many rounds, drawn from a seed; every other one leaves some of what was not synced,
/// torn.
///
/// **Errors**: the lab failed.
pub fn run(rounds: usize, seed: u64, tell: impl Fn(&str)) -> Result<Outcome> {
    let mut scene = Scene::set(seed)?;
    let mut outcome = Outcome::default();
    for round in 1..=rounds {
        let leaves = match round % 2 {
            1 => Leaves::Nothing,
            _ => Leaves::Some,
        };
        let (before, wrong) = (outcome.confirmed, outcome.wrong.len());
        scene.round(leaves, &mut outcome)?;
        tell(&format!(
            "round {round}/{rounds}: leaves={leaves:?} confirmed={} {}",
            outcome.confirmed - before,
            match &outcome.wrong[wrong..] {
                [] => "ok".to_owned(),
                wrong => format!("WRONG: {}", wrong.join("; ")),
            }
        ));
    }
    Ok(outcome)
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "rounds={} confirmed={} open={} lost={} wrong={} back_max_ms={}",
            self.rounds,
            self.confirmed,
            self.open,
            self.lost,
            self.wrong.len(),
            self.back_max.as_millis()
        )
    }
}
