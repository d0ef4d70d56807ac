//! Which of squawk's rules are used, and why the others are not.

use squawk_linter::Rule as Squawk;

/// A rule of squawk's that is used.
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) squawk: Squawk,
    pub(crate) applies: Applies,
    /// Whether a down.sql has to follow it too: what would fail there, not what it drops.
    pub(crate) in_down: bool,
}

impl Rule {
    /// Where squawk explains it.
    pub(crate) fn page(&self) -> String {
        format!("https://squawkhq.com/docs/{}", self.name)
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applies {
    Always,
    /// Not to a table that the same file creates: no session reads it yet.
    ToOldTables,
    /// To statements that may wait for a lock that others hold.
    ToLocks,
}

const fn rule(name: &'static str, squawk: Squawk, applies: Applies) -> Rule {
    Rule {
        name,
        squawk,
        applies,
        in_down: false,
    }
}

const fn everywhere(name: &'static str, squawk: Squawk) -> Rule {
    Rule {
        name,
        squawk,
        applies: Applies::Always,
        in_down: true,
    }
}

use Applies::{Always, ToLocks, ToOldTables};

/// The rules that are used, by the name that switches one off.
#[rustfmt::skip]
pub(crate) const RULES: &[Rule] = &[
    // Blocks readers or writers for as long as the table is long.
    rule("adding-field-with-default", Squawk::AddingFieldWithDefault, ToOldTables),
    rule("adding-foreign-key-constraint", Squawk::AddingForeignKeyConstraint, ToOldTables),
    rule("adding-not-nullable-field", Squawk::AddingNotNullableField, ToOldTables),
    rule("adding-serial-primary-key-field", Squawk::AddingSerialPrimaryKeyField, ToOldTables),
    rule("changing-column-type", Squawk::ChangingColumnType, ToOldTables),
    rule("constraint-missing-not-valid", Squawk::ConstraintMissingNotValid, ToOldTables),
    rule("disallowed-unique-constraint", Squawk::DisallowedUniqueConstraint, ToOldTables),
    rule("prefer-repack", Squawk::PreferRepack, Always),
    rule("require-concurrent-index-creation", Squawk::RequireConcurrentIndexCreation, ToOldTables),
    rule("require-concurrent-index-deletion", Squawk::RequireConcurrentIndexDeletion, ToOldTables),
    rule("require-concurrent-partition-detach", Squawk::RequireConcurrentPartitionDetach, ToOldTables),
    rule("require-concurrent-reindex", Squawk::RequireConcurrentReindex, ToOldTables),
    rule("require-lock-timeout", Squawk::RequireLockTimeout, ToLocks),
    rule("require-statement-timeout", Squawk::RequireStatementTimeout, ToLocks),
    // Fails on a table with rows.
    rule("adding-required-field", Squawk::AddingRequiredField, ToOldTables),
    // Breaks the version of the service that still runs, or loses data.
    rule("ban-alter-identity", Squawk::BanAlterIdentity, ToOldTables),
    rule("ban-drop-column", Squawk::BanDropColumn, ToOldTables),
    rule("ban-drop-constraint", Squawk::BanDropConstraint, ToOldTables),
    rule("ban-drop-database", Squawk::BanDropDatabase, Always),
    rule("ban-drop-default", Squawk::BanDropDefault, ToOldTables),
    rule("ban-drop-domain", Squawk::BanDropDomain, Always),
    rule("ban-drop-extension", Squawk::BanDropExtension, Always),
    rule("ban-drop-function", Squawk::BanDropFunction, Always),
    rule("ban-drop-generated-expression", Squawk::BanDropGeneratedExpression, ToOldTables),
    rule("ban-drop-not-null", Squawk::BanDropNotNull, ToOldTables),
    rule("ban-drop-schema", Squawk::BanDropSchema, Always),
    rule("ban-drop-sequence", Squawk::BanDropSequence, Always),
    rule("ban-drop-table", Squawk::BanDropTable, ToOldTables),
    rule("ban-drop-type", Squawk::BanDropType, Always),
    rule("ban-drop-view", Squawk::BanDropView, Always),
    rule("ban-set-schema", Squawk::BanSetSchema, ToOldTables),
    rule("ban-truncate-cascade", Squawk::BanTruncateCascade, Always),
    rule("renaming-column", Squawk::RenamingColumn, ToOldTables),
    rule("renaming-object", Squawk::RenamingObject, ToOldTables),
    rule("renaming-table", Squawk::RenamingTable, ToOldTables),
    // Can't be changed later without one of the above.
    rule("ban-alter-domain-with-add-constraint", Squawk::BanAlterDomainWithAddConstraint, Always),
    rule("ban-char-field", Squawk::BanCharField, Always),
    rule("ban-create-domain-with-constraint", Squawk::BanCreateDomainWithConstraint, Always),
    rule("prefer-bigint-over-int", Squawk::PreferBigintOverInt, Always),
    rule("prefer-timestamp-tz", Squawk::PreferTimestampTz, Always),
    rule("require-enum-value-ordering", Squawk::RequireEnumValueOrdering, Always),
    // Is not what it says, or fails.
    everywhere("ban-duplicate-column-assignments", Squawk::BanDuplicateColumnAssignments),
    everywhere("ban-uncommitted-transaction", Squawk::BanUncommittedTransaction),
    everywhere("identifier-too-long", Squawk::IdentifierTooLong),
    everywhere("transaction-nesting", Squawk::TransactionNesting),
];

/// The rules that squawk would use and we don't, each with the reason. A comment that ignores one is left alone: plain
/// squawk may read the file too.
pub(crate) const LEFT_OUT: &[(&str, &str)] = &[
    (
        "prefer-robust-stmts",
        "a migration runs once, in a transaction or as a single statement; IF NOT EXISTS would take the INVALID index of an \
         interrupted run for the finished one, which the ledger knows",
    ),
    (
        "ban-concurrent-index-creation-in-transaction",
        "silent on a file of one statement, which Diesel too runs in a transaction: `concurrently-in-transaction` is ours",
    ),
    (
        "prefer-text-field",
        "a longer varchar(n) has needed no rewrite since PostgreSQL 9.2; a shorter one is found by `changing-column-type`",
    ),
    (
        "prefer-bigint-over-smallint",
        "an i16 is a deliberate choice: its range is part of the model",
    ),
    (
        "prefer-identity",
        "serial is a matter of taste and grants, not of locks; its range is checked by `prefer-bigint-over-int`",
    ),
    (
        "require-timeout-settings",
        "the old name of `require-lock-timeout` and `require-statement-timeout` together",
    ),
    (
        "unused-ignore",
        "squawk finds misspelt names only; `unused-allow` and `unknown-check` also find comments that hide nothing",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_squawks_and_every_default_rule_is_used_or_left_out() {
        for rule in RULES {
            assert_eq!(rule.squawk.to_string(), rule.name);
        }
        for rule in &squawk_linter::Linter::with_default_rules().rules {
            let name = rule.to_string();
            let used = RULES.iter().any(|rule| rule.name == name);
            let left_out = LEFT_OUT.iter().any(|(left_out, _)| *left_out == name);
            assert!(used != left_out, "{name}");
        }
    }
}
