-- Named one by one, in the order of the table's columns.
SELECT append_audit(ROW(
    @number, @recorded_at, @action, @outcome, @detail, @subject, @client, @address, @reason, @ticket, @field, @target,
    @tokens, @charged, @charged_today, @fingerprints, @key_ids, @occurrences, @mac)::audit);
