use local_postgres::TestDatabase;
use user::models::ProfileChange;
use user::{Error, profiles};
use uuid::Uuid;

#[test]
fn an_address_is_found_in_any_case_and_kept_as_typed() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = profiles::register(conn, "Ann.Lee@Example.org", "Ann").unwrap();
    profiles::register(conn, "bob@example.org", "Bob").unwrap();
    assert_eq!(ann.email, "Ann.Lee@Example.org");
    assert_eq!(profiles::find(conn, ann.id).unwrap(), Some(ann.clone()));
    let found = profiles::find_by_email(conn, "ann.lee@EXAMPLE.org").unwrap();
    assert_eq!(found, Some(ann));
    assert_eq!(profiles::find_by_email(conn, "ann").unwrap(), None);
}

#[test]
fn an_address_is_taken_in_any_case() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    profiles::register(conn, "ann@example.org", "Ann").unwrap();
    let again = profiles::register(conn, "ANN@example.ORG", "Another Ann");
    assert!(matches!(again, Err(Error::EmailTaken)), "{again:?}");

    let bob = profiles::register(conn, "bob@example.org", "Bob").unwrap();
    let change = ProfileChange {
        email: Some("Ann@example.org"),
        ..ProfileChange::default()
    };
    let moved = profiles::update(conn, bob.id, &change);
    assert!(matches!(moved, Err(Error::EmailTaken)), "{moved:?}");
}

#[test]
fn what_is_no_address_is_refused() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let long = format!("{}@example.org", "a".repeat(250));
    for email in [
        "",
        "ann",
        "ann@",
        "@example.org",
        "ann lee@example.org",
        &long,
    ] {
        let result = profiles::register(conn, email, "Ann");
        assert!(matches!(result, Err(Error::InvalidEmail)), "{result:?}");
    }
}

#[test]
fn a_blank_name_is_refused() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = profiles::register(conn, "ann@example.org", "Ann").unwrap();
    for name in ["", " ", "\n"] {
        let change = ProfileChange {
            name: Some(name),
            ..ProfileChange::default()
        };
        for result in [
            profiles::register(conn, "bob@example.org", name),
            profiles::update(conn, ann.id, &change),
        ] {
            assert!(matches!(result, Err(Error::InvalidName)), "{result:?}");
        }
    }
}

#[test]
fn a_change_leaves_the_rest() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let ann = profiles::register(conn, "ann@example.org", "Ann").unwrap();
    let change = ProfileChange {
        name: Some("Ann Lee"),
        ..ProfileChange::default()
    };
    let changed = profiles::update(conn, ann.id, &change).unwrap();
    assert_eq!((&*changed.name, &changed.email), ("Ann Lee", &ann.email));
    assert!(changed.updated_at > ann.updated_at);

    let nobody = profiles::update(conn, Uuid::new_v4(), &change);
    assert!(matches!(nobody, Err(Error::UnknownUser)), "{nobody:?}");
}
