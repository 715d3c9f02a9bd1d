//! PURE. One mail as it goes out: addresses parsed, fields encoded, nothing to inject.
//!
//! Every text is a value of its own until lettre writes it: non-ASCII subjects become RFC 2047
//! words, bodies get the encoding they need, and a line break in a field has no way through.

use std::time::{Duration, SystemTime};

use farmux_raft::id::UnixMillis;
use lettre::Address;
use lettre::address::AddressError;
use lettre::message::header::{ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0};
use lettre::message::{Mailbox, Message};

/// A mail before it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who sends it.
    pub from: String,
    /// To whom it is addressed; each an RFC 5321 mailbox.
    pub to: Vec<String>,
    /// In one line, as a person reads it.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// With angle brackets; the same for ever, so that receivers fold repeats.
    pub message_id: String,
    /// The mail that this one belongs to, with angle brackets.
    pub in_reply_to: Option<String>,
    /// When what it says happened: the same in every repeat.
    pub date: UnixMillis,
}

/// A mail, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) from: Address,
    pub(super) to: Vec<Address>,
    pub(super) bytes: Vec<u8>,
}

/// Why a mail cannot be written. The configuration is to be mended; sending again helps nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// Not a mailbox.
    #[error("{address} is not a mail address: {why}")]
    Address {
        /// What stands there.
        address: String,
        /// What is wrong with it.
        why: AddressError,
    },
    /// lettre refuses to put it together.
    #[error("the mail cannot be written: {0}")]
    Assembly(String),
}

impl Mail {
    /// Writes it out.
    ///
    /// **Errors**: see [`MailError`].
    pub(super) fn encode(&self) -> Result<Letter, MailError> {
        let from = address(&self.from)?;
        let to: Vec<Address> = self
            .to
            .iter()
            .map(|to| address(to))
            .collect::<Result<_, _>>()?;
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(self.date.0.min(DATE_MAX_MS));
        let mut builder = Message::builder()
            .from(Mailbox::new(None, from.clone()))
            .subject(&self.subject)
            .date(date)
            .message_id(Some(self.message_id.clone()))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            // RFC 3834: nobody's holiday notice shall answer a page.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for recipient in &to {
            builder = builder.to(Mailbox::new(None, recipient.clone()));
        }
        if let Some(parent) = &self.in_reply_to {
            builder = builder
                .in_reply_to(parent.clone())
                .references(parent.clone());
        }
        let message = builder
            .body(lines(&self.body))
            .map_err(|error| MailError::Assembly(error.to_string()))?;
        Ok(Letter {
            from,
            to,
            bytes: without_last_break(message.formatted()),
        })
    }
}

/// A text whose lines all end alike and hold no control character: a carriage return alone would
/// end one for some relays and not for others, and what follows could be a line that ends the mail.
fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), " ")
}

/// The last second of the year 9999: a date has no more digits, and whoever writes one of a clock
/// that is beyond would panic.
const DATE_MAX_MS: u64 = 253_402_300_799_000;

/// SMTP ends a letter with a line break of its own, and lettre writes one already.
fn without_last_break(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.ends_with(b"\r\n") {
        bytes.truncate(bytes.len() - 2);
    }
    bytes
}

fn address(text: &str) -> Result<Address, MailError> {
    let wrong = |why| MailError::Address {
        address: format!("{text:?}"),
        why,
    };
    let address: Address = text.parse().map_err(wrong)?;
    // lettre lets quoted local parts through, in which a line break could hide.
    if text.chars().any(char::is_control) {
        return Err(wrong(AddressError::InvalidUser));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            from: "farmux@prod".to_owned(),
            to: vec!["ops@example.com".to_owned()],
            subject: "[DOWN] prod shop/s2: connection refused".to_owned(),
            body: "text\n".to_owned(),
            message_id: "<1.ops@prod.farmux>".to_owned(),
            in_reply_to: None,
            date: UnixMillis(1_700_000_000_000),
        }
    }

    fn fields(letter: &Letter) -> Vec<String> {
        let text = String::from_utf8(letter.bytes.clone()).expect("ASCII");
        let (head, _) = text.split_once("\r\n\r\n").expect("head and body");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn a_line_break_in_a_subject_starts_no_field() {
        let plain = fields(&mail().encode().expect("a good mail"));
        let evil = Mail {
            subject: "down\r\nBcc: thief@example.com\r\n\r\nbody".to_owned(),
            in_reply_to: Some("<a>\r\nBcc: thief@example.com".to_owned()),
            ..mail()
        };
        let fields = fields(&evil.encode().expect("still a mail"));
        let names = |fields: &[String]| -> Vec<String> {
            let name = |field: &String| field.split(':').next().unwrap_or_default().to_owned();
            fields.iter().map(name).collect()
        };
        let mut wanted = names(&plain);
        wanted.extend(["In-Reply-To".to_owned(), "References".to_owned()]);
        wanted.sort();
        let mut got = names(&fields);
        got.sort();
        assert_eq!(got, wanted);
    }

    #[test]
    fn a_line_break_in_an_address_is_refused() {
        for address in ["a@b\r\nRCPT TO:<c@d>", "\"a\r\nb\"@c", "a b@c", "ops", ""] {
            let evil = Mail {
                to: vec![address.to_owned()],
                ..mail()
            };
            assert!(
                matches!(evil.encode(), Err(MailError::Address { .. })),
                "{address:?}"
            );
        }
    }

    /// Found by a fuzz target: lettre passes a carriage return alone through in a body.
    #[test]
    fn no_line_of_a_body_ends_early() {
        let evil = Mail {
            body: "one\r.\rtwo\r\nthree\0\n".to_owned(),
            ..mail()
        };
        let letter = evil.encode().expect("still a mail");
        let text = String::from_utf8(letter.bytes).expect("ASCII");
        assert!(text.ends_with("\r\n\r\none . two\r\nthree "), "{text:?}");
    }

    /// Found by a fuzz target: a clock beyond the year 9999 ended the process that mailed its page.
    #[test]
    fn a_clock_that_is_far_ahead_still_makes_a_mail() {
        for date in [DATE_MAX_MS, DATE_MAX_MS + 1_000, u64::MAX] {
            let late = Mail {
                date: UnixMillis(date),
                ..mail()
            };
            let fields = fields(&late.encode().expect("a mail"));
            let date = fields.iter().find(|field| field.starts_with("Date:"));
            assert!(
                date.is_some_and(|date| date.contains("31 Dec 9999")),
                "{date:?}"
            );
        }
    }

    #[test]
    fn every_cluster_name_makes_a_sender() {
        for cluster in ["prod", "a", "lb_1", "x.y", "0", "a-b"] {
            let good = Mail {
                from: format!("farmux@{cluster}"),
                ..mail()
            };
            assert!(good.encode().is_ok(), "{cluster}");
        }
    }
}
