//! The README's picture of a terminal: the accident that the tool is for, as a real run shows it, in light and in dark.
//!
//! A run that looks otherwise fails the test. Where that is wanted: `INSTA_UPDATE=always cargo test -p xtask --test it
//! picture`, and look at the pictures.

use anstyle_svg::{Palette, Term};
use clap::builder::styling::RgbColor;

use crate::support::{Run, Workspace, repository};

/// Columns of the terminal.
const WIDTH: usize = 92;

/// A name, the background, the text, and the colours that the tool's own styles use.
type Look = (&'static str, RgbColor, RgbColor, Palette);

const LIGHT: Look = (
    "light",
    rgb(0xffffff),
    rgb(0x1f2328),
    palette([0xcf222e, 0x1a7f37, 0x9a6700, 0x0969da, 0x8250df, 0x1b7c83]),
);
const DARK: Look = (
    "dark",
    rgb(0x0d1117),
    rgb(0xe6edf3),
    palette([0xff7b72, 0x3fb950, 0xd29922, 0x58a6ff, 0xbc8cff, 0x39c5cf]),
);

const fn rgb(number: u32) -> RgbColor {
    let [_, red, green, blue] = number.to_be_bytes();
    RgbColor(red, green, blue)
}

/// The bright colours are the same; black and white are greys.
const fn palette([red, green, yellow, blue, magenta, cyan]: [u32; 6]) -> Palette {
    let eight = [
        rgb(0x6e7781),
        rgb(red),
        rgb(green),
        rgb(yellow),
        rgb(blue),
        rgb(magenta),
        rgb(cyan),
        rgb(0x8c959f),
    ];
    let [a, b, c, d, e, f, g, h] = eight;
    Palette([a, b, c, d, e, f, g, h, a, b, c, d, e, f, g, h])
}

/// Every service on one `DATABASE_URL`, as a terminal of a contributor shows it.
fn accident() -> String {
    let mut workspace = Workspace::with(&["arc", "cv", "user"]);
    workspace.db("create").exits(0);
    let url = workspace.get("ARC_DATABASE_URL");
    for service in ["ARC", "CV", "USER"] {
        workspace.unset(&format!("{service}_DATABASE_URL"));
    }
    workspace.set("DATABASE_URL", &url);
    let mut command = workspace.command(&["db", "migrate"]);
    let run = Run::of(command.env("CLICOLOR_FORCE", "1"), "migrate").exits(6);
    assert_eq!(run.stdout, "");
    let services = ["arc", "cv", "user"];
    let shown = services.iter().fold(run.stderr, |shown, service| {
        shown.replace(&workspace.database(service), &format!("{service}_db"))
    });
    format!(
        "\u{1b}[1m$\u{1b}[0m export DATABASE_URL=postgres://localhost/arc_db\n\u{1b}[1m$\u{1b}[0m cargo xtask db migrate\n{shown}"
    )
}

/// Lines that are no longer than the terminal, broken between words; escape codes take no place.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut column = 0;
        for word in line.split_inclusive(' ') {
            let width = visible(word);
            if column + width > WIDTH {
                out.push('\n');
                column = 0;
            }
            out.push_str(word);
            column += width;
        }
        out.push('\n');
    }
    out
}

/// How many characters are no part of an escape code.
fn visible(word: &str) -> usize {
    let mut is_code = false;
    let shown = word.chars().filter(|c| {
        let was_code = is_code;
        is_code = *c == '\u{1b}' || (is_code && *c != 'm');
        !is_code && !was_code
    });
    shown.count()
}

#[test]
fn the_picture_is_a_real_run() {
    let text = wrapped(&accident());
    for (name, background, foreground, palette) in [LIGHT, DARK] {
        let term = Term::new()
            .palette(palette)
            .bg_color(background.into())
            .fg_color(foreground.into());
        let svg = term.render_svg(&text);
        let path = repository().join(format!("docs/refused-{name}.svg"));
        if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
            std::fs::write(&path, &svg).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == svg, "{} is not what a run shows", path.display());
    }
}
