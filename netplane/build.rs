//! Compiles the kernel programs of `bpf/` with clang into `$OUT_DIR/fence.o`.
//!
//! Without clang the crate is built without them, and says so: here, in the daemon's log, and in
//! `status`. A clang that fails is an error.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    let object = PathBuf::from(variable("OUT_DIR")).join("fence.o");
    let clang = env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    match compile(&clang, &object) {
        Ok(()) => {}
        Err(Failure::Missing) => {
            println!(
                "cargo::warning=no clang: farmux is built without its fence, so that after kill -9 \
                 it answers for its VIPs for up to 2.5 s; install Debian's package clang and \
                 build again"
            );
            // Nothing in it is how the loader knows.
            fs::write(&object, []).expect("cargo made OUT_DIR for us to write to");
        }
        Err(Failure::Said(text)) => panic!("clang cannot compile netplane/bpf/fence.c:\n{text}"),
    }
}

enum Failure {
    /// There is no clang.
    Missing,
    /// It does not compile.
    Said(String),
}

fn compile(clang: &OsString, object: &Path) -> Result<(), Failure> {
    let mut command = Command::new(clang);
    command.args(["-target", "bpf", "-O2", "-Wall", "-Wextra", "-Werror"]);
    command.args(["-fno-stack-protector", "-ffreestanding"]);
    // asm/types.h is where Debian keeps what differs between machines.
    let machine = format!(
        "/usr/include/{}-linux-gnu",
        variable("CARGO_CFG_TARGET_ARCH")
    );
    command.args(["-idirafter", &machine]);
    command.arg("-c").arg("bpf/fence.c").arg("-o").arg(object);
    let ended = command.output().map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            return Failure::Missing;
        }
        Failure::Said(error.to_string())
    })?;
    if ended.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&ended.stderr).into_owned();
    if text.contains("file not found") {
        text.push_str("\nthe kernel's headers are in Debian's package linux-libc-dev");
    }
    Err(Failure::Said(text))
}

fn variable(name: &str) -> String {
    env::var(name).expect("cargo sets it for every build script")
}
