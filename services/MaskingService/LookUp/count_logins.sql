-- How many, but no further than it matters. masked_field stands for the field's column.
SELECT count(*)::integer FROM (SELECT FROM user_logins WHERE masked_field = ANY (@tokens) LIMIT @most) AS first_ones;
