//! Reads checks, each kind with the fields that it has.

use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use farmux_raft::state::{Check, CheckKind, ExecCheck, FtpCheck, HttpCheck, NfsCheck, Secret};

use super::super::document::{CheckTable, Word};
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
    Ftp,
    Nfs,
    Exec,
}

/// The kinds by their words, in the order in which they are offered.
const KINDS: [(&str, Probed); 5] = [
    ("tcp", Probed::Tcp),
    ("http", Probed::Http),
    ("ftp", Probed::Ftp),
    ("nfs", Probed::Nfs),
    ("exec", Probed::Exec),
];

fn kind(
    reader: &mut Reader<'_>,
    at: &str,
    table: &CheckTable,
    stored: Option<&Check>,
) -> Option<CheckKind> {
    let probed = reader.choice(
        &format!("{at}.kind"),
        &table.kind,
        &KINDS,
        &["https", "udp"],
    )?;
    for (field, span, owner) in own_fields(table) {
        let Some(span) = span else { continue };
        let here = format!("{at}.{field}");
        reader.mark(&here, &span);
        if owner != probed {
            let kind = KINDS
                .iter()
                .find(|(_, kind)| *kind == owner)
                .map_or("", |(word, _)| word);
            reader.wrong(
                &here,
                &span,
                format!("only a check of kind {kind:?} has this"),
            );
        }
    }
    match probed {
        Probed::Tcp => Some(CheckKind::Tcp),
        Probed::Http => http(reader, at, table).map(CheckKind::Http),
        Probed::Ftp => ftp(reader, at, table, stored).map(CheckKind::Ftp),
        Probed::Nfs => nfs(reader, at, table).map(CheckKind::Nfs),
        Probed::Exec => exec(reader, at, table).map(CheckKind::Exec),
    }
}

type OwnField = (&'static str, Option<Range<usize>>, Probed);

/// The fields that only one kind has.
fn own_fields(table: &CheckTable) -> [OwnField; 12] {
    let word = |word: &Option<Word>| word.as_ref().map(Word::span);
    [
        ("path", word(&table.path), Probed::Http),
        ("host", word(&table.host), Probed::Http),
        ("text", word(&table.text), Probed::Http),
        (
            "status",
            table.status.as_ref().map(toml::Spanned::span),
            Probed::Http,
        ),
        ("user", word(&table.user), Probed::Ftp),
        (
            "password",
            table.password.as_ref().map(toml::Spanned::span),
            Probed::Ftp,
        ),
        ("fetch", word(&table.fetch), Probed::Ftp),
        ("transport", word(&table.transport), Probed::Nfs),
        (
            "version",
            table.version.as_ref().map(toml::Spanned::span),
            Probed::Nfs,
        ),
        (
            "portmapper",
            table.portmapper.as_ref().map(toml::Spanned::span),
            Probed::Nfs,
        ),
        ("command", word(&table.command), Probed::Exec),
        (
            "arguments",
            table.arguments.as_ref().map(toml::Spanned::span),
            Probed::Exec,
        ),
    ]
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
            | CheckKind::Nfs(_)
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
