//! Watches and checks as the tables of a document: what they are, and what is changed of them.

use std::ops::Range;

use farmux_raft::state::{
    Check, CheckKind, ExecCheck, FtpCheck, HttpCheck, NfsCheck, Watch, duration_text,
};
use toml::Spanned;

use super::super::document::{CheckTable, Number, Password, Stored, WatchTable, Word};
use super::fields::{CheckFields, WatchFields};

/// Nothing of it stands in a text.
const NOWHERE: Range<usize> = 0..0;

pub(super) fn word(text: impl ToString) -> Word {
    Spanned::new(NOWHERE, text.to_string())
}

fn number(number: impl Into<i64>) -> Number {
    Spanned::new(NOWHERE, number.into())
}

/// A table in which nothing is written.
pub(super) fn blank() -> CheckTable {
    CheckTable {
        kind: word(""),
        path: None,
        host: None,
        status: None,
        text: None,
        obey: None,
        verify: None,
        days_left: None,
        name: None,
        record: None,
        value: None,
        send: None,
        expect: None,
        user: None,
        password: None,
        fetch: None,
        transport: None,
        version: None,
        portmapper: None,
        command: None,
        arguments: None,
        interval: None,
        timeout: None,
        fall: None,
        rise: None,
    }
}

/// A check as a table that says everything, its password too.
pub(in crate::config) fn check_table(check: &Check) -> CheckTable {
    let pace = CheckTable {
        kind: word(check.kind.word()),
        interval: Some(word(duration_text(check.interval))),
        timeout: Some(word(duration_text(check.timeout))),
        fall: Some(number(check.fall.get())),
        rise: Some(number(check.rise.get())),
        ..blank()
    };
    match &check.kind {
        CheckKind::Tcp | CheckKind::Icmp | CheckKind::Greeting(_) => pace,
        CheckKind::Http(http) => http_table(http, pace),
        CheckKind::Https(https) => CheckTable {
            verify: Some(Spanned::new(NOWHERE, https.verify)),
            days_left: Some(number(https.days_left)),
            ..http_table(&https.http, pace)
        },
        CheckKind::Dns(dns) => CheckTable {
            name: Some(word(&dns.name)),
            record: Some(word(dns.record)),
            value: dns.value.as_ref().map(word),
            ..pace
        },
        CheckKind::Udp(udp) => CheckTable {
            send: Some(word(&udp.send)),
            expect: Some(word(&udp.expect)),
            ..pace
        },
        CheckKind::Ftp(FtpCheck {
            user,
            password,
            fetch,
        }) => CheckTable {
            user: Some(word(user)),
            password: Some(written(password.reveal())),
            fetch: fetch.as_ref().map(word),
            ..pace
        },
        CheckKind::Nfs(NfsCheck {
            transport,
            version,
            portmapper,
        }) => CheckTable {
            transport: Some(word(transport)),
            version: Some(number(*version)),
            portmapper: Some(Spanned::new(NOWHERE, *portmapper)),
            ..pace
        },
        CheckKind::Exec(ExecCheck { command, arguments }) => CheckTable {
            command: Some(word(command)),
            arguments: Some(Spanned::new(NOWHERE, arguments.clone())),
            ..pace
        },
    }
}

fn http_table(http: &HttpCheck, pace: CheckTable) -> CheckTable {
    CheckTable {
        path: Some(word(&http.path)),
        host: http.host.as_ref().map(word),
        status: Some(number(http.status)),
        text: http.text.as_ref().map(word),
        obey: http.obey.then(|| Spanned::new(NOWHERE, true)),
        ..pace
    }
}

fn written(password: &str) -> Spanned<Password> {
    Spanned::new(NOWHERE, Password::Written(password.to_owned()))
}

/// A watch as a table. Its password is called stored, so that it follows the watch nowhere else.
pub(super) fn watch_table(name: &str, watch: &Watch) -> WatchTable {
    let labels = watch.labels.iter();
    let check = watch.check.as_ref().map(|check| {
        let table = check_table(check);
        let kept = || Spanned::new(NOWHERE, Password::Stored(Stored { stored: true }));
        CheckTable {
            password: table.password.is_some().then(kept),
            ..table
        }
    });
    WatchTable {
        name: word(name),
        address: word(watch.address),
        port: watch.port.map(|port| number(port.get())),
        group: watch.group.as_ref().map(word),
        labels: labels
            .map(|(label, value)| (label.clone(), word(value)))
            .collect(),
        check: check.map(Box::new),
        depends_on: watch.depends_on.iter().map(word).collect(),
        ladder: watch.ladder.as_ref().map(word),
    }
}

