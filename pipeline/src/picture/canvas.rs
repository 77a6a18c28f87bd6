//! Letters and lines on a grid.

use super::card::{Card, columns};

pub(super) const UP: u8 = 1;
pub(super) const DOWN: u8 = 2;
pub(super) const LEFT: u8 = 4;
pub(super) const RIGHT: u8 = 8;

#[derive(Clone, Copy, Default)]
enum Cell {
    #[default]
    Empty,
    Letter(char),
    /// The ways out of it, and whose line it is.
    Line(u8, usize),
}

#[derive(Default)]
pub(super) struct Canvas {
    rows: Vec<Vec<Cell>>,
}

impl Canvas {
    fn cell(&mut self, x: usize, y: usize) -> &mut Cell {
        if self.rows.len() <= y {
            self.rows.resize_with(y + 1, Vec::new);
        }
        let row = &mut self.rows[y];
        if row.len() <= x {
            row.resize(x + 1, Cell::Empty);
        }
        &mut row[x]
    }

    pub(super) fn put(&mut self, x: usize, y: usize, text: &str) {
        for (nth, letter) in text.chars().enumerate() {
            *self.cell(x + nth, y) = Cell::Letter(letter);
        }
    }

    /// A piece of a line. Lines of two nets that cross do not touch: the one that goes across is broken.
    pub(super) fn line(&mut self, x: usize, y: usize, ways: u8, net: usize) {
        let cell = self.cell(x, y);
        *cell = match *cell {
            Cell::Line(before, of) if of == net => Cell::Line(before | ways, net),
            Cell::Line(before, _) if before & (UP | DOWN) != 0 => return,
            _ => Cell::Line(ways, net),
        };
    }

    pub(super) fn card(&mut self, card: &Card, left: usize, top: usize) {
        let inside = card.width - 4;
        let rest = card.width - 5 - columns(&card.name);
        self.put(left, top, &format!("┌─ {} {}┐", card.name, "─".repeat(rest)));
        for (nth, line) in card.lines.iter().enumerate() {
            let gap = " ".repeat(inside - columns(line));
            self.put(left, top + 1 + nth, &format!("│ {line}{gap} │"));
        }
        self.put(left, top + card.height() - 1, &format!("└{}┘", "─".repeat(card.width - 2)));
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let line: String = row.iter().map(|cell| letter(*cell)).collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn letter(cell: Cell) -> char {
    const LETTERS: [char; 16] = [' ', '│', '│', '│', '─', '┘', '┐', '┤', '─', '└', '┌', '├', '─', '┴', '┬', '┼'];
    match cell {
        Cell::Empty => ' ',
        Cell::Letter(letter) => letter,
        Cell::Line(ways, _) => LETTERS[usize::from(ways & 15)],
    }
}
