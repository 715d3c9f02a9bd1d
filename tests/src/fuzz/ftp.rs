//! FTP: no line and no reply that leaves holds what would split it, and nobody but the client is
//! ever connected to.

use std::net::IpAddr;

use farmux_netplane::ftp::seam::{
    CLIENT, Said, Talk, address, is_command, passive_port, take_line, take_reply, without_tls,
};
use farmux_netplane::plan::FtpTls;

use super::meter::Meter;

pub(super) fn line(meter: &Meter, input: &[u8]) {
    let mut rest = input;
    while let Ok(Some((text, length))) = meter.within(|| take_line(rest)) {
        assert!((2..=rest.len()).contains(&length) && text.len() + 2 <= length);
        assert!(!text.iter().any(u8::is_ascii_control));
        let sent = [&text[..], b"\r\n"].concat();
        assert_eq!(take_line(&sent), Ok(Some((text.clone(), sent.len()))));
        meter.within(|| is_command(&text));
        let argument = text.get(5..).unwrap_or_default();
        for named in meter.within(|| address(argument)).into_iter().flatten() {
            assert!(named.port() > 0);
        }
        rest = &rest[length..];
    }
}

/// Whether a text is whole lines, and nothing in them ends a line earlier for anybody.
fn is_lines(text: &[u8]) -> bool {
    let lines = text.strip_suffix(b"\r\n");
    let mut lines = lines
        .into_iter()
        .flat_map(|lines| lines.split(|byte| *byte == b'\n'))
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    text.ends_with(b"\r\n") && lines.all(|line| !line.contains(&b'\r'))
}

pub(super) fn reply(meter: &Meter, input: &[u8]) {
    let mut rest = input;
    while let Ok(Some((code, text, length))) = meter.within(|| take_reply(rest)) {
        assert!((100..600).contains(&code) && (4..=rest.len()).contains(&length));
        assert!(is_lines(&text), "{}", text.escape_ascii());
        assert!(text.starts_with(code.to_string().as_bytes()));
        let again = take_reply(&text);
        assert_eq!(again, Ok(Some((code, text.clone(), text.len()))));
        for end in [0, length / 2, length - 1] {
            assert_eq!(take_reply(&rest[..end]), Ok(None), "pieces do not matter");
        }
        if let Some(port) = meter.within(|| passive_port(code, &text)) {
            assert!(port >= 1024 && matches!(code, 227 | 229));
        }
        let without = meter.within(|| without_tls(&text));
        assert!(is_lines(&without) && without.len() <= text.len());
        let again = take_reply(&without).expect("it is a reply");
        assert_eq!(again.map(|again| again.0), Some(code));
        rest = &rest[length..];
    }
}

/// The input is a play: a byte that says who acts, one that says how many bytes, and the bytes.
pub(super) fn session(meter: &Meter, input: &[u8]) {
    let Some((how, mut rest)) = input.split_first() else {
        return;
    };
    let tls = match how % 2 {
        0 => FtpTls::Refuse,
        _ => FtpTls::Pass,
    };
    let mut talk = Talk::new(tls);
    while let Some(([who, length], after)) = rest.split_first_chunk() {
        let (bytes, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let said = meter.within(|| match who % 4 {
            0 => talk.client(bytes),
            1 => talk.server(bytes),
            2 => talk.data(false),
            _ => talk.data(true),
        });
        for said in said {
            judge(&said);
        }
    }
}

fn judge(said: &Said) {
    match said {
        Said::ToServer(bytes) => {
            let line = bytes.strip_suffix(b"\r\n").expect("a whole line");
            let one = !line.iter().any(u8::is_ascii_control);
            assert!(one, "one line: {}", bytes.escape_ascii());
            let upper = line.to_ascii_uppercase();
            let word = upper.split(|byte| *byte == b' ').next();
            let addresses = [&b"PORT"[..], b"EPRT", b"LPRT", b"LPSV", b"EPSV"];
            let named = word.is_some_and(|word| addresses.contains(&word));
            assert!(!named, "{}", line.escape_ascii());
        }
        Said::ToClient(bytes) => {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (_, text, length) = take_reply(rest).expect("replies").expect("whole ones");
                assert_eq!(text.len(), length, "{}", bytes.escape_ascii());
                assert!(is_lines(&text), "{}", bytes.escape_ascii());
                rest = &rest[length..];
            }
        }
        Said::Dial(to) => {
            assert_eq!(to.ip(), IpAddr::V4(CLIENT));
            assert!(to.port() >= 1024);
        }
        Said::Over => {}
    }
}
