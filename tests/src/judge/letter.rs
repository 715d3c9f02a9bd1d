//! PURE. What a mail says: its fields, its text, and which transitions it names.

/// Whether a thing went down or came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// It works no more.
    Down,
    /// It works again.
    Up,
}

/// One transition that a message names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which way.
    pub turn: Turn,
    /// The name of the server, `farm/server`, or `node NAME`.
    pub what: String,
}

/// A mail, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// `Message-ID` as it stands.
    pub id: String,
    /// `Subject`, unfolded.
    pub subject: String,
    /// The names and values of all fields, unfolded.
    pub fields: Vec<(String, String)>,
    /// The body as a person reads it.
    pub body: String,
}

impl Letter {
    /// Reads the bytes of a mail; what is not UTF-8 is replaced.
    pub fn read(raw: &[u8]) -> Letter {
        let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let unfolded = head.replace("\n ", " ").replace("\n\t", " ");
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let fields: Vec<(String, String)> = unfolded.lines().filter_map(field).collect();
        let value = |name: &str| {
            let found = fields.iter().find(|(have, _)| have == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let encoding = value("content-transfer-encoding");
        let body = match encoding.eq_ignore_ascii_case("quoted-printable") {
            true => unquoted(body),
            false => body.to_owned(),
        };
        Letter {
            id: value("message-id"),
            subject: value("subject"),
            fields,
            body,
        }
    }

    /// The transitions that it names; none: it is about something else.
    ///
    /// Here, and nowhere else, the tests know how pages and digests are worded:
    ///
    /// ```text
    ///   Subject: [DOWN] prod http-000: connection refused (…)      one page
    ///   Subject: [UP] [UNCOMMITTED] prod http-000: up again
    ///
    ///   What happened:                                             a digest: its body counts,
    ///   DOWN http-000: connection refused                          up to the first empty line;
    ///   UP ftp-001: up again                                       notices name nothing
    /// ```
    pub fn says(&self) -> Vec<Said> {
        let mut lines = self
            .body
            .lines()
            .skip_while(|line| *line != "What happened:");
        if lines.next().is_some() {
            let said = lines
                .take_while(|line| !line.is_empty())
                .filter_map(|line| {
                    let (turn, rest) = turned(line.trim_start(), "DOWN ", "UP ")?;
                    Some(said(turn, rest))
                });
            return said.collect();
        }
        let found = turned(&self.subject, "[DOWN] ", "[UP] ").and_then(|(turn, rest)| {
            let rest = rest.strip_prefix("[UNCOMMITTED] ").unwrap_or(rest);
            let (_cluster, rest) = rest.split_once(' ')?;
            Some(said(turn, rest))
        });
        found.into_iter().collect()
    }
}

fn turned<'a>(text: &'a str, down: &str, up: &str) -> Option<(Turn, &'a str)> {
    let is_down = text.strip_prefix(down).map(|rest| (Turn::Down, rest));
    is_down.or_else(|| text.strip_prefix(up).map(|rest| (Turn::Up, rest)))
}

fn said(turn: Turn, rest: &str) -> Said {
    let what = rest.split_once(": ").map_or(rest, |(what, _)| what);
    let what = what.trim().to_owned();
    Said { turn, what }
}

/// **Source**: RFC 2045, 6.7.
fn unquoted(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let code = behind.get(..2).filter(|_| *first == b'=');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(subject: &str, body: &str) -> Vec<(Turn, String)> {
        let raw = format!("Message-ID: <1@a>\r\nSubject: {subject}\r\n\r\n{body}");
        let letter = Letter::read(raw.as_bytes());
        assert_eq!(letter.id, "<1@a>");
        let said = letter.says().into_iter();
        said.map(|said| (said.turn, said.what)).collect()
    }

    #[test]
    fn pages_and_digests_name_what_happened() {
        let one = |turn, what: &str| vec![(turn, what.to_owned())];
        for (subject, wanted) in [
            (
                "[DOWN] prod http-000: refused (x)",
                one(Turn::Down, "http-000"),
            ),
            (
                "[DOWN]\r\n prod\r\n http-000:\r\n refused",
                one(Turn::Down, "http-000"),
            ),
            ("[UP] prod shop/s2: up again", one(Turn::Up, "shop/s2")),
            ("[DOWN] [UNCOMMITTED] prod a: b: c", one(Turn::Down, "a")),
            (
                "[DOWN] prod node lb1: unreachable",
                one(Turn::Down, "node lb1"),
            ),
            ("[NOTICE] prod VIP front: moved", vec![]),
            ("[TEST] prod contact ops", vec![]),
        ] {
            assert_eq!(says(subject, "Since: now\r\n"), wanted, "{subject}");
        }
        let digest = "Two things.\r\n\r\nWhat happened:\r\nDOWN a: refused\r\n  UP b/c: up again\
                      \r\n\r\nDOWN d: not of it\r\n";
        let wanted = [one(Turn::Down, "a"), one(Turn::Up, "b/c")].concat();
        assert_eq!(says("[DOWN] prod 2 servers", digest), wanted);
    }

    #[test]
    fn quoted_text_is_read() {
        let raw = b"Content-Transfer-Encoding: quoted-printable\r\n\r\nWhat happ=\r\nened:\r\n\
                    DOWN a: caf=C3=A9 =3D\r\n";
        let letter = Letter::read(raw);
        assert_eq!(letter.body, "What happened:\nDOWN a: caf\u{e9} =\n");
        assert_eq!(letter.says().len(), 1);
    }
}
