// @generated automatically by Diesel CLI.

diesel::table! {
    /// Certificates on a CV, in the order in which they are printed
    certifications (id) {
        cv_id -> Int8,
        /// Null when the certificate does not expire
        expires_on -> Nullable<Date>,
        id -> Int8,
        issued_on -> Date,
        issuer -> Text,
        name -> Text,
        position -> Int8,
    }
}

diesel::table! {
    /// One CV; a user may keep several, one for each kind of job
    cvs (id) {
        created_at -> Timestamptz,
        full_name -> Text,
        headline -> Text,
        id -> Int8,
        summary -> Text,
        /// What the user calls this CV; never printed on it
        title -> Text,
        updated_at -> Timestamptz,
        user_id -> Uuid,
        /// Grows by one with every change; a change names the version it was made from
        version -> Int8,
    }
}

diesel::table! {
    /// Schools and degrees on a CV, in the order in which they are printed
    educations (id) {
        cv_id -> Int8,
        degree -> Text,
        /// Null while the studies last
        ended_on -> Nullable<Date>,
        id -> Int8,
        institution -> Text,
        position -> Int8,
        started_on -> Date,
    }
}

diesel::table! {
    /// Jobs on a CV, in the order in which they are printed
    experiences (id) {
        company -> Text,
        cv_id -> Int8,
        description -> Text,
        /// Null for the present job
        ended_on -> Nullable<Date>,
        id -> Int8,
        position -> Int8,
        started_on -> Date,
        title -> Text,
    }
}

diesel::table! {
    /// Languages on a CV, in the order in which they are printed
    languages (id) {
        cv_id -> Int8,
        id -> Int8,
        /// Level of the Common European Framework, or native
        level -> Text,
        name -> Text,
        position -> Int8,
    }
}

diesel::table! {
    /// Projects on a CV, in the order in which they are printed
    projects (id) {
        cv_id -> Int8,
        description -> Text,
        id -> Int8,
        name -> Text,
        position -> Int8,
        url -> Nullable<Text>,
    }
}

diesel::table! {
    /// Skills on a CV, in the order in which they are printed
    skills (id) {
        cv_id -> Int8,
        id -> Int8,
        name -> Text,
        position -> Int8,
        /// Years of practice; null when the user does not say
        years -> Nullable<Int8>,
    }
}

diesel::joinable!(certifications -> cvs (cv_id));
diesel::joinable!(educations -> cvs (cv_id));
diesel::joinable!(experiences -> cvs (cv_id));
diesel::joinable!(languages -> cvs (cv_id));
diesel::joinable!(projects -> cvs (cv_id));
diesel::joinable!(skills -> cvs (cv_id));

diesel::allow_tables_to_appear_in_same_query!(
    certifications,
    cvs,
    educations,
    experiences,
    languages,
    projects,
    skills,
);
