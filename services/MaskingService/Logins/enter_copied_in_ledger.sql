-- Enters logins that were copied in the same transaction, and nothing else, in the ledger. Only live ones are copied.
INSERT INTO ledger (source, stored, repeated, quarantined, erased, erased_again)
VALUES ('live', @copied, 0, 0, @erased, @erased_again);
