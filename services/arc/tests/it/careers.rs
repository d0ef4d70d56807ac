use arc::models::CareerProfile;
use arc::{Error, careers};
use diesel::prelude::*;
use diesel::sql_types::Text;
use local_postgres::TestDatabase;
use serde_json::json;
use uuid::Uuid;

fn profile(headline: &str) -> CareerProfile {
    CareerProfile {
        headline: headline.into(),
        skills: vec!["Rust".into(), "PostgreSQL".into()],
        ..CareerProfile::default()
    }
}

#[test]
fn a_profile_comes_back_as_it_was_stored() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    let created = careers::create(conn, user, &profile("engineer")).unwrap();
    assert_eq!(created.version, 1);
    assert_eq!(created.profile, profile("engineer"));
    assert_eq!(careers::find(conn, user).unwrap(), Some(created));
    assert_eq!(careers::find(conn, Uuid::new_v4()).unwrap(), None);
}

#[test]
fn a_user_has_one_profile() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let again = careers::create(conn, user, &profile("engineer"));
    assert!(matches!(again, Err(Error::UserExists)), "{again:?}");
}

#[test]
fn an_update_from_an_old_version_is_a_conflict() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);

    let first = careers::update(conn, user, 1, &profile("first")).unwrap();
    assert_eq!(first.version, 2);
    assert!(first.updated_at > first.created_at);

    let second = careers::update(conn, user, 1, &profile("second")).unwrap_err();
    assert_eq!(
        second.to_string(),
        format!("the data of user {user} is at version 2, the change was made from 1")
    );
    assert_eq!(careers::find(conn, user).unwrap(), Some(first));
}

#[test]
fn of_many_updates_from_one_version_one_wins() {
    let db = TestDatabase::new();
    let user = crate::user(&mut db.connection());
    let results: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|n| {
                let mut conn = db.connection();
                let profile = profile(&format!("writer {n}"));
                scope.spawn(move || careers::update(&mut conn, user, 1, &profile))
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    let conflicts = results.iter().filter(|r| {
        matches!(
            r,
            Err(Error::Conflict {
                expected: 1,
                actual: 2,
                ..
            })
        )
    });
    assert_eq!(conflicts.count(), 7);
}

#[test]
fn an_update_of_nobody_is_no_conflict() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let result = careers::update(conn, Uuid::new_v4(), 1, &profile("engineer"));
    assert!(matches!(result, Err(Error::UnknownUser)), "{result:?}");
}

#[test]
fn what_a_newer_version_stored_survives_an_update() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    diesel::sql_query("UPDATE user_arc_data SET profile = $1::jsonb")
        .bind::<Text, _>(r#"{"headline": "engineer", "salary": {"from": 90000}}"#)
        .execute(conn)
        .unwrap();

    let mut data = careers::find(conn, user).unwrap().unwrap();
    data.profile.headline = "senior engineer".into();
    let updated = careers::update(conn, user, data.version, &data.profile).unwrap();
    assert_eq!(updated.profile.headline, "senior engineer");
    assert_eq!(updated.profile.other["salary"], json!({ "from": 90000 }));
}

#[test]
fn a_user_is_forgotten_with_everything() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    arc::tasks::enqueue(conn, user, 0, &json!({})).unwrap();
    assert!(careers::delete(conn, user).unwrap());
    assert!(!careers::delete(conn, user).unwrap());
    let tasks: i64 = arc::schema::cv_tasks::table
        .count()
        .get_result(conn)
        .unwrap();
    assert_eq!(tasks, 0);
}
