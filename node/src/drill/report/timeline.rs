//! PURE. The timeline: requests over time, who owned the VIP, pages, and when the failure began and
//! ended; and the same around the longest stretch of failures, bucket by bucket.
//!
//! ```text
//!   requests  ▂▂▂▂▂▂▂▂▂▂▂▂▂▂█▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂     red: failed
//!   owner     ───── lb1 ─────  ───── lb2 ───
//!   pages                       ▼
//!             0 s      injected           undone
//! ```

use super::picture::{Area, Look, Picture};
use crate::drill::track::{Mark, Track};
use crate::measure::tally::Bucket;

/// A stretch of time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
}

/// The whole run.
pub(super) fn whole(track: &Track) -> String {
    let span = Span {
        from: 0,
        to: track.length_ms().max(1),
    };
    draw(track, span, "Requests, owner and pages over the whole run")
}

/// The failures closely; nothing where there was none, or where the whole run is as close.
pub(super) fn close(track: &Track) -> Option<String> {
    let width = track.bucket_ms();
    let failed = |(_, bucket): &(usize, Bucket)| bucket.failed > 0;
    let first = track.buckets().enumerate().find(failed)?.0;
    let at = |place: usize| {
        u64::try_from(place)
            .unwrap_or(u64::MAX)
            .saturating_mul(width)
    };
    let last = track.buckets().enumerate().filter(failed).last()?.0;
    let to = at(last + 1).min(at(first) + CLOSE_MS) + AROUND_MS;
    let span = Span {
        from: at(first).saturating_sub(AROUND_MS),
        to: to.min(track.length_ms()),
    };
    let closer = span.to.saturating_sub(span.from) * 2 < track.length_ms();
    closer.then(|| {
        let title = format!("Around the first failure, {width} ms a bar");
        draw(track, span, &title)
    })
}

fn draw(track: &Track, span: Span, title: &str) -> String {
    let mut picture = Picture::new(WIDTH, HEIGHT, title);
    picture.words(0, BARS_TOP + 12, "requests");
    picture.words(0, OWNER_TOP + 13, "owner");
    picture.words(0, MARKS_FOOT, "pages");
    bars(&mut picture, track, span);
    owners(&mut picture, track, span);
    axis(&mut picture, span);
    marks(&mut picture, track, span);
    picture.finish()
}

impl Span {
    /// Where a time stands; `None`: beside the picture.
    fn place(self, at: u64) -> Option<u64> {
        (self.from..=self.to).contains(&at).then(|| self.within(at))
    }

    fn within(self, at: u64) -> u64 {
        let at = at.clamp(self.from, self.to) - self.from;
        LEFT + at * (WIDTH - LEFT) / (self.to - self.from).max(1)
    }
}

/// Buckets that fall into the same two pixels become one bar.
fn bars(picture: &mut Picture, track: &Track, span: Span) {
    let columns = usize::try_from((WIDTH - LEFT) / COLUMN).unwrap_or(1);
    let mut sums = vec![Bucket::default(); columns + 1];
    let width = track.bucket_ms().max(1);
    for (place, bucket) in (0_u64..).zip(track.buckets()) {
        let at = place * width;
        if at < span.from || at >= span.to {
            continue;
        }
        let column = usize::try_from((span.within(at) - LEFT) / COLUMN).unwrap_or(columns);
        if let Some(sum) = sums.get_mut(column) {
            sum.answered = sum.answered.saturating_add(bucket.answered);
            sum.failed = sum.failed.saturating_add(bucket.failed);
        }
    }
    let all = |sum: &Bucket| u64::from(sum.answered) + u64::from(sum.failed);
    let most = sums.iter().map(all).max().unwrap_or(0).max(1);
    // A bucket may be wider than a column.
    let wide = span
        .within(span.from + width)
        .saturating_sub(LEFT)
        .max(COLUMN);
    let wide = wide - u64::from(wide > 3);
    let height = |count: u32| (u64::from(count) * BARS_HEIGHT).div_ceil(most);
    let x = |column: usize| LEFT + u64::try_from(column).unwrap_or(0) * COLUMN;
    let foot = BARS_TOP + BARS_HEIGHT;
    let answered = sums.iter().enumerate().map(|(column, sum)| Area {
        x: x(column),
        y: foot - height(sum.answered),
        width: wide,
        height: height(sum.answered),
    });
    let failed = sums.iter().enumerate().map(|(column, sum)| {
        let top = (height(sum.answered) + height(sum.failed)).min(BARS_HEIGHT);
        Area {
            x: x(column),
            y: foot - top,
            width: wide,
            height: height(sum.failed),
        }
    });
    picture.areas(answered, Look::Good);
    picture.areas(failed, Look::Bad);
}

