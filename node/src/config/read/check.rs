//! Reads checks, each kind with the fields that it has.

use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use farmux_raft::state::{
    Check, CheckKind, DnsCheck, ExecCheck, FtpCheck, HttpCheck, HttpsCheck, NfsCheck, Protocol,
    Secret, UdpCheck,
};
use toml::Spanned;

use super::super::document::{CheckTable, Number, Word};
use super::super::reader::Reader;
use super::password;

/// Reads a check; `stored` is the one whose password may be kept.
pub(super) fn check(
    reader: &mut Reader<'_>,
    at: &str,
    table: &CheckTable,
    stored: Option<&Check>,
) -> Option<Check> {
    let here = |field: &str| format!("{at}.{field}");
    if table.kind.get_ref().is_empty() {
        reader.missing(at, "a check needs a kind, as in kind = \"http\"");
        return None;
    }
    reader.mark(at, &table.kind.span());
    let kind = kind(reader, at, table, stored);
    let interval = table.interval.as_ref();
    let interval = reader.duration(&here("interval"), interval, INTERVAL_DEFAULT);
    let timeout_default = TIMEOUT_DEFAULT.min(interval.unwrap_or(INTERVAL_DEFAULT));
    let timeout = reader.duration(&here("timeout"), table.timeout.as_ref(), timeout_default);
    let fall = reader.count(&here("fall"), table.fall.as_ref(), FALL_DEFAULT);
    let rise = reader.count(&here("rise"), table.rise.as_ref(), RISE_DEFAULT);
    Some(Check {
        kind: kind?,
        interval: interval?,
        timeout: timeout?,
        fall: fall?,
        rise: rise?,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Probed {
    Tcp,
    Http,
    Https,
    Ftp,
    Nfs,
    Greeting(Protocol),
    Dns,
    Icmp,
    Udp,
    Exec,
}

/// The kinds by their words, in the order in which they are offered.
const KINDS: [(&str, Probed); 16] = [
    ("tcp", Probed::Tcp),
    ("http", Probed::Http),
    ("https", Probed::Https),
    ("ftp", Probed::Ftp),
    ("nfs", Probed::Nfs),
    ("smtp", Probed::Greeting(Protocol::Smtp)),
    ("pop3", Probed::Greeting(Protocol::Pop3)),
    ("imap", Probed::Greeting(Protocol::Imap)),
    ("ssh", Probed::Greeting(Protocol::Ssh)),
    ("redis", Probed::Greeting(Protocol::Redis)),
    ("postgres", Probed::Greeting(Protocol::Postgres)),
    ("mysql", Probed::Greeting(Protocol::Mysql)),
    ("dns", Probed::Dns),
    ("icmp", Probed::Icmp),
    ("udp", Probed::Udp),
    ("exec", Probed::Exec),
];

fn kind(
    reader: &mut Reader<'_>,
    at: &str,
    table: &CheckTable,
    stored: Option<&Check>,
) -> Option<CheckKind> {
    let probed = reader.choice(&format!("{at}.kind"), &table.kind, &KINDS, &[])?;
    for (field, span, owners) in own_fields(table) {
        let Some(span) = span else { continue };
        let here = format!("{at}.{field}");
        reader.mark(&here, &span);
        if !owners.contains(&probed) {
            let kinds = KINDS.iter().filter(|(_, kind)| owners.contains(kind));
            let kinds: Vec<String> = kinds.map(|(word, _)| format!("{word:?}")).collect();
            let kinds = kinds.join(" or ");
            reader.wrong(
                &here,
                &span,
                format!("only a check of kind {kinds} has this"),
            );
        }
    }
    match probed {
        Probed::Tcp => Some(CheckKind::Tcp),
        Probed::Http => http(reader, at, table).map(CheckKind::Http),
        Probed::Https => https(reader, at, table).map(CheckKind::Https),
        Probed::Ftp => ftp(reader, at, table, stored).map(CheckKind::Ftp),
        Probed::Nfs => nfs(reader, at, table).map(CheckKind::Nfs),
        Probed::Greeting(protocol) => Some(CheckKind::Greeting(protocol)),
        Probed::Dns => dns(reader, at, table).map(CheckKind::Dns),
        Probed::Icmp => Some(CheckKind::Icmp),
        Probed::Udp => udp(reader, at, table).map(CheckKind::Udp),
        Probed::Exec => exec(reader, at, table).map(CheckKind::Exec),
    }
}

type OwnField = (&'static str, Option<Range<usize>>, &'static [Probed]);

/// The fields that only some kinds have.
fn own_fields(table: &CheckTable) -> Vec<OwnField> {
    let word = |word: &Option<Word>| word.as_ref().map(Word::span);
    let number = |number: &Option<Number>| number.as_ref().map(Number::span);
    let yes = |yes: &Option<Spanned<bool>>| yes.as_ref().map(Spanned::span);
    const WEB: &[Probed] = &[Probed::Http, Probed::Https];
    vec![
        ("path", word(&table.path), WEB),
        ("host", word(&table.host), WEB),
        ("text", word(&table.text), WEB),
        ("status", number(&table.status), WEB),
        ("obey", yes(&table.obey), WEB),
        ("verify", yes(&table.verify), &[Probed::Https]),
        ("days_left", number(&table.days_left), &[Probed::Https]),
        ("user", word(&table.user), &[Probed::Ftp]),
        (
            "password",
            table.password.as_ref().map(Spanned::span),
            &[Probed::Ftp],
        ),
        ("fetch", word(&table.fetch), &[Probed::Ftp]),
        ("transport", word(&table.transport), &[Probed::Nfs]),
        ("version", number(&table.version), &[Probed::Nfs]),
        ("portmapper", yes(&table.portmapper), &[Probed::Nfs]),
        ("name", word(&table.name), &[Probed::Dns]),
        ("record", word(&table.record), &[Probed::Dns]),
        ("value", word(&table.value), &[Probed::Dns]),
        ("send", word(&table.send), &[Probed::Udp]),
        ("expect", word(&table.expect), &[Probed::Udp]),
        ("command", word(&table.command), &[Probed::Exec]),
        (
            "arguments",
            table.arguments.as_ref().map(Spanned::span),
            &[Probed::Exec],
        ),
    ]
}

/// Whether a switch is on.
fn on(switch: &Option<Spanned<bool>>, default: bool) -> bool {
    switch.as_ref().map_or(default, |switch| *switch.get_ref())
}

fn https(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<HttpsCheck> {
    let days = table.days_left.as_ref();
    Some(HttpsCheck {
        http: http(reader, at, table)?,
        verify: on(&table.verify, true),
        days_left: reader.amount(&format!("{at}.days_left"), days, 0)?,
    })
}

fn dns(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<DnsCheck> {
    let record = reader.word(&format!("{at}.record"), table.record.as_ref());
    let Some(name) = text(&table.name) else {
        let what = "a check of kind \"dns\" needs a name to look up";
        reader.wrong(at, &table.kind.span(), what);
        return None;
    };
    Some(DnsCheck {
        name,
        record: record?,
        value: text(&table.value),
    })
}

fn udp(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<UdpCheck> {
    let Some(send) = text(&table.send) else {
        let what = "a check of kind \"udp\" needs something to send";
        reader.wrong(at, &table.kind.span(), what);
        return None;
    };
    Some(UdpCheck {
        send,
        expect: text(&table.expect).unwrap_or_default(),
    })
}

fn text(word: &Option<Word>) -> Option<String> {
    word.as_ref().map(|word| word.get_ref().clone())
}

fn http(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<HttpCheck> {
    let status = match &table.status {
        None => STATUS_DEFAULT,
        Some(number) => reader.status(&format!("{at}.status"), number)?,
    };
    Some(HttpCheck {
        path: text(&table.path).unwrap_or_else(|| "/".to_owned()),
        host: text(&table.host),
        status,
        text: text(&table.text),
        obey: on(&table.obey, false),
    })
}

fn ftp(
    reader: &mut Reader<'_>,
    at: &str,
    table: &CheckTable,
    stored: Option<&Check>,
) -> Option<FtpCheck> {
    let user = text(&table.user).unwrap_or_else(|| USER_DEFAULT.to_owned());
    let kept = match stored.map(|check| &check.kind) {
        Some(CheckKind::Ftp(ftp)) if ftp.user == user => Some(&ftp.password),
        Some(
            CheckKind::Ftp(_)
            | CheckKind::Tcp
            | CheckKind::Http(_)
            | CheckKind::Https(_)
            | CheckKind::Nfs(_)
            | CheckKind::Greeting(_)
            | CheckKind::Dns(_)
            | CheckKind::Icmp
            | CheckKind::Udp(_)
            | CheckKind::Exec(_),
        )
        | None => None,
    };
    let password = match &table.password {
        None => Secret::new(PASSWORD_DEFAULT.to_owned()),
        Some(word) => password(reader, at, word, kept, "check and user")?,
    };
    Some(FtpCheck {
        user,
        password,
        fetch: text(&table.fetch),
    })
}

fn nfs(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<NfsCheck> {
    let version = table.version.as_ref();
    let version = reader.amount(&format!("{at}.version"), version, NFS_VERSION_DEFAULT);
    let transport = reader.word(&format!("{at}.transport"), table.transport.as_ref());
    let version = version?;
    let asked = table.portmapper.as_ref().map(|asked| *asked.get_ref());
    Some(NfsCheck {
        transport: transport?,
        version,
        portmapper: asked.unwrap_or(version == NFS_VERSION_DEFAULT),
    })
}

fn exec(reader: &mut Reader<'_>, at: &str, table: &CheckTable) -> Option<ExecCheck> {
    let Some(command) = text(&table.command) else {
        let what = "a check of kind \"exec\" needs a command, the name of a file in exec_dir";
        reader.wrong(at, &table.kind.span(), what);
        return None;
    };
    let arguments = table.arguments.as_ref();
    Some(ExecCheck {
        command,
        arguments: arguments.map_or_else(Vec::new, |words| words.get_ref().clone()),
    })
}

/// Often enough to page within a quarter of a minute, seldom enough not to be noticed.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);

/// A server that needs longer than the interval is down in its users' eyes.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// As in HAProxy: one lost packet is no outage.
const FALL_DEFAULT: NonZeroU32 = NonZeroU32::new(3).expect("not zero");

/// As in HAProxy: once can be luck.
const RISE_DEFAULT: NonZeroU32 = NonZeroU32::new(2).expect("not zero");

/// OK. **Source**: RFC 9110, 15.3.1.
const STATUS_DEFAULT: u16 = 200;

/// **Source**: RFC 1635.
const USER_DEFAULT: &str = "anonymous";

/// Anonymous servers ask for a mail address by custom. **Source**: RFC 1635.
pub(in crate::config) const PASSWORD_DEFAULT: &str = "farmux@";

/// What most clients mount; it needs the portmapper, which version 4 does not (RFC 7530, 3.2).
const NFS_VERSION_DEFAULT: u32 = 3;
