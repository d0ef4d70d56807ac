-- A constraint cannot be made unvalidated again, so each is made anew.
ALTER TABLE topup_credits
    DROP CONSTRAINT topup_credits_corrects_fkey,
    DROP CONSTRAINT topup_credits_previous_fkey;

ALTER TABLE topup_credits
    ADD CONSTRAINT topup_credits_previous_fkey FOREIGN KEY (user_id, previous_entry, previous_balance)
        REFERENCES topup_credits (user_id, entry, balance) NOT VALID,
    ADD CONSTRAINT topup_credits_corrects_fkey FOREIGN KEY (user_id, corrects)
        REFERENCES topup_credits (user_id, entry) NOT VALID;
