//! `farmux explain`: needs no daemon.

use super::Shell;
use crate::fault::{Code, Explained, Fault, explain, explain_all};

impl Shell {
    pub(super) fn explain(&mut self, code: Option<&str>) -> Result<(), Fault> {
        let Some(code) = code else {
            return self.terminal.show(&explain_all(), |all, _| {
                let line = |known: &Explained| format!("{:<9} {}\n", known.code, known.title);
                all.iter().map(line).collect()
            });
        };
        let known = explain(code).ok_or_else(|| {
            Fault::new(Code::CodeUnknown).what(format!("there is no code {code:?}"))
        })?;
        self.terminal.show(&known, |known, _| in_words(known))
    }
}

fn in_words(known: &Explained) -> String {
    let text = match known.text.as_str() {
        "" => String::new(),
        text => format!("\n{}\n", wrapped(text)),
    };
    format!(
        "{}: {}\n{text}\nmend: {}\n",
        known.code, known.title, known.mend
    )
}

/// At most 80 columns, as a terminal has them.
const COLUMNS: usize = 80;

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= COLUMNS {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_explanation_is_wider_than_a_terminal() {
        for known in explain_all() {
            let widest = wrapped(&known.text)
                .lines()
                .map(|line| line.chars().count())
                .max();
            assert!(widest.unwrap_or(0) <= COLUMNS, "{}", known.code);
        }
    }
}
