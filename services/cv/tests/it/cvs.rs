use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::NaiveDate;
use cv::models::{
    Certification, Content, Education, Experience, Heading, Language, Level, Project, Skill,
};
use cv::{Error, cvs, schema};
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel::result::DatabaseErrorKind::CheckViolation;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::BigInt;
use diesel_migrations::MigrationHarness as _;
use local_postgres::TestDatabase;
use uuid::Uuid;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A CV with `n` rows in every section, the last in the alphabet first.
pub(crate) fn content(title: &str, n: usize) -> Content {
    let names = || (0..n).rev().map(|n| format!("{title} {n:03}"));
    let (start, end) = (date("2020-01-01"), date("2024-12-31"));
    Content {
        heading: Heading {
            title: title.into(),
            full_name: "Ann Lee".into(),
            headline: "engineer".into(),
            summary: "Likes databases.".into(),
        },
        experiences: names()
            .map(|company| Experience {
                company,
                title: "engineer".into(),
                description: "services".into(),
                started_on: start,
                ended_on: None,
            })
            .collect(),
        educations: names()
            .map(|institution| Education {
                institution,
                degree: "BSc".into(),
                started_on: start,
                ended_on: Some(end),
            })
            .collect(),
        skills: names()
            .map(|name| Skill {
                name,
                years: Some(3),
            })
            .collect(),
        languages: names()
            .map(|name| Language {
                name,
                level: Level::C1,
            })
            .collect(),
        projects: names()
            .map(|name| Project {
                name,
                description: String::new(),
                url: Some("https://example.org/".into()),
            })
            .collect(),
        certifications: names()
            .map(|name| Certification {
                name,
                issuer: "Example Ltd".into(),
                issued_on: start,
                expires_on: Some(end),
            })
            .collect(),
    }
}

/// Rows in all sections together.
fn rows(conn: &mut PgConnection) -> i64 {
    diesel::select(diesel::dsl::sql::<BigInt>(
        "(SELECT count(*) FROM experiences) + (SELECT count(*) FROM educations)
             + (SELECT count(*) FROM skills) + (SELECT count(*) FROM languages)
             + (SELECT count(*) FROM projects) + (SELECT count(*) FROM certifications)",
    ))
    .get_result(conn)
    .unwrap()
}

#[test]
fn a_cv_comes_back_as_it_was_stored() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    for n in [0, 1, 12] {
        let content = content("backend", n);
        let id = cvs::create(conn, user, &content).unwrap();
        let cv = cvs::load(conn, user, id).unwrap();
        assert_eq!((cv.id, cv.user_id, cv.version), (id, user, 1));
        assert_eq!(cv.content, content);
    }
}

#[test]
fn the_cvs_of_a_user_come_with_their_own_sections_the_last_changed_first() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    let [old, new] = ["old", "new"].map(|title| {
        let content = content(title, 3);
        cvs::create(conn, user, &content).unwrap()
    });
    cvs::create(conn, Uuid::new_v4(), &content("other", 3)).unwrap();

    let loaded = |conn: &mut PgConnection| -> Vec<_> {
        let all = cvs::load_all(conn, user).unwrap();
        all.into_iter().map(|cv| (cv.id, cv.content)).collect()
    };
    assert_eq!(
        loaded(conn),
        [(new, content("new", 3)), (old, content("old", 3))]
    );
    assert_eq!(
        cvs::replace(conn, user, old, 1, &content("newest", 2)).unwrap(),
        2
    );
    assert_eq!(
        loaded(conn),
        [(old, content("newest", 2)), (new, content("new", 3))]
    );
}

