//! Reads `refusals.txt`; included by path where the corpus is used, since nothing imports tests.

/// One raw request that must be refused.
pub(crate) struct Case {
    /// Where it stands in the file.
    pub(crate) line: usize,
    /// The name of the refusal.
    pub(crate) reason: String,
    /// The status of the answer.
    pub(crate) status: String,
    /// What the client sends.
    pub(crate) bytes: Vec<u8>,
}

/// Every case of the corpus.
pub(crate) fn corpus() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/corpus/refusals.txt");
    let text = std::fs::read_to_string(path).expect("the corpus is part of the repository");
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("== ") {
            let (reason, status) = title.split_once(' ').expect("a reason and a status");
            let (reason, status) = (reason.to_owned(), status.to_owned());
            cases.push(Case {
                line: number + 1,
                reason,
                status,
                bytes: Vec::new(),
            });
        } else if let Some(case) = cases.last_mut() {
            unescape(line.as_bytes(), &mut case.bytes);
        }
    }
    cases
}

/// Appends the bytes that a line of the corpus stands for.
fn unescape(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'\\', [b'x', high, low, ..]) => {
                let hex = [*high, *low];
                let hex = std::str::from_utf8(&hex).expect("two hex digits");
                out.push(u8::from_str_radix(hex, 16).expect("two hex digits"));
                &after[3..]
            }
            (b'\\', [letter, ..]) => {
                out.push(match letter {
                    b'r' => b'\r',
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'0' => 0,
                    other => *other,
                });
                &after[1..]
            }
            (b'{', _) if after.first().is_some_and(u8::is_ascii_digit) => {
                let end = after
                    .iter()
                    .position(|byte| *byte == b'}')
                    .expect("a closing brace");
                let inner = std::str::from_utf8(&after[..end]).expect("text");
                let (count, text) = inner.split_once('*').expect("a count and a text");
                for _ in 0..count.parse::<usize>().expect("a count") {
                    unescape(text.as_bytes(), out);
                }
                &after[end + 1..]
            }
            _ => {
                out.push(first);
                after
            }
        };
    }
}
