-- What the customer's own application writes during a load test: every beat gives all rows of the board one version more,
-- and a value that follows from it. Beside it when it was written. And who may write, for the runs that check the checks.
CREATE SCHEMA pulse;
CREATE TABLE pulse.board (id integer PRIMARY KEY, region char(2) NOT NULL, version bigint NOT NULL, value text NOT NULL);
CREATE TABLE pulse.written (version bigint PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO pulse.board
SELECT id, (ARRAY['DE', 'FR', 'NL', 'CH', 'GB', 'SE', 'US', 'CA'])[1 + id % 8], 0, md5(id || ':0') FROM generate_series(1, 20) AS id;

CREATE FUNCTION pulse.beat() RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    upcoming bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7);
    SELECT max(version) + 1 INTO upcoming FROM pulse.board;
    UPDATE pulse.board SET version = upcoming, value = md5(id || ':' || upcoming);
    INSERT INTO pulse.written VALUES (upcoming, clock_timestamp());
    RETURN upcoming;
END
$$;
REVOKE EXECUTE ON FUNCTION pulse.beat FROM PUBLIC;

GRANT USAGE ON SCHEMA pulse TO vitrine_reader;
GRANT SELECT ON pulse.board, pulse.written TO vitrine_reader;

CREATE ROLE shop_application LOGIN;
GRANT USAGE ON SCHEMA sales, support, analytics, pulse TO shop_application;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sales, support, analytics, pulse TO shop_application;
