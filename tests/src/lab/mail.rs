//! A mail server that really speaks SMTP: Debian's aiosmtpd, which puts each mail into a Maildir.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};

use super::network::Host;
use super::process::Process;
use super::{Lab, RELAY, wait};

/// How long it may take to listen: Python starts slowly on a busy machine.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// The Python that Debian's packages belong to; one of pyenv would not find aiosmtpd.
const PYTHON: &str = "/usr/bin/python3";

/// A mail as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The `Subject` field, unfolded.
    pub subject: String,
    /// The whole mail.
    pub text: String,
    /// When it was put into the mailbox.
    pub arrived: SystemTime,
}

impl Mail {
    /// The value of a header field, unfolded; names are compared without case.
    pub fn field(&self, name: &str) -> Option<String> {
        field(&self.text, name)
    }
}

/// The mail server and its one mailbox.
#[derive(Debug)]
pub struct MailServer {
    host: Host,
    mailbox: PathBuf,
    process: Option<Process>,
}

impl MailServer {
    /// Starts host `mail` and waits until it takes connections on port 25.
    ///
    /// **Errors**: aiosmtpd is not installed, or does not listen in time.
    pub fn start(lab: &Lab) -> Result<MailServer> {
        let host = lab.host("mail", RELAY)?;
        let mailbox = lab.folder().join("mailbox");
        let mut server = MailServer {
            host,
            mailbox,
            process: None,
        };
        server.back()?;
        Ok(server)
    }

    /// Ends it: mail is refused from now on.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again with the mailbox it had.
    ///
    /// **Errors**: it does not listen in time.
    pub fn back(&mut self) -> Result<()> {
        let mut command = self.host.command(PYTHON);
        command
            .args(["-m", "aiosmtpd", "--nosetuid", "--listen"])
            .arg(format!("{RELAY}:25"));
        command
            .args(["--class", "aiosmtpd.handlers.Mailbox"])
            .arg(&self.mailbox);
        let process = self.host.spawn(self.host.name(), command)?;
        wait::until_true("the mail server listens", STARTS_WITHIN, || {
            self.host.within(|| TcpStream::connect((RELAY, 25)).is_ok())
        })?;
        if !process.is_running() {
            bail!("the mail server ended: {}", process.log());
        }
        self.process = Some(process);
        Ok(())
    }

    /// Every mail so far, oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.mailbox.join("new"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(text) = fs::read_to_string(entry.path()) else {
                continue;
            };
            let Ok(arrived) = entry.metadata().and_then(|data| data.modified()) else {
                continue;
            };
            let subject = field(&text, "subject").unwrap_or_default();
            found.push(Mail {
                subject,
                text,
                arrived,
            });
        }
        found.sort_by_key(|mail| mail.arrived);
        found
    }

    /// The mails but those of a machine so busy that a node or the VIP's owner was late for once.
    pub fn steady(&self) -> Vec<Mail> {
        let late = |mail: &Mail| {
            let subject = &mail.subject;
            subject.contains(" prod node ") || subject.contains(" prod VIP ")
        };
        self.mails()
            .into_iter()
            .filter(|mail| !late(mail))
            .collect()
    }

    /// The mails whose subject contains `part`.
    pub fn about(&self, part: &str) -> Vec<Mail> {
        self.mails()
            .into_iter()
            .filter(|mail| mail.subject.contains(part))
            .collect()
    }

    /// Waits for a mail whose subject contains `part`.
    ///
    /// **Errors**: none came within `limit`; says which did.
    pub fn wait_for(&self, part: &str, limit: Duration) -> Result<Mail> {
        let came = wait::until(part, limit, || self.about(part).into_iter().next());
        came.or_else(|_| {
            let subjects: Vec<String> = self.mails().into_iter().map(|mail| mail.subject).collect();
            bail!("no mail about {part:?} within {limit:?}; there are {subjects:#?}")
        })
    }
}

/// A header field with its continuation lines (RFC 5322, 2.2.3).
fn field(text: &str, name: &str) -> Option<String> {
    let head = text.split("\n\n").next()?;
    let mut lines = head.lines().skip_while(|line| {
        !line
            .split_once(':')
            .is_some_and(|(have, _)| have.eq_ignore_ascii_case(name))
    });
    let mut value = lines.next()?.split_once(':')?.1.trim().to_owned();
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn folded_fields_are_unfolded() {
        let mail = "To: a@b\nSubject: [DOWN] prod\n shop/s2: refused\nFrom: c@d\n\nSubject: no\n";
        assert_eq!(
            field(mail, "subject").as_deref(),
            Some("[DOWN] prod shop/s2: refused")
        );
        assert_eq!(field(mail, "from").as_deref(), Some("c@d"));
        assert_eq!(field(mail, "cc"), None);
    }
}
