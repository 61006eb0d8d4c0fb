-- The logins of the masking service, in the roles that the migrations made: one for storing, one for serving people. May run before every
-- start.
\set service_password `cat /run/owner/service-password`
\set people_password `cat /run/owner/people-password`
SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['masking', 'masking_people']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
GRANT pii_writer TO masking;
GRANT pii_people, pii_rotator TO masking_people;
ALTER ROLE masking PASSWORD :'service_password';
ALTER ROLE masking_people PASSWORD :'people_password';
