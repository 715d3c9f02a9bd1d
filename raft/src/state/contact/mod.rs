//! Contacts: who is paged, and through which channels. One file a kind of channel.

mod mail;
mod snpp;
mod syslog;
mod webhook;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::FaultKind;
use super::fault::Faults;
use super::word::words;

pub use mail::{MailChannel, Relay, RelaySecurity};
pub use snpp::{SnppChannel, SnppWords};
pub use syslog::{SyslogChannel, SyslogTransport};
pub use webhook::{WebUrl, WebhookChannel, WebhookShape};

/// Somebody who is paged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Through what, 1 to 4, each kind once, in the order in which they are tried: the next when
    /// one fails.
    pub channels: Vec<Channel>,
}

/// One way to call a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Mail.
    Mail(MailChannel),
    /// An HTTP request.
    Webhook(WebhookChannel),
    /// A pager, through its provider's paging server.
    Snpp(SnppChannel),
    /// A line for a log that somebody watches.
    Syslog(SyslogChannel),
}

/// What kind of channel; a contact has each at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// Mail.
    Mail,
    /// An HTTP request.
    Webhook,
    /// A pager.
    Snpp,
    /// A line of a log.
    Syslog,
}

words!(ChannelKind {
    Mail => "mail",
    Webhook => "webhook",
    Snpp => "snpp",
    Syslog => "syslog",
});

/// A text that is written, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The text itself, for the one who must send it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Channel {
    /// Its kind.
    pub fn kind(&self) -> ChannelKind {
        match self {
            Channel::Mail(_) => ChannelKind::Mail,
            Channel::Webhook(_) => ChannelKind::Webhook,
            Channel::Snpp(_) => ChannelKind::Snpp,
            Channel::Syslog(_) => ChannelKind::Syslog,
        }
    }
}

impl Contact {
    /// By mail alone.
    pub fn by_mail(mail: MailChannel) -> Contact {
        Contact {
            channels: vec![Channel::Mail(mail)],
        }
    }

    /// Its channel of a kind.
    pub fn channel(&self, kind: ChannelKind) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.kind() == kind)
    }

    /// Its mail channel.
    pub fn mail(&self) -> Option<&MailChannel> {
        self.channels.iter().find_map(|channel| match channel {
            Channel::Mail(mail) => Some(mail),
            Channel::Webhook(_) | Channel::Snpp(_) | Channel::Syslog(_) => None,
        })
    }

    /// What is wrong with it.
    pub(super) fn check(&self, at: &str, faults: &mut Faults) {
        if self.channels.is_empty() {
            faults.add(at, FaultKind::NoChannel);
        }
        for channel in &self.channels {
            let here = format!("{at}.{}", channel.kind());
            match channel {
                Channel::Mail(mail) => mail.check(&here, faults),
                Channel::Webhook(webhook) => webhook.check(&here, faults),
                Channel::Snpp(snpp) => snpp.check(&here, faults),
                Channel::Syslog(syslog) => syslog.check(&here, faults),
            }
        }
    }
}
