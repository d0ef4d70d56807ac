SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

ALTER TABLE topup_credits
    ADD CONSTRAINT topup_credits_previous_fkey FOREIGN KEY (user_id, previous_entry, previous_balance)
        REFERENCES topup_credits (user_id, entry, balance) NOT VALID,
    ADD CONSTRAINT topup_credits_corrects_fkey FOREIGN KEY (user_id, corrects)
        REFERENCES topup_credits (user_id, entry) NOT VALID;

-- db-check-ignore adding-not-nullable-field: no scan, a valid CHECK says already that there is no NULL
ALTER TABLE topup_credits ALTER COLUMN request_key SET NOT NULL;

CREATE FUNCTION topup_credits_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of topup_credits are never changed or removed'
        USING ERRCODE = 'restrict_violation', HINT = 'Correct an error with a contrary entry.';
END
$$;

CREATE TRIGGER topup_credits_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON topup_credits
    FOR EACH STATEMENT EXECUTE FUNCTION topup_credits_refuse_change();
