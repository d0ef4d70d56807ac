// @generated automatically by Diesel CLI.

diesel::table! {
    /// A ledger: entries are added, never changed; what is wrong is put right by another entry
    topup_credits (user_id, entry) {
        /// Credits bought (positive) or spent (negative)
        amount -> Int8,
        /// Credits left after this entry
        balance -> Int8,
        created_at -> Timestamptz,
        /// Counts the entries of one user from 1, without gaps
        entry -> Int8,
        /// The payment provider's id: one payment counts once; null when credits are spent
        payment_id -> Nullable<Text>,
        reason -> Text,
        user_id -> Uuid,
    }
}

diesel::table! {
    /// Accounts; every other service knows a user by this id alone
    user_profiles (id) {
        created_at -> Timestamptz,
        /// As the user typed it; compared without regard to case
        email -> Text,
        id -> Uuid,
        name -> Text,
        updated_at -> Timestamptz,
    }
}

diesel::joinable!(topup_credits -> user_profiles (user_id));

diesel::allow_tables_to_appear_in_same_query!(topup_credits, user_profiles,);
