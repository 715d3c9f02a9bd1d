//! PURE. The few shapes of SVG that a report is drawn with; whole numbers only.
//!
//! **Source**: SVG 1.1, 8.3 (paths), 9 (shapes), 10 (text).

use std::fmt::Write as _;

use crate::markup::escaped;

/// A drawing.
#[derive(Debug)]
pub(super) struct Picture {
    width: u64,
    height: u64,
    title: String,
    body: String,
}

/// How something is drawn; the style sheet of the report knows the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Good,
    Bad,
    Dull,
    Line,
    Bound,
    Even,
    Odd,
    Nobody,
}

impl Look {
    fn word(self) -> &'static str {
        match self {
            Look::Good => "good",
            Look::Bad => "bad",
            Look::Dull => "dull",
            Look::Line => "line",
            Look::Bound => "bound",
            Look::Even => "even",
            Look::Odd => "odd",
            Look::Nobody => "nobody",
        }
    }
}

/// A rectangle in a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
}

impl Picture {
    pub(super) fn new(width: u64, height: u64, title: &str) -> Picture {
        Picture {
            width,
            height,
            title: title.to_owned(),
            body: String::new(),
        }
    }

    /// A rectangle; what it is, for whoever points at it.
    pub(super) fn area(&mut self, area: Area, look: Look, title: &str) {
        let Area {
            x,
            y,
            width,
            height,
        } = area;
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.body,
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">\
             <title>{}</title></rect>",
            look.word(),
            escaped(title)
        );
    }

    /// Many rectangles of one look, as one shape.
    pub(super) fn areas(&mut self, areas: impl Iterator<Item = Area>, look: Look) {
        let mut path = String::new();
        for area in areas.filter(|area| area.width > 0 && area.height > 0) {
            let Area {
                x,
                y,
                width,
                height,
            } = area;
            let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
        }
        if !path.is_empty() {
            let _ = writeln!(self.body, "<path class=\"{}\" d=\"{path}\"/>", look.word());
        }
    }

    /// A line from top to bottom or from left to right.
    pub(super) fn line(&mut self, from: (u64, u64), to: (u64, u64), look: Look) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.body,
            "<line class=\"{}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>",
            look.word()
        );
    }

    /// Words that begin here; their foot is at `y`.
    pub(super) fn words(&mut self, x: u64, y: u64, words: &str) {
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\">{}</text>",
            escaped(words)
        );
    }

    /// A triangle that points down at this place.
    pub(super) fn mark(&mut self, x: u64, y: u64, title: &str) {
        let _ = writeln!(
            self.body,
            "<path class=\"mark\" d=\"M{x} {y}l-5 -9h10z\"><title>{}</title></path>",
            escaped(title)
        );
    }

    /// The whole drawing as an element of HTML.
    pub(super) fn finish(&self) -> String {
        let Picture {
            width,
            height,
            title,
            body,
        } = self;
        format!(
            "<svg viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n\
             {body}</svg>\n",
            escaped(title)
        )
    }
}
