//! Reading Rust source as far as the house rules need it: code without comments and literals.
//!
//! No parser: it knows comments, strings and character literals, which is what a word may hide in.

/// The words (identifiers and keywords) of a text, in order.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

/// The code of a Rust file: comments and the insides of literals become blanks, lines stay lines.
pub fn code_only(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let taken = hidden_bytes(rest, &code);
        if taken == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (hidden, after) = rest.split_at(taken);
        code.push(' ');
        code.extend(hidden.chars().filter(|c| *c == '\n'));
        rest = after;
    }
    code
}

/// How many bytes at the head of `rest` are a comment or a literal; 0: code.
fn hidden_bytes(rest: &str, before: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_bytes(rest);
    }
    if rest.starts_with('"') {
        return string_bytes(rest);
    }
    if rest.starts_with('\'') {
        return character_bytes(rest);
    }
    let in_word = before
        .chars()
        .last()
        .is_some_and(|c| c.is_alphanumeric() || c == '_');
    if in_word { 0 } else { raw_string_bytes(rest) }
}

/// Block comments nest (Rust reference, Comments).
fn block_comment_bytes(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let tail = &rest.as_bytes()[at..];
        if tail.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if tail.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn string_bytes(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// `'a'` and `'\n'` are literals, `'a` is a lifetime.
fn character_bytes(rest: &str) -> usize {
    let mut inside = rest.chars().skip(1);
    match inside.next() {
        Some('\\') => rest[2..]
            .char_indices()
            .skip(1)
            .find(|(_, c)| *c == '\'')
            .map_or(0, |(at, _)| at + 3),
        Some(c) if inside.next() == Some('\'') => c.len_utf8() + 2,
        _ => 0,
    }
}

/// `r"…"`, `r#"…"#` and the same behind `b` or `c`.
fn raw_string_bytes(rest: &str) -> usize {
    let unprefixed = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let Some(marks) = unprefixed.strip_prefix('r') else {
        return 0;
    };
    let inside = marks.trim_start_matches('#');
    let hashes = marks.len() - inside.len();
    if !inside.starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let head = rest.len() - inside.len() + 1;
    inside[1..]
        .find(&end)
        .map_or(rest.len(), |at| head + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(text: &str) -> Vec<String> {
        words(&code_only(text)).map(str::to_owned).collect()
    }

    #[test]
    fn comments_and_literals_are_hidden() {
        for text in [
            "a // x\nb",
            "a /* x /* x */ x */ b",
            "a \"x \\\" x \\\\\" b",
            "a r#\"x \" x\"# b",
            "a br\"x\\\" b",
            "a '\\'' b",
            "a 'x' b",
            "a '\\u{78}' b",
        ] {
            assert_eq!(visible(text), ["a", "b"], "{text}");
        }
    }

    #[test]
    fn code_beside_them_is_seen() {
        assert_eq!(
            visible("fn f<'x>(r: &'x str) {}"),
            ["fn", "f", "x", "r", "x", "str"]
        );
        assert_eq!(visible("for r in \"x\" {}"), ["for", "r", "in"]);
        assert_eq!(visible("a/b"), ["a", "b"]);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let text = "a /* 1\n2 */ \"3\n4\" // 5\nb";
        assert_eq!(code_only(text).lines().count(), text.lines().count());
    }
}
