-- Whether table and shadow have the same logins, in one snapshot. Every transaction that adds or removes one does so in both, so they can
-- differ only if something wrote past the rules, such as a version of this service that knew no rotation; the copy then begins anew.
WITH counted AS (
    SELECT (SELECT count(*) FROM user_logins) = (SELECT count(*) FROM user_logins_shadow) AS same
),
begun_anew AS (
    UPDATE rotations SET phase = 'copying', copied_date = NULL, copied_id = NULL, copied = 0
    FROM counted WHERE NOT same AND phase = 'settling'
)
SELECT same FROM counted;
