SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '30s';

-- From here on an entry without a request key is refused, so a version of the service that knows none books nothing:
-- nobody is charged twice in between.
-- db-check-ignore ban-drop-constraint: the new check takes its place
ALTER TABLE topup_credits
    ADD COLUMN request_key text,
    ADD COLUMN previous_entry bigint,
    ADD COLUMN previous_balance bigint,
    ADD COLUMN corrects bigint,
    DROP CONSTRAINT topup_credits_payment_check,
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

COMMENT ON TABLE topup_credits IS 'A ledger: entries are added, never changed; an error is corrected by a contrary entry';
COMMENT ON COLUMN topup_credits.request_key IS 'Chosen by the caller, the payment''s id for a payment: one request is booked once';
COMMENT ON COLUMN topup_credits.previous_entry IS 'The entry before, which must be there with the balance that this one starts from; null for the first';
COMMENT ON COLUMN topup_credits.previous_balance IS 'Credits left after the entry before; null for the first';
COMMENT ON COLUMN topup_credits.corrects IS 'The earlier entry of this user that this one takes back; null for all others';
COMMENT ON COLUMN topup_credits.payment_id IS 'The payment provider''s id: one payment counts once; null when nothing is paid';
