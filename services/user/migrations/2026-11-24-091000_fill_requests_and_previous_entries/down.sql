-- A constraint cannot be made unvalidated again, so each is made anew.
ALTER TABLE topup_credits
    DROP CONSTRAINT topup_credits_previous_check,
    DROP CONSTRAINT topup_credits_request_check,
    DROP CONSTRAINT topup_credits_payment_check,
    DROP CONSTRAINT topup_credits_payment_id_check,
    DROP CONSTRAINT topup_credits_reason_check,
    DROP CONSTRAINT topup_credits_corrects_check;

ALTER TABLE topup_credits
    ADD CONSTRAINT topup_credits_previous_check CHECK (
        CASE entry
            WHEN 1 THEN num_nonnulls(previous_entry, previous_balance) = 0
            ELSE num_nonnulls(previous_entry, previous_balance) = 2
                AND previous_entry = entry - 1 AND previous_balance = balance - amount
        END
    ) NOT VALID,
    ADD CONSTRAINT topup_credits_request_check CHECK (request_key IS NOT NULL AND request_key ~ '\S') NOT VALID,
    ADD CONSTRAINT topup_credits_payment_check CHECK (
        CASE
            WHEN corrects IS NULL THEN (amount > 0) = (payment_id IS NOT NULL)
            ELSE payment_id IS NULL
        END
    ) NOT VALID,
    ADD CONSTRAINT topup_credits_payment_id_check CHECK (payment_id ~ '\S') NOT VALID,
    ADD CONSTRAINT topup_credits_reason_check CHECK (reason ~ '\S') NOT VALID,
    ADD CONSTRAINT topup_credits_corrects_check CHECK (corrects < entry) NOT VALID;
