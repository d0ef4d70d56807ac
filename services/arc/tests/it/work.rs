use arc::models::NewWorkExperience;
use arc::{Error, work};
use chrono::NaiveDate;
use local_postgres::TestDatabase;
use uuid::Uuid;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn job(user_id: Uuid, started_on: &str, ended_on: Option<&str>) -> NewWorkExperience<'static> {
    NewWorkExperience {
        user_id,
        company: "Example Ltd",
        title: "engineer",
        description: "",
        started_on: date(started_on),
        ended_on: ended_on.map(date),
    }
}

#[test]
fn the_latest_job_comes_first() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let other = crate::user(conn);
    let old = work::add(conn, &job(user, "2015-01-01", Some("2018-06-30"))).unwrap();
    let new = work::add(conn, &job(user, "2018-07-01", None)).unwrap();
    work::add(conn, &job(other, "2020-01-01", None)).unwrap();
    assert_eq!(work::list(conn, user).unwrap(), [new, old]);
}

#[test]
fn a_job_cannot_end_before_it_starts() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let backwards = work::add(conn, &job(user, "2020-01-02", Some("2020-01-01")));
    assert!(
        matches!(backwards, Err(Error::EndsBeforeStart)),
        "{backwards:?}"
    );
    work::add(conn, &job(user, "2020-01-02", Some("2020-01-02"))).unwrap();
}

#[test]
fn a_job_has_a_company_and_a_title() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    for blank in ["", " ", "\t\n"] {
        let mut new = job(user, "2020-01-01", None);
        new.company = blank;
        let result = work::add(conn, &new);
        assert!(matches!(result, Err(Error::Blank("company"))), "{result:?}");
        let mut new = job(user, "2020-01-01", None);
        new.title = blank;
        let result = work::add(conn, &new);
        assert!(matches!(result, Err(Error::Blank("title"))), "{result:?}");
    }
}

#[test]
fn a_job_belongs_to_a_user_with_career_data() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let orphan = work::add(conn, &job(Uuid::new_v4(), "2020-01-01", None));
    assert!(matches!(orphan, Err(Error::UnknownUser)), "{orphan:?}");
}

#[test]
fn only_its_user_removes_a_job() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = crate::user(conn);
    let other = crate::user(conn);
    let id = work::add(conn, &job(user, "2020-01-01", None)).unwrap().id;
    assert!(!work::remove(conn, other, id).unwrap());
    assert!(work::remove(conn, user, id).unwrap());
    assert!(work::list(conn, user).unwrap().is_empty());
}