/// A watch of which nothing but its name is known.
pub(super) fn new_watch(name: &str) -> WatchTable {
    WatchTable {
        name: word(name),
        address: word(""),
        port: None,
        group: None,
        labels: Default::default(),
        check: None,
        depends_on: Vec::new(),
        ladder: None,
    }
}

impl CheckTable {
    /// What is written here, and where nothing is, what `base` says.
    pub(in crate::config) fn over(self, base: CheckTable) -> CheckTable {
        CheckTable {
            kind: match self.kind.get_ref().is_empty() {
                true => base.kind,
                false => self.kind,
            },
            path: self.path.or(base.path),
            host: self.host.or(base.host),
            status: self.status.or(base.status),
            text: self.text.or(base.text),
            obey: self.obey.or(base.obey),
            verify: self.verify.or(base.verify),
            days_left: self.days_left.or(base.days_left),
            name: self.name.or(base.name),
            record: self.record.or(base.record),
            value: self.value.or(base.value),
            send: self.send.or(base.send),
            expect: self.expect.or(base.expect),
            user: self.user.or(base.user),
            password: self.password.or(base.password),
            fetch: self.fetch.or(base.fetch),
            transport: self.transport.or(base.transport),
            version: self.version.or(base.version),
            portmapper: self.portmapper.or(base.portmapper),
            command: self.command.or(base.command),
            arguments: self.arguments.or(base.arguments),
            interval: self.interval.or(base.interval),
            timeout: self.timeout.or(base.timeout),
            fall: self.fall.or(base.fall),
            rise: self.rise.or(base.rise),
        }
    }

    /// Its pace alone: all that two kinds have in common.
    pub(super) fn pace(self) -> CheckTable {
        CheckTable {
            interval: self.interval,
            timeout: self.timeout,
            fall: self.fall,
            rise: self.rise,
            ..blank()
        }
    }
}

impl CheckFields {
    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        *self == CheckFields::default()
    }

    fn table(&self) -> CheckTable {
        let word = |text: &Option<String>| text.as_ref().map(word);
        let number = |given: &Option<i64>| given.map(number);
        let switch = |given: &Option<bool>| given.map(|on| Spanned::new(NOWHERE, on));
        let password = self.password.as_ref();
        let arguments = self.arguments.clone();
        CheckTable {
            kind: self.kind.as_ref().map_or_else(|| blank().kind, self::word),
            path: word(&self.path),
            host: word(&self.host),
            status: number(&self.status),
            text: word(&self.text),
            obey: switch(&self.obey),
            verify: switch(&self.verify),
            days_left: number(&self.days_left),
            name: word(&self.name),
            record: word(&self.record),
            value: word(&self.value),
            send: word(&self.send),
            expect: word(&self.expect),
            user: word(&self.user),
            password: password.map(|password| written(password.reveal())),
            fetch: word(&self.fetch),
            transport: word(&self.transport),
            version: number(&self.version),
            portmapper: switch(&self.portmapper),
            command: word(&self.command),
            arguments: arguments.map(|words| Spanned::new(NOWHERE, words)),
            interval: word(&self.interval),
            timeout: word(&self.timeout),
            fall: number(&self.fall),
            rise: number(&self.rise),
        }
    }
}

impl WatchFields {
    /// The table with what is said here changed.
    pub(super) fn change(&self, mut table: WatchTable) -> WatchTable {
        if let Some(address) = &self.address {
            table.address = word(address);
        }
        match self.port {
            Some(0) => table.port = None,
            Some(port) => table.port = Some(number(port)),
            None => {}
        }
        match self.group.as_deref() {
            Some("") => table.group = None,
            Some(group) => table.group = Some(word(group)),
            None => {}
        }
        table
            .labels
            .retain(|label, _| !self.unlabel.contains(label));
        let labels = self.labels.iter();
        table
            .labels
            .extend(labels.map(|(label, value)| (label.clone(), word(value))));
        let check = self.change_check(table.check.map(|check| *check));
        table.check = check.map(Box::new);
        table
            .depends_on
            .retain(|parent| !self.not_depends_on.contains(parent.get_ref()));
        table.depends_on.extend(self.depends_on.iter().map(word));
        if let Some(ladder) = &self.ladder {
            table.ladder = (!ladder.is_empty()).then(|| word(ladder));
        }
        table
    }

    fn change_check(&self, before: Option<CheckTable>) -> Option<CheckTable> {
        let before = before.filter(|_| !self.inherit_check);
        if self.check.is_empty() {
            return before;
        }
        let written = self.check.table();
        Some(match before {
            None => written,
            Some(before) => {
                let kind = written.kind.get_ref();
                let same = kind.is_empty() || kind == before.kind.get_ref();
                written.over(if same { before } else { before.pace() })
            }
        })
    }
}