#[test]
fn the_number_of_queries_does_not_grow() {
    #[derive(Clone, Default)]
    struct Counter(Arc<AtomicUsize>);
    impl Instrumentation for Counter {
        fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
            if let InstrumentationEvent::StartQuery { .. } = event {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let (few, many) = (Uuid::new_v4(), Uuid::new_v4());
    let short = cvs::create(conn, few, &content("short", 0)).unwrap();
    let long = cvs::create(conn, many, &content("long", 40)).unwrap();
    for _ in 0..9 {
        cvs::create(conn, many, &content("long", 40)).unwrap();
    }

    let counter = Counter::default();
    conn.set_instrumentation(counter.clone());
    let mut queries = |work: &mut dyn FnMut(&mut PgConnection)| {
        counter.0.store(0, Ordering::Relaxed);
        work(conn);
        counter.0.load(Ordering::Relaxed)
    };
    let counts = [
        queries(&mut |conn| drop(cvs::load(conn, few, short).unwrap())),
        queries(&mut |conn| drop(cvs::load(conn, many, long).unwrap())),
        queries(&mut |conn| drop(cvs::load_all(conn, few).unwrap())),
        queries(&mut |conn| assert_eq!(cvs::load_all(conn, many).unwrap().len(), 10)),
    ];
    // The CVs, six sections, the versions.
    assert_eq!(counts, [8; 4]);
}

fn early() -> Option<NaiveDate> {
    Some(date("2019-12-31"))
}

type Break = fn(&mut Content);

/// What breaks which rule.
const BROKEN: [(&str, Break); 17] = [
    ("cvs_title_check", |cv| cv.heading.title.clear()),
    ("cvs_title_check", |cv| cv.heading.title = " ".into()),
    ("cvs_full_name_check", |cv| {
        cv.heading.full_name = "\t".into();
    }),
    ("experiences_company_check", |cv| {
        cv.experiences[1].company.clear();
    }),
    ("experiences_title_check", |cv| {
        cv.experiences[1].title = " ".into();
    }),
    ("educations_institution_check", |cv| {
        cv.educations[1].institution.clear();
    }),
    ("educations_degree_check", |cv| {
        cv.educations[1].degree = " ".into();
    }),
    ("skills_name_check", |cv| cv.skills[1].name = " ".into()),
    ("languages_name_check", |cv| {
        cv.languages[1].name = " ".into();
    }),
    ("projects_name_check", |cv| cv.projects[1].name = " ".into()),
    ("certifications_issuer_check", |cv| {
        cv.certifications[1].issuer.clear();
    }),
    ("experiences_dates_check", |cv| {
        cv.experiences[1].ended_on = early();
    }),
    ("educations_dates_check", |cv| {
        cv.educations[1].ended_on = early();
    }),
    ("skills_years_check", |cv| cv.skills[1].years = Some(-1)),
    ("certifications_name_check", |cv| {
        cv.certifications[1].name = " ".into();
    }),
    ("projects_url_check", |cv| {
        cv.projects[1].url = Some("javascript:alert(1)".into());
    }),
    ("certifications_dates_check", |cv| {
        cv.certifications[1].expires_on = early();
    }),
];

#[test]
fn a_cv_that_breaks_a_rule_is_not_stored_in_part() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let good = content("good", 2);
    let user = Uuid::new_v4();
    let id = cvs::create(conn, user, &good).unwrap();

    for (rule, breaks) in BROKEN {
        let mut content = content("broken", 2);
        breaks(&mut content);
        let result = cvs::replace(conn, user, id, 1, &content);
        assert!(
            matches!(&result, Err(Error::Invalid { rule: broken }) if broken == rule),
            "{rule}: {result:?}"
        );
        assert_eq!(cvs::load(conn, user, id).unwrap().content, good);
        cvs::create(conn, Uuid::new_v4(), &content).unwrap_err();
    }
    let stored: i64 = schema::cvs::table.count().get_result(conn).unwrap();
    assert_eq!(stored, 1);
}

#[test]
fn every_level_comes_back_and_no_other_is_stored() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    let levels = [
        Level::A1,
        Level::A2,
        Level::B1,
        Level::B2,
        Level::C1,
        Level::C2,
        Level::Native,
    ];
    let mut content = content("polyglot", levels.len());
    for (language, level) in content.languages.iter_mut().zip(levels) {
        language.level = level;
    }
    let id = cvs::create(conn, user, &content).unwrap();
    assert_eq!(cvs::load(conn, user, id).unwrap().content, content);
    assert!(levels.is_sorted());

    let result = diesel::sql_query("UPDATE languages SET level = 'good'").execute(conn);
    assert!(
        matches!(result, Err(DatabaseError(CheckViolation, _))),
        "{result:?}"
    );
}

/// What was stored before blank text was refused.
#[test]
fn blank_text_of_before_is_filled() {
    let db = TestDatabase::at("20261007090000");
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    diesel::sql_query(
        "WITH cv AS (
             INSERT INTO cvs (user_id, title, full_name) VALUES ($1, ' ', 'Ann Lee') RETURNING id
         )
         INSERT INTO experiences (cv_id, position, company, title, started_on)
         SELECT id, 0, '', 'engineer', '2020-01-01' FROM cv",
    )
    .bind::<diesel::sql_types::Uuid, _>(user)
    .execute(conn)
    .unwrap();
    conn.run_pending_migrations(cv::MIGRATIONS).unwrap();

    let cv = cvs::load_all(conn, user).unwrap().remove(0);
    assert_eq!(cv.version, 1);
    let Heading {
        title, full_name, ..
    } = &cv.content.heading;
    assert_eq!((&**title, &**full_name), ("unknown", "Ann Lee"));
    let Experience { company, title, .. } = &cv.content.experiences[0];
    assert_eq!((&**company, &**title), ("unknown", "engineer"));
}

#[test]
fn a_cv_goes_with_all_it_says() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    let id = cvs::create(conn, user, &content("first", 3)).unwrap();
    cvs::create(conn, user, &content("second", 1)).unwrap();
    let version = cvs::replace(conn, user, id, 1, &content("first", 2)).unwrap();
    assert_eq!(rows(conn), 18);
    let stale = cvs::delete(conn, user, id, 1);
    assert!(
        matches!(stale, Err(Error::Conflict { actual: 2, .. })),
        "{stale:?}"
    );
    assert!(cvs::delete(conn, user, id, version).unwrap());
    assert!(!cvs::delete(conn, user, id, version).unwrap());
    assert_eq!(rows(conn), 6);
}

#[test]
fn a_cv_that_is_not_there_is_said_so() {
    let db = TestDatabase::new();
    let conn = &mut db.connection();
    let user = Uuid::new_v4();
    assert_eq!(
        cvs::load(conn, user, 7).unwrap_err().to_string(),
        "the user has no CV 7"
    );
    let replaced = cvs::replace(conn, user, 7, 1, &content("first", 1));
    assert!(matches!(replaced, Err(Error::UnknownCv(7))), "{replaced:?}");
    assert_eq!(rows(conn), 0);
    assert_eq!(cvs::load_all(conn, Uuid::new_v4()).unwrap(), []);
}
