//! The server ends, or has no room left, while a run is at work.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::Round;
use super::kill::Killer;
use super::world::{With, World, ended};
use crate::support::{OwnServer, SmallDisk, Workspace};

/// A world on a server of its own.
fn on_own_server(
    workspace: Workspace,
    disk: Option<SmallDisk>,
) -> Result<(World, Rc<RefCell<OwnServer>>), String> {
    let server = OwnServer::start(&workspace, disk).map_err(|error| error.to_string())?;
    let server = Rc::new(RefCell::new(server));
    let shared = Rc::clone(&server);
    let world = World::on(
        workspace,
        Box::new(move |database| shared.borrow().url(database)),
    );
    Ok((world, server))
}

pub(super) fn restart() -> Result<Round, String> {
    let (world, server) = on_own_server(Workspace::empty(), None)?;
    let killer = Killer::new(world.time);
    Ok(Box::new(move |random| {
        world.begin(With::Nothing);
        let mut child = world.start("migrate");
        std::thread::sleep(killer.moment(random));
        let was_at_work = child.try_wait().unwrap().is_none();
        server.borrow_mut().crash();
        let run = ended(&mut child, || world.said());
        server.borrow_mut().start_again();
        assert!(was_at_work || run.code == 0, "{}", run.stderr);
        world.is_consistent();
        world.go_on("migrate");
        world.holds();
        was_at_work
    }))
}

/// How many bytes of the disk the migrations get, at most: less than they need.
const ROOM: usize = 512 * 1024;

pub(super) fn disk_full() -> Result<Round, String> {
    let workspace = Workspace::empty();
    let at = format!("/tmp/{}", workspace.database("disk"));
    let disk = SmallDisk::mount(at.as_ref(), "160m").ok_or("only root can mount a small disk")?;
    let (world, server) = on_own_server(workspace, Some(disk))?;
    Ok(Box::new(move |random| {
        world.begin(With::Nothing);
        let mut server = server.borrow_mut();
        let rest = server.fill_disk(random.below(ROOM));
        let run = ended(&mut world.start("migrate"), || world.said());
        std::fs::remove_file(rest).unwrap();
        // Where it could not write its log of changes, it has ended, and starts again by itself if that worked.
        while !server.answers() {
            match server.runs() {
                true => std::thread::sleep(Duration::from_millis(10)),
                false => server.start_again(),
            }
        }
        drop(server);
        world.is_consistent();
        world.go_on("migrate");
        world.holds();
        run.code != 0
    }))
}
