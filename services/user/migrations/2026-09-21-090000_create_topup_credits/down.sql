DROP TABLE topup_credits;
