DROP TRIGGER topup_credits_append_only ON topup_credits;

DROP FUNCTION topup_credits_refuse_change();

ALTER TABLE topup_credits
    ALTER COLUMN request_key DROP NOT NULL,
    DROP CONSTRAINT topup_credits_corrects_fkey,
    DROP CONSTRAINT topup_credits_previous_fkey;
