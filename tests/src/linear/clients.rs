//! Eight clients at one key: each asks a node of its own choice for one thing after another, and
//! writes down what it asked and was answered.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::asker::{Asker, Copy, Failure};
use super::model::{Asked, Operation, Said};
use crate::chance::Chance;
use crate::lab::wait;

/// As the issue has it.
const CLIENTS: u64 = 8;

/// A client of a node that is paused waits this long: less than a fault lasts, so that outcomes are
/// left open, and more than an election.
const PATIENCE: Duration = Duration::from_millis(1_200);

/// A client thinks for up to this long between two operations, so that those of a key last longer
/// than the calm between two faults.
const THINKS_MS: u64 = 100;

/// After an answer that says nothing; as long as a person looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// A key whose operations are not over by then shows a cluster that does not come back.
const KEY_WITHIN: Duration = Duration::from_secs(180);

/// One label, asked for by many.
pub(super) struct Key {
    /// The watch that has it.
    pub(super) name: String,
    /// Where the nodes answer.
    pub(super) sockets: Vec<PathBuf>,
    /// From which copy they answer.
    pub(super) copy: Copy,
    /// How many operations are wanted.
    pub(super) wanted: usize,
    /// What everything is drawn from.
    pub(super) seed: u64,
}

struct Record {
    zero: Instant,
    /// Operations begun that will be written down.
    begun: AtomicUsize,
    done: Mutex<Vec<Operation>>,
}

impl Key {
    /// Has the watch made, and waits until it is.
    ///
    /// **Errors**: it is not within three minutes.
    pub(super) fn make(&self) -> Result<()> {
        let asker = Asker::new(&self.sockets, PATIENCE)?;
        let mut node = 0;
        wait::until_true(&format!("{} is made", self.name), KEY_WITHIN, || {
            node = (node + 1) % self.sockets.len();
            // It may have been made by an attempt before, so that adding it is refused: ask.
            let _ = asker.add(node, &self.name, &self.label(0));
            let shown = asker.config(node, Copy::Newest);
            shown.is_ok_and(|shown| self.value(&shown.toml).is_some())
        })
    }

    /// Plays all of them; what they saw.
    ///
    /// **Errors**: they were not over within three minutes, or an answer makes no sense.
    pub(super) fn play(&self) -> Result<Vec<Operation>> {
        let record = Record {
            zero: Instant::now(),
            begun: AtomicUsize::new(0),
            done: Mutex::default(),
        };
        std::thread::scope(|scope| {
            let play = |number| {
                let record = &record;
                scope.spawn(move || self.client(number, record))
            };
            let clients: Vec<_> = (0..CLIENTS).map(play).collect();
            clients.into_iter().try_for_each(|client| {
                let ended = client.join();
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        })?;
        let done = record.done.into_inner();
        Ok(done.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn client(&self, number: u64, record: &Record) -> Result<()> {
        let asker = Asker::new(&self.sockets, PATIENCE)?;
        let mut chance = Chance::new(self.seed.wrapping_mul(CLIENTS).wrapping_add(number));
        let nodes: Vec<usize> = (0..self.sockets.len()).collect();
        let mut value = number;
        // What it saw last: a text and its revision, to change and to give back.
        let mut seen: Option<(String, u64)> = None;
        while record.begun.fetch_add(1, Ordering::SeqCst) < self.wanted {
            value += CLIENTS;
            std::thread::sleep(Duration::from_millis(chance.below(THINKS_MS)));
            let one = loop {
                if record.zero.elapsed() > KEY_WITHIN {
                    bail!("{}: not over within {KEY_WITHIN:?}", self.name);
                }
                let node = chance.pick(&nodes);
                let asked = match (chance.below(4), &seen) {
                    (0, _) => Asked::Set(value),
                    (1, Some((_, base))) => Asked::Compare { base: *base, value },
                    _ => Asked::Get,
                };
                let from = nanoseconds(record.zero);
                let said = self.ask(&asker, node, asked, &mut seen)?;
                let to = nanoseconds(record.zero);
                match said {
                    Some(said) => {
                        break Operation {
                            asked,
                            said,
                            from,
                            to,
                        };
                    }
                    None => pause(),
                }
            };
            let mut done = record.done.lock();
            done.as_mut().expect("no holder panics").push(one);
        }
        Ok(())
    }

    /// Asks once; `None`: nothing came about, and nothing is known.
    fn ask(
        &self,
        asker: &Asker,
        node: usize,
        asked: Asked,
        seen: &mut Option<(String, u64)>,
    ) -> Result<Option<Said>> {
        let made = match asked {
            Asked::Get => {
                let Ok(shown) = asker.config(node, self.copy) else {
                    return Ok(None);
                };
                let value = self.value(&shown.toml);
                if value.is_none() && self.copy == Copy::Own {
                    // The watch is not in that copy yet.
                    return Ok(None);
                }
                let value = value.with_context(|| format!("no label in {}", shown.toml))?;
                let revision = shown.revision;
                *seen = Some((shown.toml, revision));
                return Ok(Some(Said::Read { value, revision }));
            }
            Asked::Set(value) => asker.label(node, &self.name, &self.label(value)),
            Asked::Compare { base, value } => {
                let (toml, _) = seen.take().context("a base was seen")?;
                asker.apply(node, self.with(&toml, value)?, base)
            }
        };
        Ok(match made {
            Ok(Some(revision)) => Some(Said::Made(revision)),
            Ok(None) => bail!("{asked:?}: nothing changed, says node {node}, of a new value"),
            Err(Failure::Moved(newest)) if matches!(asked, Asked::Compare { .. }) => {
                Some(Said::Moved(newest))
            }
            // Too many came between: a set that was given up, and did nothing.
            Err(Failure::Moved(_) | Failure::Refused(_)) => None,
            Err(Failure::Open(_)) => Some(Said::Unknown),
        })
    }

    fn label(&self, value: u64) -> String {
        format!("{}-{value}", self.name)
    }

    /// The value that a configuration has for it.
    fn value(&self, toml: &str) -> Option<u64> {
        let (_, rest) = toml.split_once(&format!("\"{}-", self.name))?;
        rest.split_once('"')?.0.parse().ok()
    }

    /// That configuration with another value.
    fn with(&self, toml: &str, value: u64) -> Result<String> {
        let old = self.value(toml).context("a label")?;
        Ok(toml.replace(&self.label(old), &self.label(value)))
    }
}

fn nanoseconds(zero: Instant) -> u64 {
    u64::try_from(zero.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

fn pause() {
    // It never comes true: this only lets time pass.
    let _ = wait::until_true("the next attempt", PAUSE, || false);
}
