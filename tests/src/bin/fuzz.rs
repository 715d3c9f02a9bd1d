//! One fuzz target under libFuzzer, that which `FARMUX_FUZZ_TARGET` names: `tests/fuzz.sh`. The
//! arguments are libFuzzer's own; with files only, it plays them.

#![no_main]
#![expect(
    clippy::print_stderr,
    reason = "there is no other way to say how to call it"
)]

use std::sync::OnceLock;

use farmux_tests::fuzz::{TARGETS, Target, target};
use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn chosen() -> &'static Target {
    CHOSEN.get_or_init(|| {
        let name = std::env::var("FARMUX_FUZZ_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| {
            eprintln!("FARMUX_FUZZ_TARGET names one of these:");
            for target in TARGETS {
                eprintln!("  {:<14} {}", target.name, target.reads);
            }
            std::process::exit(2)
        })
    })
}

fn held(run: &mut dyn FnMut()) -> u64 {
    allocation_counter::measure(run).bytes_max
}

fuzz_target!(
    init: {
        chosen();
    },
    |input: &[u8]| chosen().play(held, input)
);
