//! A run in steps, and beside it what it was expected to show: every answer, every page, no other.
//!
//! ```text
//!   step ── breaks or mends something, looks at answers ── waits for the pages that it must bring
//!              an answer that is not as expected  ─▶ missed
//!              a page that does not come in time  ─▶ missed
//!              a page that no step expected       ─▶ unexpected
//! ```

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::lab::mail::{Mail, MailServer};
use crate::lab::wait;

/// A page comes within seconds; a busy machine gets more.
const PAGES_WITHIN: Duration = Duration::from_secs(60);

/// Nothing tells that no further page will come but time: longer than a page is held while its
/// parents are asked, and than the first retries of a delivery.
const NO_MORE_WITHIN: Duration = Duration::from_secs(5);

/// A script that is being run; it tells each step as it ends.
pub struct Script {
    name: String,
    mail: MailServer,
    tell: Box<dyn Fn(&str)>,
    start: Instant,
    /// `Message-ID` of every page that was counted: a repeat has the same, and receivers fold it.
    known: BTreeSet<String>,
    steps: usize,
    pages: usize,
    unexpected: Vec<String>,
    missed: Vec<String>,
}

impl Script {
    /// A script that tells by `tell`, and finds its pages at `mail`.
    pub fn new(name: &str, mail: MailServer, tell: impl Fn(&str) + 'static) -> Script {
        Script {
            name: name.to_owned(),
            mail,
            tell: Box::new(tell),
            start: Instant::now(),
            known: BTreeSet::new(),
            steps: 0,
            pages: 0,
            unexpected: Vec::new(),
            missed: Vec::new(),
        }
    }

    /// Tells something beside the steps: a figure.
    pub fn note(&self, text: &str) {
        (self.tell)(&format!("{} {text}", self.name));
    }

    /// One step: `work` does something and looks at the answers; each of `pages` comes once.
    ///
    /// A page is the beginning of a subject, or several parts of it with `…` between them.
    pub fn step(&mut self, title: &str, pages: &[&str], work: impl FnOnce() -> Result<()>) {
        let start = Instant::now();
        self.steps += 1;
        let before = self.unexpected.len() + self.missed.len();
        if let Err(wrong) = work() {
            self.missed.push(format!("{title}: {wrong:#}"));
        }
        let mut awaited: Vec<&str> = pages.to_vec();
        // Whatever did not come, is reported below.
        let _ = wait::until_true("the pages of this step", PAGES_WITHIN, || {
            self.count(title, &mut awaited);
            awaited.is_empty()
        });
        for page in awaited {
            self.missed.push(format!("{title}: no page {page:?}"));
        }
        let wrong = self.unexpected.iter().chain(&self.missed);
        let wrong: Vec<&String> = match self.unexpected.len() + self.missed.len() > before {
            true => wrong.filter(|text| text.starts_with(title)).collect(),
            false => vec![],
        };
        let verdict = if wrong.is_empty() { "ok" } else { "WRONG" };
        let seconds = start.elapsed().as_secs_f32();
        (self.tell)(&format!(
            "{} {:3.0}s step {}: {title}: {verdict} ({seconds:.1} s, pages: {})",
            self.name,
            self.start.elapsed().as_secs_f32(),
            self.steps,
            pages.len()
        ));
        for text in wrong {
            (self.tell)(&format!("  {text}"));
        }
    }

    /// Waits for what may still come, and tells the sum of it all.
    ///
    /// **Errors**: something was missed, or came unexpectedly; nothing of it is new by now.
    pub fn finish(mut self) -> Result<()> {
        let mail = &self.mail;
        let count = mail.mails().len();
        // What comes late is counted below.
        let _ = wait::throughout("no more pages", NO_MORE_WITHIN, || {
            mail.mails().len() == count
        });
        self.count("after the last step", &mut vec![]);
        (self.tell)(&format!(
            "{} steps={} pages={} unexpected={} missed={}",
            self.name,
            self.steps,
            self.pages,
            self.unexpected.len(),
            self.missed.len()
        ));
        ensure!(
            self.unexpected.is_empty(),
            "unexpected: {:#?}",
            self.unexpected
        );
        if !self.missed.is_empty() {
            bail!("missed: {:#?}", self.missed);
        }
        Ok(())
    }

    /// Takes what is new from the mailbox, and strikes it from what is awaited.
    fn count(&mut self, title: &str, awaited: &mut Vec<&str>) {
        for mail in self.mail.mails() {
            if !self.known.insert(id(&mail)) {
                continue;
            }
            self.pages += 1;
            match awaited.iter().position(|page| is(&mail.subject, page)) {
                Some(place) => drop(awaited.remove(place)),
                None => {
                    let text = format!("{title}: unexpected page {:?}", mail.subject);
                    self.unexpected.push(text);
                }
            }
        }
    }
}

fn id(mail: &Mail) -> String {
    mail.field("message-id")
        .unwrap_or_else(|| mail.text.clone())
}

/// Whether a subject begins with the first part of `page`, and has the others behind it in order.
fn is(subject: &str, page: &str) -> bool {
    let mut parts = page.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = subject.strip_prefix(first) else {
        return false;
    };
    parts.all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::is;

    #[test]
    fn a_page_is_known_by_its_parts_in_order() {
        let subject = "[DOWN] prod fs1: timeout after 1 s (6 servers in 1 farm affected)";
        assert!(is(subject, "[DOWN] prod fs1: "));
        assert!(is(
            subject,
            "[DOWN] prod fs1: …6 servers in 1 farm affected"
        ));
        assert!(is(subject, "…fs1…timeout…affected)"));
        assert!(!is(subject, "[DOWN] prod fs1: …7 servers"));
        assert!(!is(subject, "[UP] prod fs1"));
        assert!(!is(subject, "…affected…fs1"));
        assert!(!is(subject, "fs1"));
    }
}
