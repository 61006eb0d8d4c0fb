-- A stretch of the chain, in the columns' order of AuditReader.
SELECT number, recorded_at, action, outcome, detail, subject, client, address, reason, ticket, field, target,
    tokens, charged, charged_today, fingerprints, key_ids, occurrences, mac
FROM audit
WHERE number > @after
    AND (@subject::text IS NULL OR subject = @subject)
    AND (@action::text IS NULL OR action = @action)
ORDER BY number
LIMIT @count;
