//! Reading a line from the terminal without showing it.
#![expect(
    unsafe_code,
    reason = "tcgetattr and tcsetattr have no safe form in std"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

/// Asks on the process's terminal, wherever its input comes from, and shows nothing of the answer.
///
/// **Errors**: there is no terminal, or it was closed.
pub fn read_hidden(prompt: &str) -> io::Result<String> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let shown = settings(&terminal)?;
    let mut hidden = shown;
    hidden.c_lflag &= !libc::ECHO;
    set(&terminal, &hidden)?;
    let asked = ask(&terminal, prompt);
    // Whatever came of it: a terminal that shows nothing any more is a puzzle.
    set(&terminal, &shown)?;
    let _ = (&terminal).write_all(b"\n");
    asked
}

fn ask(mut terminal: &File, prompt: &str) -> io::Result<String> {
    terminal.write_all(prompt.as_bytes())?;
    let mut line = String::new();
    BufReader::new(terminal).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn settings(terminal: &File) -> io::Result<libc::termios> {
    let mut settings = MaybeUninit::<libc::termios>::uninit();
    // SAFETY: the pointer is to a live local that the call fills in when it returns 0.
    let failed = unsafe { libc::tcgetattr(terminal.as_raw_fd(), settings.as_mut_ptr()) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call returned 0, so that it has filled it in.
    Ok(unsafe { settings.assume_init() })
}

fn set(terminal: &File, settings: &libc::termios) -> io::Result<()> {
    // SAFETY: the pointer is to a live value that the call only reads.
    let failed = unsafe { libc::tcsetattr(terminal.as_raw_fd(), libc::TCSAFLUSH, settings) };
    match failed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
