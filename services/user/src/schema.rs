// @generated automatically by Diesel CLI.

diesel::table! {
    /// A ledger: entries are added, never changed; an error is corrected by a contrary entry
    topup_credits (user_id, entry) {
        /// Credits bought (positive) or spent (negative)
        amount -> Int8,
        /// Credits left after this entry
        balance -> Int8,
        /// The earlier entry of this user that this one takes back; null for all others
        corrects -> Nullable<Int8>,
        created_at -> Timestamptz,
        /// Counts the entries of one user from 1, without gaps
        entry -> Int8,
        /// The payment provider's id: one payment counts once; null when nothing is paid
        payment_id -> Nullable<Text>,
        /// Credits left after the entry before; null for the first
        previous_balance -> Nullable<Int8>,
        /// The entry before, which must be there with the balance that this one starts from; null for the first
        previous_entry -> Nullable<Int8>,
        reason -> Text,
        /// Chosen by the caller, the payment's id for a payment: one request is booked once
        request_key -> Text,
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
