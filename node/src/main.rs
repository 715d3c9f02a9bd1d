//! The farmux binary: the daemon (`run`), or one request of the command line.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use farmux_node::cli::args::{Action, Arguments};
use farmux_node::cli::{complain, execute};
use farmux_node::daemon::{self, Ended};
use farmux_node::fault::{Code, Exit, Fault};
use farmux_node::settings::{LogLevel, Settings};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

fn main() -> ExitCode {
    abort_on_panic();
    let Arguments { target, action } = Arguments::parse();
    let ended = if let Action::Run { config } = action {
        run(&config)
    } else {
        request(execute(&target, action))
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            let fault = match error.downcast::<Fault>() {
                Ok(fault) => fault,
                Err(error) => Fault::new(Code::Broken).why(format!("{error:#}")),
            };
            complain(&fault, target.output);
            ExitCode::from(u8::from(fault.exit))
        }
    }
}

/// A thread that died quietly would leave a daemon that looks alive: the lease would go on, and
/// what it stands for would not. The supervisor starts a whole one.
fn abort_on_panic() {
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // sled panics on some damaged files: caught there, and told as an error that names the
        // file.
        if farmux_store::is_opening() {
            return;
        }
        show(panic);
        std::process::abort();
    }));
}

/// One request; what went wrong was said already.
fn request(asking: impl Future<Output = Result<(), Exit>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("no runtime for a request")?;
    Ok(match runtime.block_on(asking) {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => ExitCode::from(u8::from(exit)),
    })
}

/// Threads of the control side: one works while the other waits for the disk. The data path has its
/// own runtimes, the lease its own thread.
const CONTROL_THREADS: usize = 2;

fn run(config: &Path) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(config).map_err(Fault::from)?;
    start_log(settings.log.level);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("farmux-control")
        .enable_all()
        .build()
        .context("no runtime for the daemon")?;
    match runtime
        .block_on(daemon::run(settings))
        .map_err(Fault::from)?
    {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::Left => Err(begin_anew()),
    }
}

/// A machine that left its cluster begins anew in the same process id: every thread, socket and
/// secret of the old life is gone, and no supervisor has to notice.
fn begin_anew() -> anyhow::Error {
    let arguments = std::env::args_os().skip(1);
    match std::env::current_exe() {
        Ok(program) => {
            let error = std::process::Command::new(program).args(arguments).exec();
            anyhow::Error::from(error).context("farmux cannot start itself anew")
        }
        Err(error) => anyhow::Error::from(error).context("farmux does not find itself"),
    }
}

fn start_log(level: LogLevel) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // openraft warns of each attempt to reach a dead node, a hundred times a second. What matters
    // of it is told in our own words, where the standing changes; the rest is for debugging.
    let theirs = if level > LevelFilter::INFO {
        level
    } else {
        LevelFilter::OFF
    };
    let filter = Targets::new()
        .with_default(level)
        .with_target("openraft", theirs);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
}
