//! `node.toml` of a machine on the loopback.

use std::path::Path;

mod place;

use place::place;

/// Settings of a machine whose files are in a folder, with what else shall stand in them.
pub(crate) fn node_toml(name: &str, folder: &Path, more: &str) -> String {
    format!(
        "name = \"{name}\"\npeer = [\"{}\"]\nadmin = \"{}\"\nsocket = \"{}\"\ndata = \"{}\"\n\
         serving_threads = 1\n{more}",
        place(),
        place(),
        folder.join(format!("{name}.sock")).display(),
        folder.join(name).display(),
    )
}
