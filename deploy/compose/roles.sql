-- The login of the masking service, in the roles that the migrations made. May run before every start.
\set password `cat /run/owner/service-password`
SELECT 'CREATE ROLE masking LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'masking') \gexec
GRANT pii_writer, pii_people TO masking;
ALTER ROLE masking PASSWORD :'password';
