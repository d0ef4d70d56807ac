//! The link between the tool and the server of one service breaks at a message, falls silent, or is slow.

use std::time::Duration;

use super::Round;
use super::world::{With, World, ended};
use crate::support::{Breaking, Fault, How, Phase, Random, value, variable};

/// A world of which one service is reached through a link, and how many messages of each phase a whole run has.
struct Linked {
    world: World,
    link: Breaking,
    messages: [usize; Phase::ALL.len()],
}

impl Linked {
    fn new() -> Self {
        let mut world = World::new();
        let link = Breaking::start(&world.workspace.get(&variable("arc")));
        world.begin(With::Nothing);
        let direct = world.workspace.get(&variable("arc"));
        world.workspace.set(&variable("arc"), &link.url);
        world.workspace.db("migrate").exits(0);
        let messages = Phase::ALL.map(|phase| link.seen(phase).0);
        assert!(messages.iter().all(|number| *number > 0), "{messages:?}");
        world.workspace.set(&variable("arc"), &direct);
        Self {
            world,
            link,
            messages,
        }
    }

    /// Any message of one of the phases.
    fn fault(&self, random: &mut Random, phases: &[Phase], how: How) -> Fault {
        let phase = phases[random.below(phases.len())];
        Fault {
            phase,
            number: random.below(self.messages[phase as usize]),
            how,
        }
    }

    /// Has a fault happen to `migrate`, which ends by itself; whether it did, and with which code.
    fn migrate(&mut self, fault: Fault) -> (bool, i32) {
        let world = &mut self.world;
        world.begin(With::Nothing);
        self.link.plan(Some(fault));
        let direct = world.workspace.get(&variable("arc"));
        world.workspace.set(&variable("arc"), &self.link.url);
        let run = ended(&mut world.start("migrate"), || world.said());
        world.workspace.set(&variable("arc"), &direct);
        let (_, was_hit) = self.link.seen(fault.phase);
        assert!(was_hit || run.code == 0, "{}", run.stderr);
        // What it says of the migration is so.
        for (says, is_applied) in [("is applied", "true"), ("is not applied", "false")] {
            let told = run.stderr.split("the connection was lost; `").nth(1);
            let told = told.and_then(|rest| rest.split_once("` "));
            if let Some((name, rest)) = told
                && rest.starts_with(says)
            {
                let version = name.split('_').next().unwrap().replace('-', "");
                let query = format!(
                    "SELECT EXISTS (SELECT FROM __diesel_schema_migrations WHERE version = '{version}')"
                );
                assert_eq!(
                    value(&mut world.session("arc"), &query),
                    is_applied,
                    "{fault:?}: {}",
                    run.stderr
                );
            }
        }
        world.is_consistent();
        (was_hit, run.code)
    }

    /// The next run goes on, and everything holds.
    fn goes_on(&self) {
        self.world.go_on("migrate");
        self.world.holds();
    }
}

/// A fault that is told when its round fails.
struct Told(Fault);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was {:?}", self.0);
        }
    }
}

pub(super) fn cut() -> Result<Round, String> {
    let mut linked = Linked::new();
    Ok(Box::new(move |random| {
        let hows = [
            How::CutBefore,
            How::CutWithin,
            How::CutAfter,
            How::CutInAnswer,
        ];
        let how = hows[random.below(hows.len())];
        let fault = linked.fault(random, &Phase::ALL, how);
        let _told = Told(fault);
        let (was_hit, _) = linked.migrate(fault);
        linked.goes_on();
        was_hit
    }))
}

/// Silence is waited for where `DB_ANSWER_TIMEOUT` bounds it: migrations take the time that they take.
pub(super) fn hang() -> Result<Round, String> {
    let mut linked = Linked::new();
    linked.world.workspace.set("DB_ANSWER_TIMEOUT", "1");
    linked.world.workspace.set("PGCONNECT_TIMEOUT", "2");
    Ok(Box::new(move |random| {
        let slow = How::Slow(Duration::from_millis(10 + random.below(200) as u64));
        let (fault, code) = match random.below(2) {
            0 => (linked.fault(random, &Phase::ALL, slow), 0),
            _ => (
                linked.fault(
                    random,
                    &[Phase::Login, Phase::Look, Phase::Locks],
                    How::Silent,
                ),
                3,
            ),
        };
        let _told = Told(fault);
        let (was_hit, ended) = linked.migrate(fault);
        assert_eq!(ended, code, "{}", linked.world.said());
        linked.goes_on();
        was_hit
    }))
}
