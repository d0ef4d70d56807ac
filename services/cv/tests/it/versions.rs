//! Readers and writers of one CV at the same time, and whose it is.

use cv::{Error, cvs};
use diesel::prelude::*;
use local_postgres::TestDatabase;
use uuid::Uuid;

use crate::cvs::content;

#[test]
fn a_cv_is_read_in_one_state() {
    let db = TestDatabase::new();
    let user = Uuid::new_v4();
    let states = [content("old", 5), content("new", 7)];
    let id = cvs::create(&mut db.connection(), user, &states[0]).unwrap();
    std::thread::scope(|scope| {
        let mut conn = db.connection();
        let writer = scope.spawn({
            let states = &states;
            move || {
                for n in 0..60 {
                    let next = &states[(n as usize + 1) % 2];
                    cvs::replace(&mut conn, user, id, n + 1, next).unwrap();
                }
            }
        });
        let one_state = |conn: &mut PgConnection| {
            let cv = cvs::load(conn, user, id).unwrap();
            assert_eq!(&cv.content, &states[(cv.version as usize + 1) % 2]);
            let all = cvs::load_all(conn, user).unwrap();
            assert_eq!(&all[0].content, &states[(all[0].version as usize + 1) % 2]);
        };
        let conn = &mut db.connection();
        while !writer.is_finished() {
            one_state(conn);
            // As well in a transaction of the caller's, where each query sees what is new.
            conn.transaction(|conn| {
                one_state(conn);
                QueryResult::Ok(())
            })
            .unwrap();
        }
    });
}

#[test]
fn a_cv_is_read_in_any_transaction() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    conn.transaction(|conn| {
        let id = cvs::create(conn, user, &content("first", 2))?;
        cvs::replace(conn, user, id, 1, &content("second", 3))?;
        let cv = cvs::load(conn, user, id)?;
        assert_eq!((cv.version, &cv.content), (2, &content("second", 3)));
        assert_eq!(cvs::load_all(conn, user)?, [cv]);
        Ok::<_, Error>(())
    })
    .unwrap();
    let mut read_only = conn.build_transaction().serializable().read_only();
    let all = read_only.run(|conn| cvs::load_all(conn, user)).unwrap();
    assert_eq!(all.len(), 1);
}

#[test]
fn of_many_writers_from_one_version_one_wins() {
    let db = TestDatabase::new();
    let user = Uuid::new_v4();
    let id = cvs::create(&mut db.connection(), user, &content("first", 5)).unwrap();
    let results: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6)
            .map(|n| {
                let mut conn = db.connection();
                scope.spawn(move || cvs::replace(&mut conn, user, id, 1, &content("next", n)))
            })
            .collect();
        let results = writers.into_iter().map(|writer| writer.join().unwrap());
        results.collect()
    });
    let winner = results.iter().position(Result::is_ok).unwrap();
    for (n, result) in results.iter().enumerate().filter(|(n, _)| *n != winner) {
        assert!(
            matches!(
                result,
                Err(Error::Conflict {
                    expected: 1,
                    actual: 2,
                    ..
                })
            ),
            "{n}: {result:?}"
        );
    }
    let cv = cvs::load(&mut db.connection(), user, id).unwrap();
    assert_eq!((cv.version, cv.content), (2, content("next", winner)));
}

#[test]
fn a_cv_is_its_users_alone() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let [ann, bob] = [Uuid::new_v4(), Uuid::new_v4()];
    let id = cvs::create(conn, ann, &content("first", 1)).unwrap();
    let unknown = |result: Result<String, Error>| {
        assert!(matches!(result, Err(Error::UnknownCv(_))), "{result:?}");
    };
    unknown(cvs::load(conn, bob, id).map(|cv| format!("{cv:?}")));
    unknown(cvs::replace(conn, bob, id, 1, &content("stolen", 1)).map(|n| n.to_string()));
    assert!(!cvs::delete(conn, bob, id, 1).unwrap());
    let cv = cvs::load(conn, ann, id).unwrap();
    assert_eq!((cv.version, cv.content), (1, content("first", 1)));
}
