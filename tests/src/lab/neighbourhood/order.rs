//! PURE. Orders to a neighbourhood, one a line, and the answers.
//!
//! ```text
//!   kill 17          ─▶  ok 1795737601234 1795737601235      done between these two moments
//!   heal 0-99,103    ─▶  ok …
//!   flap 5 700       ─▶  ok …                                down, up, … every 700 ms
//!   eat 5            ─▶  error eat: no such order
//! ```

use std::fmt;
use std::str::FromStr;

/// What becomes of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Its listeners close: connections are refused.
    Kill,
    /// It takes connections and does not answer.
    Hang,
    /// It answers, and its answer says that it is unwell.
    Spoil,
    /// It says that it is unwell, in words that are meant for whoever repeats them in a mail.
    Taint,
    /// Its address goes from the interface: nobody answers ARP for it.
    Unplug,
    /// Killed and healed in turn, each for so long, until the next order.
    Flap {
        /// Milliseconds.
        half_ms: u32,
    },
    /// It works again, whatever it had.
    Heal,
}

/// An act, and the numbers of the houses that it befalls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub act: Act,
    /// To whom.
    pub houses: Vec<u16>,
}

/// The span in which an order was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// **Units**: wall-clock milliseconds.
    pub from_ms: u64,
    /// **Units**: wall-clock milliseconds.
    pub to_ms: u64,
}

/// A line that is no order, or an order that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotDone(pub String);

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotDone {}

impl FromStr for Order {
    type Err = NotDone;

    fn from_str(line: &str) -> Result<Order, NotDone> {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap_or_default();
        let houses = houses(words.next().unwrap_or_default())?;
        let act = match verb {
            "kill" => Act::Kill,
            "hang" => Act::Hang,
            "spoil" => Act::Spoil,
            "taint" => Act::Taint,
            "unplug" => Act::Unplug,
            "heal" => Act::Heal,
            "flap" => {
                let half_ms = words.next().and_then(|word| word.parse().ok());
                let half_ms = half_ms.filter(|half_ms| *half_ms > 0);
                let half_ms = half_ms.ok_or_else(|| NotDone("flap: no milliseconds".to_owned()))?;
                Act::Flap { half_ms }
            }
            other => return Err(NotDone(format!("{other}: no such order"))),
        };
        match words.next() {
            None => Ok(Order { act, houses }),
            Some(word) => Err(NotDone(format!("{word}: one word too many"))),
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.act {
            Act::Kill => "kill",
            Act::Hang => "hang",
            Act::Spoil => "spoil",
            Act::Taint => "taint",
            Act::Unplug => "unplug",
            Act::Heal => "heal",
            Act::Flap { .. } => "flap",
        };
        let houses: Vec<String> = self.houses.iter().map(u16::to_string).collect();
        write!(f, "{verb} {}", houses.join(","))?;
        match self.act {
            Act::Flap { half_ms } => write!(f, " {half_ms}"),
            Act::Kill | Act::Hang | Act::Spoil | Act::Taint | Act::Unplug | Act::Heal => Ok(()),
        }
    }
}

impl FromStr for Done {
    type Err = NotDone;

    fn from_str(line: &str) -> Result<Done, NotDone> {
        let line = line.trim_end();
        let wrong = || NotDone(line.to_owned());
        let moments = line.strip_prefix("ok ").ok_or_else(wrong)?;
        let (from, to) = moments.split_once(' ').ok_or_else(wrong)?;
        let (from_ms, to_ms) = (from.parse(), to.parse());
        match (from_ms, to_ms) {
            (Ok(from_ms), Ok(to_ms)) => Ok(Done { from_ms, to_ms }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ok {} {}", self.from_ms, self.to_ms)
    }
}

/// `3,7-9`.
fn houses(text: &str) -> Result<Vec<u16>, NotDone> {
    let wrong = || NotDone(format!("{text:?}: no numbers of houses"));
    let mut found = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |word: &str| word.parse::<u16>().map_err(|_| wrong());
        found.extend(number(first)?..=number(last)?);
    }
    match found.is_empty() {
        true => Err(wrong()),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_are_written() {
        let order = |act, houses: &[u16]| Order {
            act,
            houses: houses.to_vec(),
        };
        for (line, wanted) in [
            ("kill 17", order(Act::Kill, &[17])),
            ("heal 3,7-9", order(Act::Heal, &[3, 7, 8, 9])),
            ("hang 0-1", order(Act::Hang, &[0, 1])),
            ("spoil 5", order(Act::Spoil, &[5])),
            ("taint 5", order(Act::Taint, &[5])),
            ("unplug 5", order(Act::Unplug, &[5])),
            ("flap 5 700", order(Act::Flap { half_ms: 700 }, &[5])),
        ] {
            assert_eq!(line.parse(), Ok(wanted.clone()), "{line}");
            assert_eq!(wanted.to_string().parse(), Ok(wanted), "{line}");
        }
        for line in [
            "", "kill", "kill x", "kill 9-3", "eat 5", "flap 5", "kill 5 6",
        ] {
            assert!(line.parse::<Order>().is_err(), "{line}");
        }
    }

    #[test]
    fn answers_are_read_as_they_are_written() {
        let done = Done {
            from_ms: 7,
            to_ms: 9,
        };
        assert_eq!(done.to_string().parse(), Ok(done));
        let wrong: Result<Done, NotDone> = "error eat: no such order\n".parse();
        assert_eq!(wrong, Err(NotDone("error eat: no such order".to_owned())));
    }
}
