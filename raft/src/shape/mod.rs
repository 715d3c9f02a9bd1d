//! Shapes: which fields and variants our structs had in an older format, and reading and writing
//! them as they were.
//!
//! ```text
//!   shapes/1.txt   struct Vip                 the source of that release, as `tests/shapes.rs`
//!                   .address IpAddr           read it; never edited again
//!                   .network NetworkName
//!
//!   bytes of format 1 ─read─▶ today's struct   what it did not have yet: `#[serde(default)]`
//!   today's struct ─write─▶ bytes of format 1  what it has not: told, so that nothing is lost
//! ```
//!
//! bincode writes a struct as its fields in order, without names: one field more, and every older
//! record is another struct. So a field may be added anywhere, a variant too, as long as the list
//! of the release before is kept here. A type that is not in the list has the shape that it has now
//! (those of foreign crates).

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::{WriteError, write};

use std::collections::HashMap;
use std::sync::OnceLock;

/// The formats that are read beside the newest, oldest first, with their shapes.
const OLDER: &[(u16, &str)] = &[(1, include_str!("../../shapes/1.txt"))];

/// The shapes of a format; `None`: it is none that this version can read as an old one.
pub(crate) fn shapes(format: u16) -> Option<&'static Shapes> {
    static PARSED: OnceLock<Vec<(u16, Shapes)>> = OnceLock::new();
    let parsed = PARSED.get_or_init(|| {
        let parse = |(format, text): &(u16, &'static str)| (*format, Shapes::parse(text));
        OLDER.iter().map(parse).collect()
    });
    let found = parsed.iter().find(|(known, _)| *known == format);
    found.map(|(_, shapes)| shapes)
}

/// No list at all: every type has the shape that it has now.
pub(crate) fn todays() -> &'static Shapes {
    static TODAYS: OnceLock<Shapes> = OnceLock::new();
    TODAYS.get_or_init(Shapes::default)
}

/// The fields and variants of all our types in one format.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    structs: HashMap<&'static str, Fields>,
    enums: HashMap<&'static str, Vec<Variant>>,
}

/// Field names in order.
pub(crate) type Fields = Vec<&'static str>;

/// One variant of an enum.
#[derive(Debug)]
pub(crate) struct Variant {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Its fields, where they have names.
    pub(crate) fields: Fields,
}

/// The type whose lines are being read.
enum Place {
    Nowhere,
    Struct(&'static str),
    Enum(&'static str),
}

impl Shapes {
    /// Reads a list: `struct` and `enum` at the margin, `|` before a variant, `.` before a field;
    /// types behind them are for people and for `tests/shapes.rs`.
    ///
    /// **Panics**: on a line that is none of these; the lists are part of this program.
    fn parse(text: &'static str) -> Shapes {
        let mut shapes = Shapes::default();
        let mut place = Place::Nowhere;
        let word = |rest: &'static str| rest.split([' ', '(']).next().unwrap_or_default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("struct ") {
                shapes.structs.insert(word(rest), Fields::new());
                place = Place::Struct(word(rest));
            } else if let Some(rest) = line.strip_prefix("enum ") {
                shapes.enums.insert(word(rest), Vec::new());
                place = Place::Enum(word(rest));
            } else {
                shapes.add(&place, line.trim_start(), word);
            }
        }
        shapes
    }

    fn add(&mut self, place: &Place, line: &'static str, word: fn(&'static str) -> &'static str) {
        match (place, line.split_at(1)) {
            (Place::Enum(of), ("|", rest)) => {
                let (name, fields) = (word(rest), Fields::new());
                let variants = self.enums.entry(of).or_default();
                variants.push(Variant { name, fields });
            }
            (Place::Enum(of), (".", rest)) => {
                let variants = self.enums.entry(of).or_default();
                let last = variants
                    .last_mut()
                    .expect("a field comes after its variant");
                last.fields.push(word(rest));
            }
            (Place::Struct(of), (".", rest)) => {
                self.structs.entry(of).or_default().push(word(rest));
            }
            (Place::Nowhere | Place::Struct(_) | Place::Enum(_), _) => {
                panic!("no line of a list of shapes: {line}")
            }
        }
    }

    fn fields(&'static self, name: &str) -> Option<&'static [&'static str]> {
        self.structs.get(name).map(Vec::as_slice)
    }

    fn variants(&'static self, name: &str) -> Option<&'static [Variant]> {
        self.enums.get(name).map(Vec::as_slice)
    }
}
