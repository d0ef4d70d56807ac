//! Findings as a person reads them: the line of source with carets under what is meant, and what to do next.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::ops::Range;
use std::path::Path;

use super::finding::{Finding, Ignored};
use crate::sql::diagnostic::Excerpt;
use crate::ui::report::{BAD, DIM, GOOD, NOTE, count};

/// The lines of a screen that are not the findings': the command and what cargo says of its own, the summary and the prompt.
const OTHERS: usize = 7;

/// The texts of the files that findings are about.
pub(crate) struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Reads each once. Of `.env` and `.env.template`, whose lines hold passwords, nothing is shown.
    pub(crate) fn read(root: &Path, findings: &[Finding]) -> Self {
        let with_line = findings.iter().filter(|finding| finding.line.is_some());
        let files: BTreeSet<_> = with_line.filter_map(|it| it.file.as_deref()).collect();
        let name = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
        let files = files
            .into_iter()
            .filter(|file| !name(file).starts_with(".env"));
        let text = |file: &str| std::fs::read_to_string(root.join(file)).ok();
        Self(
            files
                .filter_map(|file| Some((file.to_owned(), text(file)?)))
                .collect(),
        )
    }

    /// The text of a finding's file, and the bytes in it that are meant: the words, or all of the line.
    pub(crate) fn words(&self, finding: &Finding) -> Option<(&str, Range<usize>)> {
        let text = self.0.get(finding.file.as_ref()?)?;
        if let Some(words) = &finding.words {
            // Unless it was written meanwhile.
            return text
                .get(words.clone())
                .map(|_| (text.as_str(), words.clone()));
        }
        let line = text.split('\n').nth(finding.line?.checked_sub(1)?)?;
        // A part of the text: its address says where.
        let start = line.as_ptr() as usize - text.as_ptr() as usize;
        let start = start + line.len() - line.trim_start().len();
        let end = start + line.trim().len();
        (start < end).then_some((text, start..end))
    }
}

/// The size of the terminal that standard output is, in columns and lines: 80x24 where it does not say.
pub(crate) fn screen() -> Option<(usize, usize)> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let size = terminal_size::terminal_size_of(std::io::stdout());
    Some(size.map_or((80, 24), |(width, height)| {
        (usize::from(width.0).max(1), usize::from(height.0))
    }))
}

/// All findings with their source; on a `screen`, as many as it holds, and those that say the same once.
pub(crate) fn full(
    findings: &[Finding],
    sources: &Sources,
    screen: Option<(usize, usize)>,
) -> (String, usize) {
    let Some((width, height)) = screen else {
        let blocks = findings.iter().map(|it| block(it, &[], sources));
        return (blocks.collect(), 0);
    };
    let (mut text, mut rows, mut hidden) = (String::new(), OTHERS, 0);
    for (first, rest) in groups(findings) {
        let block = block(first, &rest, sources);
        rows += rows_of(&block, width);
        // One at least, however small the screen is.
        if hidden > 0 || (rows > height && !text.is_empty()) {
            hidden += 1 + rest.len();
            continue;
        }
        text.push_str(&block);
    }
    (text, hidden)
}

/// The findings that say the same of different places, each time with the first.
fn groups(findings: &[Finding]) -> Vec<(&Finding, Vec<&Finding>)> {
    let mut groups = Vec::<(&Finding, Vec<&Finding>)>::new();
    for finding in findings {
        let is_same = |other: &Finding| {
            (other.check, &other.message, &other.help)
                == (finding.check, &finding.message, &finding.help)
        };
        match groups.iter_mut().find(|(first, _)| is_same(first)) {
            Some((_, rest)) => rest.push(finding),
            None => groups.push((finding, Vec::new())),
        }
    }
    groups
}

fn block(finding: &Finding, rest: &[&Finding], sources: &Sources) -> String {
    let Finding {
        check,
        message,
        help,
        ..
    } = finding;
    let mut text = format!("{BAD}error[{check}]{BAD:#}: {message}\n");
    match (sources.words(finding), &finding.file) {
        (Some((source, words)), Some(file)) => {
            text.push_str(&Excerpt::of(source, words).render(file, DIM, BAD));
        }
        _ => text.extend(
            finding
                .place()
                .map(|place| format!("  {DIM}-->{DIM:#} {place}\n")),
        ),
    }
    if !help.is_empty() {
        let help = help.trim_end().replace('\n', "\n    ");
        text.push_str(&format!("  {NOTE}help{NOTE:#}: {help}\n"));
    }
    if !rest.is_empty() {
        let files: BTreeSet<_> = rest.iter().map(|it| &it.file).collect();
        let files = count(files.len(), "file");
        text.push_str(&format!(
            "  {DIM}and {} more in {files}{DIM:#}\n",
            rest.len()
        ));
    }
    text + "\n"
}

/// How many lines of a terminal a text takes; colours take none.
fn rows_of(text: &str, width: usize) -> usize {
    let plain = anstream::adapter::strip_str(text).to_string();
    let rows = |line: &str| line.chars().count().div_ceil(width).max(1);
    plain.lines().map(rows).sum()
}

/// What differs in the catalog alone.
pub(crate) fn ignored(ignored: &[Ignored]) -> String {
    let each = ignored.iter().map(|it| {
        let place = it.file.as_ref().unwrap_or(&it.service);
        let message = it.message.replace('\n', "\n  ");
        format!("{DIM}ignored{DIM:#}: {message}\n  {DIM}-->{DIM:#} {place}\n\n")
    });
    each.collect()
}

/// A line for each: its place, its check, and the first line of what it says.
pub(crate) fn concise(findings: &[Finding], sources: &Sources) -> String {
    let line = |finding: &Finding| {
        let column = sources.words(finding).map(|(text, words)| {
            let place = Excerpt::of(text, words).place;
            format!(":{}", place.column)
        });
        let place = match (finding.place(), &finding.service) {
            (Some(place), _) => place + &column.unwrap_or_default(),
            (None, Some(service)) => format!("service {service}"),
            (None, None) => "workspace".to_owned(),
        };
        let message = finding.message.lines().next().unwrap_or_default();
        format!("{place}: {BAD}{}{BAD:#}: {message}\n", finding.check)
    };
    findings.iter().map(line).collect()
}

/// How many there are, and what to do next; of `hidden` ones, how to see them.
pub(crate) fn summary(findings: &[Finding], hidden: usize, services: usize) -> String {
    let services = count(services, "service");
    if findings.is_empty() {
        return format!("{GOOD}nothing found{GOOD:#} in {services}\n");
    }
    let number = count(findings.len(), "finding");
    let not_shown = match hidden {
        0 => String::new(),
        hidden => format!(", {hidden} not shown: `cargo xtask db check -v` shows all"),
    };
    let repaired = findings.iter().filter(|it| it.fix.is_some()).count();
    let these = match findings.len() {
        1 => "it, or allow it",
        _ => "these, or allow them",
    };
    let next = match repaired {
        0 => format!("correct {these} with a reason: `cargo xtask db check --help`"),
        number if number == findings.len() => {
            "`cargo xtask db fix` repairs this, `cargo xtask db fix --dry-run` shows how".to_owned()
        }
        number => {
            format!("`cargo xtask db fix` repairs {number} of them; correct or allow the others")
        }
    };
    format!("{BAD}{number}{BAD:#} in {services}{not_shown}\n{NOTE}next{NOTE:#}: {next}\n")
}
