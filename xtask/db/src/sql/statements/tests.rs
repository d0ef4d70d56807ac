//! Where statements begin and end, by hard cases.

use super::*;

fn split(sql: &str) -> Vec<&str> {
    starts(sql)
        .into_iter()
        .map(|at| sql[at..].split_whitespace().next().unwrap())
        .collect()
}

#[test]
fn statements_are_split_as_the_server_does() {
    assert_eq!(split("a;b ;; -- c;\n /* ; /* ; */ */ d"), ["a;b", "b", "d"]);
    assert_eq!(
        split("select ';', \";\", $$;$$, $t$ ; $$ ; $t$, E'\\';'; second"),
        ["select", "second"]
    );
    assert_eq!(
        split("create rule r as on insert to t do (x; y); second"),
        ["create", "second"]
    );
    assert_eq!(
        split(
            "create function f() returns int begin atomic select case when true then 1 end; select 2; end; second"
        ),
        ["create", "second"]
    );
    assert_eq!(
        split("begin; create table t (); end; second"),
        ["begin;", "create", "end;", "second"]
    );
    assert!(starts(" -- nothing\n;").is_empty() && !has_statement(" -- nothing\n;/* x */"));
    assert!(has_statement("-- something\n;\nx"));
}

#[test]
fn a_statement_is_its_words_without_the_semicolon() {
    let script = Script::of(" /* x */ select 1 -- one\n ; select\n2 -- two");
    let texts: Vec<_> = script.statements.iter().map(|own| own.sql).collect();
    assert_eq!(texts, ["select 1", "select\n2"]);
    assert_eq!(script.statements[0].start, 9);
    assert!(script.is_sure && !script.copies);
}

#[test]
fn names_like_keywords_end_no_body() {
    let body = |inner: &str| {
        format!("create function f() returns int begin atomic {inner}; select 2; end; second")
    };
    for inner in [
        "select 1 as end",
        "select t.end, t.case from t",
        "select case when true then 1 else case 2 when 3 then 4 end end as case",
        "select \"end\", 'end', $$ end $$",
    ] {
        let sql = body(inner);
        assert_eq!(split(&sql), ["create", "second"], "{inner}");
        assert!(Script::of(&sql).is_sure, "{inner}");
    }
    // Labels without AS: we may be wrong, and know it; or the server refuses what we make of it.
    assert!(!Script::of(&body("select a end from t")).is_sure);
    assert!(!Script::of(&body("select a case from t")).is_sure);
    assert!(!Script::of(&body("select a end")).is_sure);
    assert_eq!(split("select 1 as atomic; begin; select 1; end").len(), 4);
}

#[test]
fn where_the_server_may_read_otherwise_we_are_not_sure() {
    for sql in [
        "set standard_conforming_strings = off; select 'a'",
        "select set_config('Standard_Conforming_Strings', 'off', false)",
        "do $$ begin set standard_conforming_strings to off; end $$",
        "\\connect other\nselect 1",
        "copy t from stdin;\n1\t2\n\\.\n",
        "select 'open",
        "select $a$ open $b$",
        "select \"open",
        "/* open",
        "create rule r as on insert to t do (select 1;",
        "select e'a'\n'b\\'; select 1; --'",
        "select e'a'\n'b'\n'c\\'; select 1; --'",
        "create function f() returns int begin atomic select 1;",
    ] {
        assert!(!Script::of(sql).is_sure, "{sql}");
    }
    for sql in [
        "-- standard_conforming_strings\nselect 'a\\', e'\\'', U&'\\0041', b'1', x'f', n'x'",
        "select 'a'\n'b\\'",
        "select a$$ from t; select $1, 1.5e3, 1..2, a::int[]",
        "select /* a /* b */ ; */ 1 --; \r; select 2",
    ] {
        assert!(Script::of(sql).is_sure, "{sql}");
    }
}

#[test]
fn copies_from_and_to_the_client_are_seen() {
    for (sql, copies) in [
        ("copy t from stdin", true),
        ("COPY (SELECT 1) TO STDOUT", true),
        ("select 1; copy t (a) from STDIN with (format csv)", true),
        ("copy t from '/tmp/x'; select stdin from t", false),
        ("select 1 as stdin", false),
    ] {
        assert_eq!(Script::of(sql).copies, copies, "{sql}");
    }
}

#[test]
fn how_a_statement_begins_shows_no_value() {
    for (sql, begins) in [
        ("CREATE ROLE x PASSWORD 's3cr3t'", "CREATE ROLE x PASSWORD"),
        (
            "select/**/set_config('a', 's3cr3t', false)",
            "select set_config",
        ),
        (
            "create index concurrently i on t (a)",
            "create index concurrently i",
        ),
        ("'s3cr3t'", ""),
    ] {
        assert_eq!(beginning(sql), begins);
    }
}

#[test]
fn a_concurrent_index_is_recognised() {
    for (sql, only) in [
        (
            "-- x\nCREATE /* y */ UNIQUE Index concurrently i on t (a);",
            true,
        ),
        ("create index concurrently if not exists i on t (a)", true),
        ("create index i on t (a)", false),
        ("create index concurrently i on t (a); select 1", false),
        ("", false),
    ] {
        assert_eq!(only_creates_index(sql), only, "{sql}");
    }
}

#[test]
fn the_end_of_a_transaction_is_found() {
    for (sql, end) in [
        ("create table t (); commit;", Some(End::Commit)),
        ("begin; create table t (); end", Some(End::Commit)),
        ("create table t (); rollback", Some(End::Rollback)),
        ("savepoint s; rollback to savepoint s; select 1", None),
        ("savepoint s; rollback work to s", None),
        ("do $$ begin commit; end $$", None),
        ("prepare transaction 'x'", Some(End::Prepare)),
        ("commit prepared 'x'; rollback prepared 'y'", None),
        ("commit and chain", Some(End::Commit)),
        ("prepare p as select 1", None),
        ("rollback and chain", Some(End::Rollback)),
        ("abort", Some(End::Rollback)),
    ] {
        let script = Script::of(sql);
        let found = |in_transaction| script.forbidden_end(in_transaction).map(|(_, end)| end);
        assert_eq!(found(true), end, "{sql}");
        let alone = end.filter(|end| *end != End::Commit);
        assert_eq!(found(false), alone, "without a transaction: {sql}");
    }
}

#[test]
fn names_are_compared_as_the_server_does() {
    let sql = "create index concurrently By_Note on \"Odd \"\"t\" (note) -- hidden";
    assert!(names(sql, "by_note") && names(sql, "Odd \"t"));
    assert!(!names(sql, "By_Note") && !names(sql, "hidden") && !names(sql, "by"));
}

#[test]
fn places_count_characters() {
    let text = "é\nüb c";
    assert_eq!(
        place_of(text, offset_of(text, 6)),
        Place { line: 2, column: 4 }
    );
    assert_eq!(place_of(text, 0), Place { line: 1, column: 1 });
}
