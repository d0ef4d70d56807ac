//! Unsafe DDL, found by squawk: statements that block readers or writers for long, fail on tables with rows, or break
//! the program version that still runs.

use squawk_linter::{Linter, Rule as Squawk, Violation};
use squawk_syntax::SourceFile;

use super::finding::Finding;
use super::rules::{Applies, RULES};
use super::scope::{Scope, SqlFile};
use super::statement;
use crate::sql::statements::Lines;

/// All findings of the rules, including suppressed ones.
pub(super) fn check(scope: &Scope<'_>, migration: &SqlFile<'_>) -> Vec<Finding> {
    objections(migration, scope.app.workspace.oldest_postgres())
}

fn objections(migration: &SqlFile<'_>, postgres: &str) -> Vec<Finding> {
    // Ours reads these comments, so that it knows which of them are of no use. The same length: offsets stay.
    let sql = &migration.sql.replace("squawk-ignore", "squawk_ignore");
    let new = statement::on_new_tables(sql);
    let without_new = statement::blank(sql, &new);
    let mut harmless = new;
    harmless.extend(statement::without_locks(sql));
    let without_harmless = statement::blank(sql, &harmless);

    // Where nothing is blanked, one look is enough.
    let mut texts = Vec::<(&str, Linter)>::new();
    for (applies, text) in [
        (Applies::Always, sql),
        (Applies::ToOldTables, &without_new),
        (Applies::ToLocks, &without_harmless),
    ] {
        // A migration without a transaction is one statement: there is no room for a SET before it.
        if applies == Applies::ToLocks && !migration.in_transaction {
            continue;
        }
        let rules = RULES
            .iter()
            .filter(|rule| rule.applies == applies && (rule.in_down || !migration.down));
        let rules = rules.map(|rule| rule.squawk);
        if let Some((_, linter)) = texts.iter_mut().find(|(same, _)| *same == text) {
            linter.rules.extend(rules);
        } else {
            let mut linter = Linter::from(rules);
            configure(&mut linter, migration, postgres);
            texts.push((text, linter));
        }
    }
    let found = texts
        .into_iter()
        .flat_map(|(text, mut linter)| linter.lint(&SourceFile::parse(text), text))
        .collect();
    let found = without_impossible(found);
    let lines = Lines::of(sql);
    let finding = |violation| finding(&migration.file, sql.len(), &lines, violation);
    let mut findings: Vec<_> = found.iter().filter_map(finding).collect();
    findings.sort_by_key(|finding| (finding.line, finding.check));
    // Of the same words on one line once, however many of its statements they are in.
    findings.dedup_by(|one, two| {
        (one.check, one.line, &one.message) == (two.check, two.line, &two.message)
    });
    findings
}

/// What the rules object to in an up.sql that runs in a transaction: the rule, and the line from 1.
pub(crate) fn unsafe_ddl(sql: &str, postgres: &str) -> Vec<(&'static str, usize)> {
    let migration = SqlFile {
        file: String::new(),
        sql,
        in_transaction: true,
        down: false,
    };
    let findings = objections(&migration, postgres).into_iter();
    findings
        .filter_map(|finding| Some((finding.check, finding.line?)))
        .collect()
}

/// What squawk alone would object to with its default rules: the name of the rule, and the line.
pub(crate) fn plain(migration: &SqlFile<'_>, postgres: &str) -> Vec<(String, usize)> {
    let sql = &migration.sql.replace("squawk-ignore", "squawk_ignore");
    let mut linter = Linter::with_default_rules();
    configure(&mut linter, migration, postgres);
    let found = linter.lint(&SourceFile::parse(sql), sql);
    let lines = Lines::of(sql);
    let place = |violation: &Violation| {
        let offset = usize::from(violation.text_range.start());
        (violation.code.to_string(), lines.line(offset))
    };
    found.iter().map(place).collect()
}

fn configure(linter: &mut Linter, migration: &SqlFile<'_>, postgres: &str) {
    linter.settings.assume_in_transaction = migration.in_transaction;
    if let Ok(version) = postgres.parse() {
        linter.settings.pg_version = version;
    }
}

/// Of two objections to one constraint, the one whose remedy exists: `NOT VALID` is not for every kind.
fn without_impossible(found: Vec<Violation>) -> Vec<Violation> {
    let is_narrower = |code: &Squawk| {
        matches!(
            code,
            Squawk::DisallowedUniqueConstraint
                | Squawk::AddingSerialPrimaryKeyField
                | Squawk::AddingForeignKeyConstraint
        )
    };
    let ranges = found.iter().filter(|other| is_narrower(&other.code));
    let mut ranges: Vec<_> = ranges.map(|other| other.text_range).collect();
    ranges.sort_unstable_by_key(|range| range.start());
    let narrower = |wide: &Violation| {
        let wide = wide.text_range;
        let first = ranges.partition_point(|range| range.start() < wide.start());
        ranges[first..]
            .iter()
            .take_while(|range| range.start() <= wide.end())
            .any(|range| wide.contains_range(*range))
    };
    let keep: Vec<_> = found
        .iter()
        .map(|v| v.code != Squawk::ConstraintMissingNotValid || !narrower(v))
        .collect();
    found
        .into_iter()
        .zip(keep)
        .filter_map(|(violation, keep)| keep.then_some(violation))
        .collect()
}

fn finding(file: &str, length: usize, lines: &Lines, violation: &Violation) -> Option<Finding> {
    let rule = RULES.iter().find(|rule| rule.squawk == violation.code)?;
    let (start, end) = (violation.text_range.start(), violation.text_range.end());
    let end = usize::from(end).min(length);
    let words = usize::from(start).min(end)..end;
    let remedy = violation.help.clone();
    let remedy = remedy.or_else(|| Some(violation.fix.as_ref()?.title.clone()));
    let more = format!("see {}", rule.page());
    Some(
        Finding::new(rule.name, sentence(&violation.message))
            .on_line(file, lines.line(words.start), words)
            .help(match remedy {
                Some(remedy) => format!("{}; {more}", sentence(&remedy)),
                None => more,
            }),
    )
}

/// A sentence of squawk's as ours are: no capital, no final period.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
        }
        _ => text.to_owned(),
    }
}
