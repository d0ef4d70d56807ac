//! What a terminal of 80 columns and 24 lines shows of a run.

use std::num::NonZero;

use super::document::usual_names;
use super::{Run, Workspace};

/// Its lines; the first holds the command, the last the next prompt.
pub(crate) struct Screen(vt100::Parser);

impl Screen {
    /// The screen that was cleared before the run; names and places are those of a reader, and `names` besides: what is
    /// shown, and what the run had.
    pub(crate) fn after(
        workspace: &Workspace,
        services: &[&str],
        names: &[(&str, String)],
        run: &Run,
    ) -> Self {
        let mut said = run.stdout.clone();
        for (shown, real) in usual_names(workspace, services) {
            said = said.replace(&real, &shown);
        }
        for (shown, real) in names {
            said = said.replace(real, shown);
        }
        let [rows, columns] = [24, 80].map(|size| NonZero::new(size).unwrap());
        let mut terminal = vt100::Parser::new(rows, columns, 0);
        let text = format!("$ cargo xtask db {}\r\n{said}$ ", run.line);
        terminal.process(text.as_bytes());
        Self(terminal)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let (_, width) = self.0.screen().size();
        let rows = self.0.screen().rows(0, width.get());
        let lines = rows.map(|row| row.trim_end().to_owned());
        let mut lines: Vec<_> = lines.collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// The same with the styles by name: `<bold red>error</>`.
    pub(crate) fn coloured(&self) -> Vec<String> {
        let (_, width) = self.0.screen().size();
        let rows = (0..).zip(self.lines()).map(|(row, line)| {
            let mut text = String::new();
            let mut now = String::new();
            for column in 0..width
                .get()
                .min(u16::try_from(line.chars().count()).unwrap())
            {
                let cell = self.0.screen().cell(row, column).unwrap();
                let style = style(cell);
                if style != now {
                    text += if now.is_empty() { "" } else { "</>" };
                    now = style;
                    if !now.is_empty() {
                        text += &format!("<{now}>");
                    }
                }
                text += if cell.has_contents() {
                    cell.contents()
                } else {
                    " "
                };
            }
            text + if now.is_empty() { "" } else { "</>" }
        });
        rows.collect()
    }
}

fn style(cell: &vt100::Cell) -> String {
    let colour = match cell.fgcolor() {
        vt100::Color::Default => "",
        vt100::Color::Idx(1) => "red",
        vt100::Color::Idx(2) => "green",
        vt100::Color::Idx(3) => "yellow",
        other => panic!("another colour: {other:?}"),
    };
    let set = [(cell.bold(), "bold"), (cell.dim(), "dim"), (true, colour)];
    let words = set
        .into_iter()
        .filter(|(is_set, word)| *is_set && !word.is_empty());
    words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}
