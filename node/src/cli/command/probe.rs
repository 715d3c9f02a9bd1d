//! `farmux probe`: asks a URL again and again, from wherever it is run; no daemon is needed.

use std::time::Duration;

use super::super::args::ProbeArguments;
use super::super::show;
use super::Shell;
use crate::fault::{Code, Fault};
use crate::measure::client::look_up;
use crate::measure::{Measured, measure};

impl Shell {
    pub(super) async fn probe(&mut self, arguments: ProbeArguments) -> Result<(), Fault> {
        let asking = arguments.asking();
        let address = look_up(&asking.target).await;
        let address = address.map_err(|error| Fault::new(Code::ProbeUnasked).why(error))?;
        let stop = async {
            // Where there is no such signal, `--for` ends it.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let began = self.now();
        let paint = self.terminal.paint();
        let terminal = &mut self.terminal;
        let look = |tally: &_, now: Duration| {
            terminal.live(|| show::measuring(tally, now, paint));
        };
        let done = measure(&asking, address, stop, look).await;
        self.terminal.live(String::new);
        let measured = Measured::new(&asking, &done, began);
        self.terminal.show(&measured, show::measured)?;
        verdict(&measured)
    }
}

/// Without an outage all is well; where nothing was asked at all, nothing is known.
fn verdict(measured: &Measured) -> Result<(), Fault> {
    if measured.requests == 0 {
        return Err(
            Fault::new(Code::ProbeUnasked).why(match measured.why_unasked.as_str() {
                "" => "it was stopped before the first answer",
                why => why,
            }),
        );
    }
    if measured.outages == 0 {
        return Ok(());
    }
    let what = match measured.outages {
        1 => format!(
            "{} did not answer for {} ms",
            measured.url, measured.outage_ms
        ),
        more => format!(
            "{} did not answer {more} times, for {} ms at most",
            measured.url, measured.outage_ms
        ),
    };
    let why = measured.failures.iter();
    let why: Vec<String> = why
        .map(|way| format!("{} requests: {}", way.count, way.reason))
        .collect();
    Err(Fault::new(Code::ProbeOutage).what(what).why(why.join("\n")))
}