fn owners(picture: &mut Picture, track: &Track, span: Span) {
    let owners = track.owners();
    let mut named = 0;
    for (place, (from, owner)) in owners.iter().enumerate() {
        let to = owners
            .get(place + 1)
            .map_or(track.length_ms(), |(to, _)| *to);
        named += u64::from(owner.is_some());
        if to <= span.from || *from >= span.to {
            continue;
        }
        let (left, right) = (span.within(*from), span.within(to));
        let area = Area {
            x: left,
            y: OWNER_TOP,
            width: (right - left).max(1),
            height: OWNER_HEIGHT,
        };
        let (name, look) = match owner {
            None => ("nobody", Look::Nobody),
            Some(name) if named % 2 == 1 => (name.as_str(), Look::Even),
            Some(name) => (name.as_str(), Look::Odd),
        };
        picture.area(area, look, &format!("{name}, from {from} ms"));
        if area.width > 8 * u64::try_from(name.chars().count()).unwrap_or(u64::MAX) {
            picture.words(left + 4, OWNER_TOP + 13, name);
        }
    }
}

fn axis(picture: &mut Picture, span: Span) {
    picture.line((LEFT, AXIS), (WIDTH, AXIS), Look::Line);
    let step = step(span.to - span.from);
    let mut at = span.from.div_ceil(step) * step;
    while at < span.to {
        let x = span.within(at);
        picture.line((x, AXIS), (x, AXIS + 4), Look::Line);
        if x + 40 < WIDTH {
            picture.words(x + 2, AXIS + 16, &seconds(at));
        }
        at += step;
    }
}

/// A round step that gives at most ten numbers.
fn step(length: u64) -> u64 {
    let mut ten = 10;
    loop {
        for step in [ten, 2 * ten, 5 * ten] {
            if length / step <= 10 {
                return step;
            }
        }
        ten *= 10;
    }
}

fn seconds(ms: u64) -> String {
    match ms % 1_000 {
        0 => format!("{} s", ms / 1_000),
        part => {
            let text = format!("{}.{part:03}", ms / 1_000);
            format!("{} s", text.trim_end_matches('0'))
        }
    }
}

fn marks(picture: &mut Picture, track: &Track, span: Span) {
    for (at, mark) in track.marks() {
        let Some(x) = span.place(*at) else {
            continue;
        };
        let word = match mark {
            Mark::Injected => "injected",
            Mark::Undone => "undone",
            Mark::Page(title) => {
                picture.mark(x, MARKS_FOOT, title);
                continue;
            }
        };
        picture.line((x, BARS_TOP - 4), (x, AXIS), Look::Bound);
        let left = if x + 60 > WIDTH { x - 56 } else { x + 3 };
        picture.words(left, BARS_TOP - 6, word);
    }
}

/// Wide enough for a screen; it shrinks on paper.
const WIDTH: u64 = 960;

/// Room for the names of the rows.
const LEFT: u64 = 70;

/// Two pixels a bar.
const COLUMN: u64 = 2;

const BARS_TOP: u64 = 20;
const BARS_HEIGHT: u64 = 80;
const OWNER_TOP: u64 = 110;
const OWNER_HEIGHT: u64 = 18;
const MARKS_FOOT: u64 = 146;
const AXIS: u64 = 152;
const HEIGHT: u64 = 174;

/// The longest stretch that is shown closely: ten takeovers.
const CLOSE_MS: u64 = 2_000;

/// What is shown before and after it.
const AROUND_MS: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (length, wanted) in [
            (1, 10),
            (100, 10),
            (111, 20),
            (500, 50),
            (1_000, 100),
            (40_000, 5_000),
            (900_000, 100_000),
        ] {
            assert_eq!(step(length), wanted, "{length}");
        }
    }

    #[test]
    fn times_are_short() {
        let shown = [0, 1_000, 1_500, 10_020].map(seconds);
        assert_eq!(shown, ["0 s", "1 s", "1.5 s", "10.02 s"]);
    }
}
