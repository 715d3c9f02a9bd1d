//! Where the command line writes to: tables for people, JSON for programs, colours on a terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use serde::Serialize;

use super::args::Output;
use crate::fault::{Code, Fault};

/// Colours what stands out, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// A file, a pipe, or `NO_COLOR` (<https://no-color.org>).
    Plain,
    /// A terminal.
    Colour,
}

/// What a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Good,
    /// Something is missing.
    Poor,
    /// Something is broken.
    Bad,
    /// Stands out, and says nothing.
    Loud,
}

impl Paint {
    /// The text in the colour of a mood.
    pub fn paint(self, mood: Mood, text: &str) -> String {
        // SGR codes (ECMA-48, 8.3.117): green, yellow, red, bold.
        let code = match (self, mood) {
            (Paint::Plain, _) => return text.to_owned(),
            (Paint::Colour, Mood::Good) => 32,
            (Paint::Colour, Mood::Poor) => 33,
            (Paint::Colour, Mood::Bad) => 31,
            (Paint::Colour, Mood::Loud) => 1,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Where answers go.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    form: Output,
    paint: Paint,
    asks: bool,
    live: bool,
}

impl Terminal {
    /// The process's own standard output.
    pub fn of_process(form: Output) -> Terminal {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_terminal = io::stdout().is_terminal();
        Terminal {
            out: Box::new(io::stdout()),
            form,
            paint: match is_terminal && !no_colour {
                true => Paint::Colour,
                false => Paint::Plain,
            },
            asks: is_terminal && io::stdin().is_terminal(),
            live: is_terminal && form == Output::Table,
        }
    }

    /// Writes elsewhere, without colours and without asking: for tests.
    pub fn to(out: Box<dyn Write + Send>, form: Output) -> Terminal {
        Terminal {
            out,
            form,
            paint: Paint::Plain,
            asks: false,
            live: false,
        }
    }

    /// How answers are shown.
    pub fn form(&self) -> Output {
        self.form
    }

    /// Whether programs read it.
    pub fn is_json(&self) -> bool {
        self.form == Output::Json
    }

    /// Whether somebody is there to be asked.
    pub fn asks(&self) -> bool {
        self.asks && !self.is_json()
    }

    /// Whether to colour.
    pub fn paint(&self) -> Paint {
        self.paint
    }

    /// Shows an answer: as it came for programs, in words for people.
    ///
    /// **Errors**: `FMX-106` where nothing can be written.
    pub fn show<T: Serialize>(
        &mut self,
        answer: &T,
        in_words: impl FnOnce(&T, Paint) -> String,
    ) -> Result<(), Fault> {
        let text = match self.form {
            Output::Json => {
                serde_json::to_string_pretty(answer).expect("answers are plain data") + "\n"
            }
            Output::Table | Output::Md | Output::Html => in_words(answer, self.paint),
        };
        self.write(&text)
    }

    /// One line for people; programs do not get it.
    ///
    /// **Errors**: as [`Terminal::show`].
    pub fn line(&mut self, text: &str) -> Result<(), Fault> {
        match self.form {
            Output::Json => Ok(()),
            Output::Table | Output::Md | Output::Html => self.write(&format!("{text}\n")),
        }
    }

    /// A line that takes the place of the one before, for somebody who watches; an empty one clears
    /// it. What cannot be written is not missed: an answer follows.
    pub fn live(&mut self, line: impl FnOnce() -> String) {
        if self.live {
            // To the first column, and erase the line (ECMA-48, EL).
            let text = format!("\r\x1b[K{}", line());
            let _ = self
                .out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush());
        }
    }

    /// Advice for somebody who sits at the terminal; a script that keeps our answer gets none.
    ///
    /// **Errors**: as [`Terminal::show`].
    pub fn advise(&mut self, text: &str) -> Result<(), Fault> {
        match (self.form, self.asks) {
            (Output::Table, true) => self.write(text),
            (Output::Table, false) | (Output::Json | Output::Md | Output::Html, _) => Ok(()),
        }
    }

    /// Text as it is, for people and programs.
    ///
    /// **Errors**: as [`Terminal::show`]; a reader that has gone away (`| head`) is no error.
    pub fn write(&mut self, text: &str) -> Result<(), Fault> {
        let written = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Fault::new(Code::FileUnreadable)
                    .what("the answer cannot be written")
                    .why(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Asks for a name where a mere yes would come too easily, for what cannot be undone; `given`
    /// is what was said on the command line.
    ///
    /// **Errors**: `FMX-108`: nobody is there, or it was another name.
    pub fn confirm_by_name(
        &mut self,
        question: &str,
        name: &str,
        given: Option<&str>,
    ) -> Result<(), Fault> {
        let typed = match given {
            Some(given) => given.to_owned(),
            None if !self.asks => {
                let mend = format!("once more with --yes {name}");
                return Err(Fault::new(Code::NotConfirmed).why(question).mend(mend));
            }
            None => {
                self.write("Type the name of the cluster: ")?;
                let mut answer = String::new();
                // Nothing read is no name.
                let _ = io::stdin().lock().read_line(&mut answer);
                answer.trim().to_owned()
            }
        };
        match typed == name {
            true => Ok(()),
            false => {
                let why = format!("the cluster is called {name}, not {typed:?}");
                let what = "nothing was done";
                let mend = format!("once more with --yes {name}");
                Err(Fault::new(Code::NotConfirmed)
                    .what(what)
                    .why(why)
                    .mend(mend))
            }
        }
    }

    /// Asks for a yes where there is somebody to ask.
    ///
    /// **Errors**: `FMX-108`: nobody is there, or it was a no.
    pub fn confirm(&mut self, question: &str, yes: bool) -> Result<(), Fault> {
        if yes {
            return Ok(());
        }
        if !self.asks {
            return Err(Fault::new(Code::NotConfirmed).why(question));
        }
        self.write(&format!("{question} [y/N] "))?;
        let mut answer = String::new();
        let read = io::stdin().lock().read_line(&mut answer);
        match (read, answer.trim()) {
            (Ok(_), "y" | "Y" | "yes") => Ok(()),
            (Ok(_) | Err(_), _) => Err(Fault::new(Code::NotConfirmed).what("nothing was done")),
        }
    }

    /// Asks for something that is not shown while it is typed.
    ///
    /// **Errors**: `FMX-128`: nobody is there.
    pub fn ask_hidden(&mut self, prompt: &str) -> Result<String, Fault> {
        if !self.asks {
            return Err(Fault::new(Code::PassphraseUnfit).why("there is no terminal to ask on"));
        }
        farmux_netplane::sys::read_hidden(prompt)
            .map_err(|error| Fault::new(Code::PassphraseUnfit).why(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals() {
        assert_eq!(Paint::Plain.paint(Mood::Bad, "DOWN"), "DOWN");
        assert_eq!(
            Paint::Colour.paint(Mood::Bad, "DOWN"),
            "\x1b[31mDOWN\x1b[0m"
        );
    }

    #[test]
    fn what_cannot_be_undone_needs_the_name() {
        let mut terminal = Terminal::to(Box::new(io::sink()), Output::Table);
        let mut confirm = |given| terminal.confirm_by_name("Go on?", "prod", given);
        for given in [None, Some("test"), Some("")] {
            let refused = confirm(given).expect_err("it is not its name");
            assert_eq!(refused.code, Code::NotConfirmed.to_string());
            assert!(refused.mend.contains("--yes prod"), "{}", refused.mend);
        }
        confirm(Some("prod")).expect("it is");
    }

    #[test]
    fn without_a_terminal_nothing_is_asked() {
        let mut terminal = Terminal::to(Box::new(io::sink()), Output::Table);
        let refused = terminal
            .confirm("Remove lb2?", false)
            .expect_err("nobody to ask");
        assert_eq!(refused.code, Code::NotConfirmed.to_string());
        terminal
            .confirm("Remove lb2?", true)
            .expect("a yes was given");
    }
}
