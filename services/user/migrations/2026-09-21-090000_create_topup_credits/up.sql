SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

CREATE TABLE topup_credits (
    user_id uuid NOT NULL CONSTRAINT topup_credits_user_id_fkey REFERENCES user_profiles (id),
    entry bigint NOT NULL,
    amount bigint NOT NULL,
    balance bigint NOT NULL,
    reason text NOT NULL,
    payment_id text,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Two writers that read the same balance number their entries alike: one of them fails,
    -- whatever the isolation level. The key is also the index of the foreign key.
    CONSTRAINT topup_credits_pkey PRIMARY KEY (user_id, entry),
    CONSTRAINT topup_credits_payment_id_key UNIQUE (payment_id),
    CONSTRAINT topup_credits_entry_check CHECK (entry > 1 OR (entry = 1 AND balance = amount)),
    CONSTRAINT topup_credits_balance_check CHECK (balance >= 0),
    CONSTRAINT topup_credits_amount_check CHECK (amount <> 0),
    CONSTRAINT topup_credits_payment_check CHECK ((amount > 0) = (payment_id IS NOT NULL))
);

COMMENT ON TABLE topup_credits IS 'A ledger: entries are added, never changed; what is wrong is put right by another entry';
COMMENT ON COLUMN topup_credits.entry IS 'Counts the entries of one user from 1, without gaps';
COMMENT ON COLUMN topup_credits.amount IS 'Credits bought (positive) or spent (negative)';
COMMENT ON COLUMN topup_credits.balance IS 'Credits left after this entry';
COMMENT ON COLUMN topup_credits.payment_id IS 'The payment provider''s id: one payment counts once; null when credits are spent';
