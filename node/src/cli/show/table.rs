//! Tables as people and `awk` read them: no lines, two spaces between columns.

use comfy_table::{Cell, Color, Table, presets};

use super::super::terminal::{Mood, Paint};

/// A table that grows row by row.
pub(super) struct Columns {
    table: Table,
    paint: Paint,
}

/// A cell with its mood.
pub(super) struct Word(String, Option<Mood>);

impl<T: ToString> From<T> for Word {
    fn from(text: T) -> Word {
        let text = text.to_string();
        // An empty cell would shift the columns for `awk`.
        Word(
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            },
            None,
        )
    }
}

impl Word {
    /// A word with a mood.
    pub(super) fn moody((text, mood): (&str, Mood)) -> Word {
        Word(text.to_owned(), Some(mood))
    }
}

impl Columns {
    pub(super) fn new(paint: Paint, header: &[&str]) -> Columns {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(header);
        match paint {
            Paint::Colour => table.enforce_styling(),
            Paint::Plain => table.force_no_tty(),
        };
        let mut columns = Columns { table, paint };
        for column in columns.table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        columns
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [Word; N]) {
        let colour = |mood: Mood| match mood {
            Mood::Good => Color::Green,
            Mood::Poor => Color::Yellow,
            Mood::Bad => Color::Red,
            Mood::Loud => Color::White,
        };
        let paint = self.paint;
        let cell = |Word(text, mood)| match (mood, paint) {
            (Some(mood), Paint::Colour) => Cell::new(text).fg(colour(mood)),
            (Some(_), Paint::Plain) | (None, _) => Cell::new(text),
        };
        self.table
            .add_row(cells.into_iter().map(cell).collect::<Vec<Cell>>());
    }

    /// The table, a line each row; `none` where there is no row.
    pub(super) fn finish(&self, none: &str) -> String {
        if self.table.is_empty() {
            return format!("{none}\n");
        }
        self.table
            .lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }
}
