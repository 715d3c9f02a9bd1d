//! Lines that are typed, and what is said to them.

use std::io::Write;
use std::sync::{Arc, Mutex};

use clap::Parser;
use farmux_node::cli::args::Arguments;
use farmux_node::cli::client::Client;
use farmux_node::cli::command::Shell;
use farmux_node::cli::terminal::Terminal;
use farmux_node::fault::Fault;

/// Types a line; what was said, and how it ended.
pub(crate) async fn type_line(line: &str) -> (String, Result<(), Fault>) {
    let parsed = Arguments::try_parse_from(line.split_whitespace()).expect("a good line");
    let paper = Paper::default();
    let client = match Client::new(&parsed.target) {
        Ok(client) => client,
        Err(fault) => return (String::new(), Err(fault)),
    };
    let terminal = Terminal::to(Box::new(paper.clone()), parsed.target.output);
    let ended = Shell { client, terminal }.execute(parsed.action).await;
    (paper.text(), ended)
}

/// What is written can be read after the terminal has gone.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("nobody panics with it").clone();
        String::from_utf8(bytes).expect("we write text")
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Write::write(&mut *self.0.lock().expect("nobody panics with it"), bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
