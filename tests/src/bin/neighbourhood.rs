//! The servers of a neighbourhood, in one process: see `farmux_tests::lab::neighbourhood`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use farmux_tests::lab::neighbourhood::street;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [count, socket] = &words[..] else {
        bail!("usage: neighbourhood COUNT SOCKET");
    };
    let count = count.parse().context("COUNT")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(street::serve(count, &PathBuf::from(socket)))
}
