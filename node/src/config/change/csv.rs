//! Comma-separated values, as RFC 4180 has them: read with the line of each record, and written.

/// A record, and the line on which it begins, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: usize,
    pub(super) cells: Vec<String>,
}

/// Why a text is no such file from some line on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) line: usize,
    pub(super) what: &'static str,
}

/// Reads records; what is behind a broken one cannot be told apart and is left. Empty lines are
/// passed over.
pub(super) fn records(text: &str) -> (Vec<Record>, Option<Broken>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut chars = text.chars().peekable();
    let (mut line, mut records) = (1, Vec::new());
    while chars.peek().is_some() {
        let begun = line;
        let mut cells = Vec::new();
        loop {
            let cell = match chars.peek() {
                Some('"') => quoted(&mut chars, &mut line),
                Some(_) | None => plain(&mut chars),
            };
            match cell {
                Ok(cell) => cells.push(cell),
                Err(what) => return (records, Some(Broken { line: begun, what })),
            }
            match chars.next() {
                Some(',') => {}
                Some('\r') => {
                    chars.next_if_eq(&'\n');
                    break;
                }
                Some(_) | None => break,
            }
        }
        line += 1;
        if cells.iter().any(|cell| !cell.is_empty()) {
            records.push(Record { line: begun, cells });
        }
    }
    (records, None)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn plain(chars: &mut Chars<'_>) -> Result<String, &'static str> {
    let mut cell = String::new();
    while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\r' | '\n')) {
        if c == '"' {
            return Err("a quote in the middle of a cell: quote the whole cell, and double it");
        }
        cell.push(c);
    }
    Ok(cell.trim().to_owned())
}

fn quoted(chars: &mut Chars<'_>, line: &mut usize) -> Result<String, &'static str> {
    chars.next();
    let mut cell = String::new();
    loop {
        match chars.next() {
            None => return Err("a quoted cell without an end"),
            Some('"') if chars.next_if_eq(&'"').is_some() => cell.push('"'),
            Some('"') => break,
            Some(c) => {
                *line += usize::from(c == '\n');
                cell.push(c);
            }
        }
    }
    match chars.peek() {
        None | Some(',' | '\r' | '\n') => Ok(cell),
        Some(_) => Err("something behind the closing quote of a cell"),
    }
}

/// Writes a record, quoted where it must be.
pub(super) fn write(out: &mut String, cells: &[String]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        let plain = cell.trim() == cell && !cell.contains(['"', ',', '\r', '\n']);
        match plain {
            true => out.push_str(cell),
            false => {
                out.push('"');
                out.push_str(&cell.replace('"', "\"\""));
                out.push('"');
            }
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(text: &str) -> Vec<(usize, Vec<String>)> {
        let (records, broken) = records(text);
        assert_eq!(broken, None);
        let cells = records.into_iter();
        cells.map(|record| (record.line, record.cells)).collect()
    }

    #[test]
    fn records_have_their_lines() {
        let text = "a,b\r\n\n\"x\ny\",\"say \"\"hi\"\"\"\n , c d \n,\nlast";
        let wanted: [(usize, &[&str]); 4] = [
            (1, &["a", "b"]),
            (3, &["x\ny", "say \"hi\""]),
            (5, &["", "c d"]),
            (7, &["last"]),
        ];
        let found = cells(text);
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for ((line, cells), (at, words)) in found.iter().zip(wanted) {
            assert_eq!((*line, cells.as_slice()), (at, &words.map_owned()[..]));
        }
    }

    trait Owned {
        fn map_owned(&self) -> Vec<String>;
    }

    impl Owned for &[&str] {
        fn map_owned(&self) -> Vec<String> {
            self.iter().map(|word| (*word).to_owned()).collect()
        }
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        for (text, line) in [("a\nb\"c\n", 2), ("a\n\"b", 2), ("\"a\"b", 1)] {
            let (_, broken) = records(text);
            assert_eq!(broken.map(|broken| broken.line), Some(line), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(table in prop::collection::vec(
            prop::collection::vec("[a ,\"\r\nä;]{0,5}", 1..4), 0..5)
        ) {
            let mut text = String::new();
            for record in &table {
                write(&mut text, record);
            }
            let found: Vec<Vec<String>> = cells(&text).into_iter().map(|(_, c)| c).collect();
            let wanted: Vec<Vec<String>> = table
                .into_iter()
                .filter(|record| record.iter().any(|cell| !cell.is_empty()))
                .collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
