// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(Clone, diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "cv_task_status"))]
    pub struct CvTaskStatus;
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::CvTaskStatus;

    /// The queue of CVs to write: queued, then running, then done; failed are the dead letters
    cv_tasks (id) {
        /// How often a worker has claimed the task; with the worker it says whose lease it is
        attempts -> Int8,
        created_at -> Timestamptz,
        /// Why the task has failed, or why the attempt before did not end
        error -> Nullable<Text>,
        finished_at -> Nullable<Timestamptz>,
        id -> Int8,
        input -> Jsonb,
        /// When the task goes back to the queue, unless its worker extends the lease
        leased_until -> Nullable<Timestamptz>,
        /// After so many attempts without an end, the task has failed
        max_attempts -> Int8,
        output -> Nullable<Jsonb>,
        /// Higher runs first; equal ones run in the order of their arrival
        priority -> Int8,
        started_at -> Nullable<Timestamptz>,
        status -> CvTaskStatus,
        user_id -> Uuid,
        /// Who runs or ran the task; only this worker may end it
        worker -> Nullable<Text>,
    }
}

diesel::table! {
    /// The career profile of a user; the user itself lives in another service
    user_arc_data (user_id) {
        created_at -> Timestamptz,
        profile -> Jsonb,
        updated_at -> Timestamptz,
        user_id -> Uuid,
        /// Grows with every change and is never used again; an update names the version it was made from
        version -> Int8,
    }
}

diesel::table! {
    /// Where a user has worked, and as what
    work_experiences (id) {
        company -> Text,
        created_at -> Timestamptz,
        description -> Text,
        /// Null while the user still works there
        ended_on -> Nullable<Date>,
        id -> Int8,
        started_on -> Date,
        title -> Text,
        user_id -> Uuid,
    }
}

diesel::joinable!(cv_tasks -> user_arc_data (user_id));
diesel::joinable!(work_experiences -> user_arc_data (user_id));

diesel::allow_tables_to_appear_in_same_query!(cv_tasks, user_arc_data, work_experiences,);
