//! Text of a database in Markdown, escaped for GitHub, so that it always stays text.

/// A row of a table.
pub(super) fn row(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| cell.trim()).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// A code span, on one line, also for the cell of a table.
pub(super) fn code(text: &str) -> String {
    let line = one_line(text);
    if line.is_empty() {
        return String::new();
    }
    // Inside of backticks nothing can be escaped, and a pipe ends the cell there, too.
    match line.contains(['`', '|']) {
        true => format!("<code>{}</code>", escaped(&line)),
        false => format!("`{line}`"),
    }
}

/// Prose for the cell of a table.
pub(super) fn text(text: &str) -> String {
    let lines: Vec<_> = text
        .trim()
        .lines()
        .map(|line| escaped(&one_line(line)))
        .collect();
    lines.join("<br>")
}

/// Prose that begins a block, and is no list, heading or quotation.
pub(super) fn paragraph(prose: &str) -> String {
    let prose = prose.trim();
    match prose.chars().next() {
        Some(first) if first.is_ascii() && !first.is_ascii_alphabetic() => {
            format!(
                "&#{};{}",
                u32::from(first),
                text(&format!("x{}", &prose[1..])).split_off(1)
            )
        }
        _ => text(prose),
    }
}

/// Without line breaks and other control characters.
fn one_line(text: &str) -> String {
    let words = text.split(char::is_control).map(str::trim);
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// What Markdown would read as its own: pipes and backslashes as entities, since a table's cells are split before a
/// backslash counts.
fn escaped(line: &str) -> String {
    let mut out = String::new();
    for char in line.chars() {
        match char {
            '&' | '<' | '>' | '|' | '\\' => out += &format!("&#{};", u32::from(char)),
            '`' | '*' | '_' | '[' | ']' | '~' | '$' => out.extend(['\\', char]),
            _ => out.push(char),
        }
    }
    out
}
