-- Logins of users that are being erased. All of them are from before, except those that a writer has marked as sent later. In a restored
-- database the writers of the first time left no marks: there the date decides, and one beyond tomorrow is no date at all.
SELECT erasure.erasure_id, login.create_date, login.message_id
FROM erasures AS erasure
JOIN user_logins AS login ON login.user_id = erasure.user_id
WHERE erasure.completed_at IS NULL
    AND NOT EXISTS (
        SELECT FROM erasure_spared AS spared WHERE spared.erasure_id = erasure.erasure_id AND spared.message_id = login.message_id)
    AND (NOT erasure.reapplied
        OR login.create_date <= (erasure.erased_at AT TIME ZONE 'UTC')::date
        OR login.create_date > @tomorrow)
LIMIT @count;
