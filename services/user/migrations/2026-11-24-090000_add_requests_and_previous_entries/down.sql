COMMENT ON COLUMN topup_credits.payment_id IS 'The payment provider''s id: one payment counts once; null when credits are spent';
COMMENT ON TABLE topup_credits IS 'A ledger: entries are added, never changed; what is wrong is put right by another entry';

ALTER TABLE topup_credits
    DROP CONSTRAINT topup_credits_reason_check,
    DROP CONSTRAINT topup_credits_payment_id_check,
    DROP CONSTRAINT topup_credits_payment_check,
    DROP COLUMN corrects,
    DROP COLUMN previous_balance,
    DROP COLUMN previous_entry,
    DROP COLUMN request_key,
    ADD CONSTRAINT topup_credits_payment_check CHECK ((amount > 0) = (payment_id IS NOT NULL));
