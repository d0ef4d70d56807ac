//! `db fix` is killed while it changes files.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Round;
use super::kill::Killer;
use crate::support::Files;

/// Either what it did is taken back, or the next run finishes it and then everything is taken back.
pub(super) fn fix() -> Result<Round, String> {
    let mut killer = Killer::new(undisturbed());
    Ok(Box::new(move |random| {
        let files = Files::accident();
        let before = files.everything();
        let mut command = files.command("fix");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let was_at_work = killer.kill(child.unwrap(), random, String::new);
        if random.below(2) == 0 {
            files.db("fix").exits(0);
            files.finds(&[]);
        }
        let mut backups = files.backups();
        backups.retain(|name| {
            files
                .path(&format!("migration_backups/{name}/manifest.json"))
                .exists()
        });
        // The newest first.
        for backup in backups.iter().rev() {
            files.db(&format!("fix --restore {backup}")).exits(0);
        }
        assert_eq!(files.everything(), before);
        was_at_work
    }))
}

fn undisturbed() -> Duration {
    let files = Files::accident();
    let begin = Instant::now();
    files.db("fix").exits(0);
    begin.elapsed()
}
