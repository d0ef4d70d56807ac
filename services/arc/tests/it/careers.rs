use arc::models::CareerProfile;
use arc::{Error, careers};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_migrations::MigrationHarness as _;
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

fn version(conn: &mut PgConnection, user: Uuid) -> i64 {
    careers::find(conn, user).unwrap().unwrap().version
}

#[test]
fn a_profile_comes_back_as_it_was_stored() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    let created = careers::create(conn, user, &profile("engineer")).unwrap();
    assert!(created.version > 0);
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
    let read = version(conn, user);

    let first = careers::update(conn, user, read, &profile("first")).unwrap();
    assert!(first.version > read);
    assert!(first.updated_at > first.created_at);

    let second = careers::update(conn, user, read, &profile("second")).unwrap_err();
    assert_eq!(
        second.to_string(),
        format!(
            "the data of user {user} is at version {}, the change was made from {read}",
            first.version
        )
    );
    assert_eq!(careers::find(conn, user).unwrap(), Some(first));
}

#[test]
fn an_update_from_before_a_deletion_is_a_conflict() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let read = version(conn, user);
    careers::delete(conn, user).unwrap();
    careers::create(conn, user, &profile("new")).unwrap();
    let stale = careers::update(conn, user, read, &profile("stale"));
    assert!(matches!(stale, Err(Error::Conflict { .. })), "{stale:?}");
}

/// The count goes on where the versions of before have come to.
#[test]
fn a_version_of_before_is_not_used_again() {
    let db = TestDatabase::at("20261005084500");
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    diesel::sql_query("INSERT INTO user_arc_data (user_id, version) VALUES ($1, 5000)")
        .bind::<diesel::sql_types::Uuid, _>(user)
        .execute(conn)
        .unwrap();
    conn.run_pending_migrations(arc::MIGRATIONS).unwrap();
    assert_eq!(version(conn, user), 5000);
    careers::delete(conn, user).unwrap();
    let created = careers::create(conn, user, &profile("new")).unwrap();
    assert!(created.version > 5000, "{}", created.version);
}

#[test]
fn of_many_updates_from_one_version_one_wins() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let read = version(conn, user);
    let results: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|n| {
                let mut conn = db.connection();
                let profile = profile(&format!("writer {n}"));
                scope.spawn(move || careers::update(&mut conn, user, read, &profile))
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    let now = version(conn, user);
    let conflicts = results.iter().filter(|r| match r {
        Err(Error::Conflict {
            expected, actual, ..
        }) => (*expected, *actual) == (read, now),
        _ => false,
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
fn a_null_in_the_profile_is_as_if_nothing_were_said() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    for json in [
        r#"{"headline": null, "summary": null, "target_titles": null, "skills": null}"#,
        r#"{"headline": "", "target_titles": [null], "skills": [null]}"#,
    ] {
        diesel::sql_query("UPDATE user_arc_data SET profile = $1::jsonb")
            .bind::<Text, _>(json)
            .execute(conn)
            .unwrap();
        let data = careers::find(conn, user).unwrap().unwrap();
        assert_eq!(data.profile, CareerProfile::default(), "{json}");
    }
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
