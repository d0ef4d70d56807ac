//! The commands of README.md, as they stand there.

use serde_json::Value;

use crate::machine::Machine;

const README: &str = include_str!("../../README.md");

fn blocks() -> Vec<&'static str> {
    let blocks = README.split("```sh\n").skip(1);
    blocks.map(|it| it.split("```").next().unwrap()).collect()
}

#[test]
fn every_line_for_a_shell_is_run_and_prints_the_keys_that_are_shown() {
    let machine = Machine::new();
    let mut number = 0;
    for line in blocks().concat().lines() {
        let (typed, said) = line.split_once("  #").unwrap();
        let mut words = typed.split_whitespace();
        assert_eq!(words.next(), Some("local-postgres"), "{line}");
        let printed = machine.run(&words.collect::<Vec<_>>());
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let (keys, _) = said.trim().split_once('}').unwrap();
        let mut keys: Vec<_> = keys.split('"').skip(1).step_by(2).collect();
        keys.sort_unstable();
        let found: Vec<_> = printed.as_object().unwrap().keys().collect();
        assert_eq!(found, keys, "{line}");
        number += 1;
    }
    assert_eq!(number, 3);
}

/// And every command is there: in the block or in the table.
#[test]
fn every_command_of_the_table_is_one() {
    let machine = Machine::new();
    let rows = README
        .lines()
        .skip_while(|it| !it.starts_with("| command |"));
    let rows = rows.skip(2).take_while(|it| it.starts_with('|'));
    let mut named = vec!["dev".to_owned(), "help".to_owned()];
    for row in rows {
        let syntax = row.split('`').nth(1).unwrap();
        let words: Vec<_> = syntax.split_whitespace().collect();
        let words = words
            .iter()
            .map(|word| match word.trim_matches(['[', ']']) {
                "MAJOR" => "18",
                word => word,
            });
        // It is read to its end, and does nothing.
        let words: Vec<_> = words.chain(["--help"]).collect();
        machine.run(&words);
        named.push(words[0].to_owned());
    }
    let help = machine.run(&["--help"]);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let lines = listed.lines().take_while(|line| line.starts_with("  "));
    // Deeper than that stands the rest of what a command does.
    let lines = lines.filter(|line| !line.starts_with("   "));
    let mut commands: Vec<_> = lines
        .filter_map(|it| it.split_whitespace().next())
        .collect();
    commands.sort_unstable();
    named.sort_unstable();
    assert_eq!(commands, named);
}
