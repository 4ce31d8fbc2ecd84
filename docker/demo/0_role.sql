-- The role the gateway reads the sample with. Its password comes from a secret, and is kept as a SCRAM verifier.
\set password `cat /run/secrets/customer_reader_password`
SET password_encryption = 'scram-sha-256';
CREATE ROLE vitrine_reader LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 100 PASSWORD :'password';
