//! Understands words one by one, and remembers every fault with its place and line.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use farmux_raft::state::{FAULTS_MAX, Fault, Word as Choice};

use super::document::{Number, Word};
use super::{ConfigError, parse_duration};

/// The text that is read, where its things stand, and what is wrong so far.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// Lines are counted only for what is wrong: a large text has many places.
    places: BTreeMap<String, Range<usize>>,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader {
            text,
            places: BTreeMap::new(),
            errors: Vec::new(),
        }
    }

    /// The line, from 1, of a place in the text.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        before.iter().filter(|&&b| b == b'\n').count() + 1
    }

    /// Remembers where a thing stands.
    pub(super) fn mark(&mut self, at: &str, span: &Range<usize>) {
        self.places.insert(at.to_owned(), span.clone());
    }

    /// Notes that something is wrong.
    pub(super) fn wrong(&mut self, at: &str, span: &Range<usize>, what: impl Display) {
        if self.errors.len() < FAULTS_MAX {
            let line = Some(self.line(span));
            self.errors.push(ConfigError {
                line,
                at: at.to_owned(),
                what: what.to_string(),
            });
        }
    }

    /// Notes that something is wrong with a thing of which nothing is written.
    pub(super) fn missing(&mut self, at: &str, what: &str) {
        if self.errors.len() < FAULTS_MAX {
            self.errors.push(ConfigError {
                line: self.line_around(at),
                at: at.to_owned(),
                what: what.to_owned(),
            });
        }
    }

    /// What is wrong so far, if anything is.
    pub(super) fn check(&mut self) -> Result<(), Vec<ConfigError>> {
        match self.errors.is_empty() {
            true => Ok(()),
            false => Err(std::mem::take(&mut self.errors)),
        }
    }

    /// A fault of the state, at the line of the nearest thing around it.
    pub(super) fn locate(&self, fault: Fault) -> ConfigError {
        let line = self.line_around(&fault.at);
        ConfigError::of_fault(fault, line)
    }

    fn line_around(&self, at: &str) -> Option<usize> {
        let is_around = |place: &str| {
            let rest = at.strip_prefix(place);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        let around = self.places.iter().filter(|(place, _)| is_around(place));
        around
            .max_by_key(|(place, _)| place.len())
            .map(|(_, span)| self.line(span))
    }

    /// Anything that is read from a text: names, addresses.
    fn parsed<T: FromStr>(
        &mut self,
        at: &str,
        word: &Word,
        explain: impl Fn(T::Err) -> String,
    ) -> Option<T> {
        self.mark(at, &word.span());
        match word.get_ref().parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(at, &word.span(), explain(error));
                None
            }
        }
    }

    /// A name.
    pub(super) fn name<T: FromStr<Err: Display>>(&mut self, at: &str, word: &Word) -> Option<T> {
        self.parsed(at, word, |error| format!("{:?}: {error}", word.get_ref()))
    }

    /// An address without port.
    pub(super) fn address(&mut self, at: &str, word: &Word) -> Option<IpAddr> {
        self.parsed(at, word, |_| {
            format!(
                "{:?} is not an IP address; names are not looked up",
                word.get_ref()
            )
        })
    }

    /// A place on the network, as `parse` reads it.
    pub(super) fn place<T, E: Display>(
        &mut self,
        at: &str,
        word: &Word,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.mark(at, &word.span());
        match parse(word.get_ref()) {
            Ok(place) => Some(place),
            Err(error) => {
                self.wrong(at, &word.span(), error);
                None
            }
        }
    }

    /// A duration, or its default.
    pub(super) fn duration(
        &mut self,
        at: &str,
        word: Option<&Word>,
        default: Duration,
    ) -> Option<Duration> {
        let Some(word) = word else {
            return Some(default);
        };
        self.mark(at, &word.span());
        match parse_duration(word.get_ref()) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.wrong(at, &word.span(), error);
                None
            }
        }
    }

    /// One of the words of a choice, or its default.
    pub(super) fn word<T: Choice>(&mut self, at: &str, word: Option<&Word>) -> Option<T> {
        match word {
            None => T::WORDS.first().map(|(_, default)| *default),
            Some(word) => self.choice(at, word, T::WORDS, &[]),
        }
    }

    /// Words that each are read alike; all of them are read, so that every fault is told.
    pub(super) fn list<T: FromStr<Err: Display>, C: FromIterator<T>>(
        &mut self,
        at: &str,
        words: &[Word],
    ) -> Option<C> {
        let read: Vec<Option<T>> = words.iter().map(|word| self.name(at, word)).collect();
        read.into_iter().collect()
    }

    /// One of a few words, or the default; what comes with a later version is said to.
    pub(super) fn choice<T: Copy>(
        &mut self,
        at: &str,
        word: &Word,
        choices: &[(&str, T)],
        later: &[&str],
    ) -> Option<T> {
        self.mark(at, &word.span());
        let given = word.get_ref().as_str();
        let found = choices.iter().find(|(name, _)| *name == given);
        if found.is_none() {
            let names: Vec<String> = choices
                .iter()
                .map(|(name, _)| format!("{name:?}"))
                .collect();
            let possible = names.join(" or ");
            let what = match later.contains(&given) {
                true => format!("{given:?} comes with a later version; possible now: {possible}"),
                false => format!("{given:?} is not possible here; possible: {possible}"),
            };
            self.wrong(at, &word.span(), what);
        }
        found.map(|(_, value)| *value)
    }

    /// A whole number within bounds.
    fn number(&mut self, at: &str, number: &Number, min: u32, max: u32) -> Option<u32> {
        self.mark(at, &number.span());
        let given = *number.get_ref();
        let value = u32::try_from(given)
            .ok()
            .filter(|value| (min..=max).contains(value));
        if value.is_none() {
            self.wrong(
                at,
                &number.span(),
                format!("{given} is outside {min} to {max}"),
            );
        }
        value
    }

    /// A port.
    pub(super) fn port(&mut self, at: &str, number: &Number) -> Option<NonZeroU16> {
        let port = self.number(at, number, 1, u16::MAX.into())?;
        NonZeroU16::new(u16::try_from(port).ok()?)
    }

    /// A number that may be absent; the state knows how much is too much.
    pub(super) fn most(&mut self, at: &str, number: Option<&Number>) -> Option<Option<NonZeroU32>> {
        match number {
            None => Some(None),
            Some(number) => Some(NonZeroU32::new(self.number(at, number, 1, u32::MAX)?)),
        }
    }

    /// A number from zero, or its default; the state knows how much is too much.
    pub(super) fn amount(
        &mut self,
        at: &str,
        number: Option<&Number>,
        default: u32,
    ) -> Option<u32> {
        match number {
            None => Some(default),
            Some(number) => self.number(at, number, 0, u32::MAX),
        }
    }

    /// Bits of an address prefix, or their default; the state knows their bounds.
    pub(super) fn bits(&mut self, at: &str, number: Option<&Number>, default: u8) -> Option<u8> {
        match number {
            None => Some(default),
            Some(number) => u8::try_from(self.number(at, number, 0, u8::MAX.into())?).ok(),
        }
    }

    /// An HTTP status; the state knows its bounds.
    pub(super) fn status(&mut self, at: &str, number: &Number) -> Option<u16> {
        let status = self.number(at, number, 0, u16::MAX.into())?;
        u16::try_from(status).ok()
    }

    /// A count of at least one, or its default; the state knows how much is too much.
    pub(super) fn count(
        &mut self,
        at: &str,
        number: Option<&Number>,
        default: NonZeroU32,
    ) -> Option<NonZeroU32> {
        match number {
            None => Some(default),
            Some(number) if *number.get_ref() == 0 => {
                self.mark(at, &number.span());
                self.wrong(at, &number.span(), "0 is too few: it is 1 at least");
                None
            }
            Some(number) => NonZeroU32::new(self.number(at, number, 1, u32::MAX)?),
        }
    }

    /// Takes a thing in under its name, which must be new.
    pub(super) fn insert<K: Ord + Display, V>(
        &mut self,
        things: &mut BTreeMap<K, V>,
        at: &str,
        word: &Word,
        (name, thing): (K, V),
    ) {
        if things.contains_key(&name) {
            self.wrong(at, &word.span(), format!("{name} is there twice"));
            return;
        }
        things.insert(name, thing);
    }
}
