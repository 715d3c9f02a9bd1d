//! Lists within one cell of a sheet: parts between separators, and `\` before what has no meaning.

/// The parts of a list, still with their backslashes; an empty one has none.
pub(super) fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let part = parts.last_mut().expect("there is always one");
        match c {
            '\\' => {
                part.push(c);
                part.extend(chars.next());
            }
            c if c == separator => parts.push(String::new()),
            c => part.push(c),
        }
    }
    match parts.as_slice() {
        [only] if only.is_empty() => Vec::new(),
        _ => parts,
    }
}

/// A part without its backslashes.
pub(super) fn plain(part: &str) -> String {
    let mut plain = String::new();
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => plain.extend(chars.next()),
            c => plain.push(c),
        }
    }
    plain
}

/// A text as a part of a list.
pub(super) fn part(text: &str) -> String {
    let mut part = String::new();
    for c in text.chars() {
        if matches!(c, '\\' | ';' | '=') {
            part.push('\\');
        }
        part.push(c);
    }
    part
}
