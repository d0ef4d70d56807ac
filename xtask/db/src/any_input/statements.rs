//! Where statements begin and end, against the server's own parser.

use super::{ODD, Random, damaged, rounds};
use crate::pg::{Connection, Params};
use crate::sql::statements::{Script, beginning, names, only_creates_index, place_of, starts};

const STATEMENTS: &[&str] = &[
    "SELECT 1",
    "SELECT ';', E'\\';', U&'\\0041;', N';', B'01', x'1f'",
    "SELECT 'a'\n'b;' AS \";\", 1 AS end",
    "SELECT $$;$$, $t$ ; $$ ; $t$, 1.5e3, $1",
    "SELECT t.end, t.\"case;\" FROM t",
    "SELECT CASE WHEN true THEN 1 ELSE 2 END",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END",
    "CREATE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC END",
    "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1 AS end; SELECT t.end FROM t; END",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $f$ SELECT 1; $f$",
    "CREATE FUNCTION f() RETURNS int RETURN 1",
    "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)",
    "CREATE SCHEMA s CREATE TABLE t ()",
    "CREATE TABLE \"a;b\" (x int DEFAULT 1)",
    "COPY t FROM STDIN",
    "DO $$ BEGIN PERFORM 1; END $$",
    "BEGIN",
    "END",
    "ROLLBACK AND CHAIN",
    "PREPARE p AS SELECT 1",
    "CREATE INDEX CONCURRENTLY i ON t (a)",
    "COMMENT ON TABLE t IS E'\\n;'",
    "SELECT 1 atomic",
];
const SEPARATORS: &[&str] = &[
    ";",
    " ; ",
    ";;",
    "; -- x;\n",
    "; /* ; /* nested ; */ */ ",
    ";\r\n",
    "\n;\n",
    ";\t\u{c}",
];
const PIECES: &[&str] = &[
    "'",
    "\"",
    "$$",
    "$a$",
    "(",
    ")",
    ";",
    "--",
    "\n",
    "/*",
    "*/",
    "\\",
    "E'",
    " end ",
    " BEGIN ATOMIC ",
    " case ",
    " as ",
    "é",
    ".",
    "$",
    "1e",
    "0x1F",
    "1_000",
    "U&\"",
    "@",
    "[",
    "]",
    "::",
    ":=",
    "+-",
    "--;\n",
    " stdin ",
    "''",
];

fn script(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(5) {
        text += random.choose(STATEMENTS).unwrap();
        text += random.choose(SEPARATORS).unwrap();
    }
    for _ in 0..random.below(3) {
        let pieces = random.choose(&[PIECES, ODD]).unwrap();
        text = damaged(random, &text, pieces);
    }
    text.replace('\0', "")
}

/// What the server takes a text for.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Refused,
    /// Or nothing.
    One,
    Several,
}

/// A session that parses and runs nothing: in a transaction that has failed, the server says of one statement that it is
/// ignored, after it has parsed it and seen that it is one.
struct Parser(Connection);

impl Parser {
    fn new() -> Self {
        let server = local_postgres::Server::for_tests("xtask").unwrap();
        let params = Params::parse(&server.url("postgres")).unwrap();
        Self(Connection::open(&params).unwrap())
    }

    fn fail(&mut self) {
        let _ = self.0.execute("ROLLBACK");
        self.0.execute("BEGIN").unwrap();
        self.0.execute("SELECT 1/0").unwrap_err();
    }

    fn parsed(&mut self, sql: &str) -> Parsed {
        self.fail();
        match self.0.query(sql, &[]) {
            // What ends a transaction is the one thing that it takes.
            Ok(_) => Parsed::One,
            Err(error) => match (error.sqlstate.as_str(), error.message.as_str()) {
                (_, "cannot insert multiple commands into a prepared statement") => Parsed::Several,
                // ROLLBACK TO a savepoint that is not there is the second.
                ("25P02" | "3B001", _) => Parsed::One,
                _ => Parsed::Refused,
            },
        }
    }
}

#[test]
fn the_servers_parser_sees_the_same_statements() {
    let mut parser = Parser::new();
    let (mut compared, mut several) = (0, 0);
    rounds(1000, |random| {
        let text = script(random);
        let script = Script::of(&text);
        let found: Vec<_> = script.statements.iter().map(|it| it.sql).collect();
        for statement in &script.statements {
            assert!(text[statement.start..].starts_with(statement.sql));
            place_of(&text, statement.start);
            beginning(statement.sql);
        }
        assert_eq!(starts(&text).len(), found.len());
        only_creates_index(&text);
        names(&text, "end");
        let whole = parser.parsed(&text);
        if whole == Parsed::Refused || !script.is_sure {
            return;
        }
        compared += 1;
        let expected = match found.len() {
            0 | 1 => Parsed::One,
            _ => Parsed::Several,
        };
        assert_eq!(whole, expected, "{text:?}: {found:#?}");
        several += usize::from(found.len() > 1);
        for one in found {
            assert_eq!(parser.parsed(one), Parsed::One, "{one:?} of {text:?}");
        }
    });
    assert!(
        compared > 0 && several > 0,
        "{compared} compared, {several} of several"
    );
    eprintln!("{compared} compared, {several} of several statements");
}
