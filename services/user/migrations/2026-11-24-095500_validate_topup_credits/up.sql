SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15min';

ALTER TABLE topup_credits
    VALIDATE CONSTRAINT topup_credits_previous_fkey,
    VALIDATE CONSTRAINT topup_credits_corrects_fkey;
