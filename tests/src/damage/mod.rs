//! One bit flipped in a file of a stopped node, which then starts again beside two that are well:
//! it names the file and does not take part, or it is what the others are. Never a third.
//!
//! ```text
//!   lb3 stopped ── one bit ──▶ lb3 starts ──▶ judge: as lb1 │ names the file and refuses │ WRONG
//!        ▲                                              │
//!        └── its folder as before, or goes on from here ┘
//! ```
//!
//! Its folder is put back only where it did not take part: a node that forgot what it acknowledged
//! is another fault, and no bit.

mod judge;
mod scene;

pub use judge::Verdict;
pub use scene::Scene;

use std::fmt;
use std::path::Path;

use anyhow::Result;

/// What came of some flips.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// Flips.
    pub flips: usize,
    /// The node became what the others are.
    pub mended: usize,
    /// It named the file and did not start.
    pub refused: usize,
    /// It named the file, set its store aside and waits to be joined anew.
    pub set_aside: usize,
    /// Anything else, one line each.
    pub wrong: Vec<String>,
}

impl Outcome {
    fn take(&mut self, place: &str, verdict: &Verdict) {
        self.flips += 1;
        match verdict {
            Verdict::Mended => self.mended += 1,
            Verdict::Refused => self.refused += 1,
            Verdict::SetAside => self.set_aside += 1,
            Verdict::Wrong(why) => self.wrong.push(format!("{place}: {why}")),
        }
    }

    fn add(&mut self, other: &Outcome) {
        self.flips += other.flips;
        self.mended += other.mended;
        self.refused += other.refused;
        self.set_aside += other.set_aside;
        self.wrong.extend(other.wrong.iter().cloned());
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "flips={} mended={} refused={} set_aside={} wrong={}",
            self.flips,
            self.mended,
            self.refused,
            self.set_aside,
            self.wrong.len()
        )
    }
}

/// Flips one bit at so many places of every file of a node; `tell` hears of each file.
///
/// **Errors**: the lab failed.
pub fn run(places: usize, tell: impl Fn(&str)) -> Result<Outcome> {
    let mut scene = Scene::set()?;
    let mut all = Outcome::default();
    for file in scene.files()? {
        let mut of_file = Outcome::default();
        for number in 0..places {
            let (place, verdict) = scene.flip(&file, number, places)?;
            of_file.take(&place, &verdict);
        }
        tell(&format!("{}: {of_file}", shown(&file)));
        of_file.wrong.iter().for_each(|wrong| tell(wrong));
        all.add(&of_file);
    }
    Ok(all)
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}
