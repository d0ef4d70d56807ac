SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

-- The balance before is what the entry itself says it was; a later migration holds it against the entry before.
UPDATE topup_credits
SET request_key = CASE WHEN payment_id ~ '\S' THEN payment_id ELSE format('entry %s of %s', entry, user_id) END,
    payment_id = CASE WHEN payment_id !~ '\S' THEN format('entry %s of %s', entry, user_id) ELSE payment_id END,
    previous_entry = CASE WHEN entry > 1 THEN entry - 1 END,
    previous_balance = CASE WHEN entry > 1 THEN balance - amount END,
    reason = CASE WHEN reason ~ '\S' THEN reason ELSE 'unknown' END
WHERE request_key IS NULL;

ALTER TABLE topup_credits
    VALIDATE CONSTRAINT topup_credits_previous_check,
    VALIDATE CONSTRAINT topup_credits_request_check,
    VALIDATE CONSTRAINT topup_credits_payment_check,
    VALIDATE CONSTRAINT topup_credits_payment_id_check,
    VALIDATE CONSTRAINT topup_credits_reason_check,
    VALIDATE CONSTRAINT topup_credits_corrects_check;
