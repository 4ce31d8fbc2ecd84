-- What everything else stands on: tenants, keys of the API, idempotency keys, the change feed, health.

CREATE SCHEMA IF NOT EXISTS vitrine;
REVOKE ALL ON SCHEMA vitrine FROM PUBLIC;
GRANT USAGE ON SCHEMA vitrine TO vitrine_app, vitrine_keeper;
-- Functions change hands to vitrine_keeper in these files; the last line of each takes this back.
GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;
-- Before PostgreSQL 15 everybody could make tables in "public".
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO vitrine_app, vitrine_sql, vitrine_keeper;

-- Who writes: what the connection says, or who logged in.
CREATE FUNCTION vitrine.actor() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT coalesce(nullif(current_setting('vitrine.actor', true), ''), session_user::text) $$;

-- The tenant that is set; without one, an error.
CREATE FUNCTION vitrine.tenant() RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF coalesce(current_setting('vitrine.tenant', true), '') = '' THEN
        RAISE EXCEPTION 'no tenant is set' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN current_setting('vitrine.tenant');
END
$$;

-- UUID version 7 (RFC 9562): milliseconds since 1970, then chance. PostgreSQL has its own from version 18 on.
CREATE FUNCTION vitrine.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    WITH parts AS (
        SELECT lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') AS millis,
               replace(gen_random_uuid()::text, '-', '') AS chance
    )
    -- The chance of a version 4 has the right variant at its place already.
    SELECT (millis || '7' || substr(chance, 14))::uuid FROM parts
$$;


-- Tenants that were seen. A row appears with a tenant's first record or key.
CREATE TABLE vitrine.tenants (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    -- For kinds that have no retention of their own. NULL keeps for ever.
    retention_days integer CHECK (retention_days > 0),
    memory_retention_days integer CHECK (memory_retention_days > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Keys of the HTTP API. The secret is kept nowhere: only its SHA-256, and that only vitrine_keeper can read.
CREATE TABLE vitrine.api_keys (
    id uuid PRIMARY KEY DEFAULT vitrine.uuid_v7(),
    tenant text NOT NULL REFERENCES vitrine.tenants (name),
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 255),
    secret_sha256 bytea NOT NULL CHECK (octet_length(secret_sha256) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write', 'admin']),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT vitrine.actor(),
    expires_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_keys_by_tenant ON vitrine.api_keys (tenant, id);

-- What was answered to a request with an Idempotency-Key, without a time window. `answer` is emptied when the record it
-- shows is deleted, so that nothing outlives its deletion here.
CREATE TABLE vitrine.idempotency_keys (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method, path and body.
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    subject text NOT NULL,
    record text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('created', 'unchanged', 'updated')),
    answer jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, key)
);
CREATE INDEX idempotency_keys_by_record ON vitrine.idempotency_keys (tenant, subject, record) WHERE answer IS NOT NULL;

-- Which seed files were taken, and what they held then.
CREATE TABLE vitrine.seeded (
    tenant text NOT NULL CHECK (tenant <> ''),
    kind text NOT NULL,
    name text NOT NULL,
    content_sha256 bytea NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, kind, name)
);

-- How far each import came.
CREATE TABLE vitrine.import_progress (
    source text NOT NULL,
    tenant text NOT NULL CHECK (tenant <> ''),
    rows_read bigint NOT NULL DEFAULT 0,
    rows_written bigint NOT NULL DEFAULT 0,
    resume_after jsonb,
    started_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (source, tenant)
);

-- How the parts are: one row each, no tenant.
CREATE TABLE public.service_health (
    service text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('ok', 'degraded', 'down', 'unknown')),
    detail text NOT NULL DEFAULT '',
    checked_at timestamptz NOT NULL DEFAULT now(),
    -- Since when it has had this status.
    since timestamptz NOT NULL DEFAULT now()
);

-- Transaction numbers order the feed; a server that was restored elsewhere begins them anew. Each such beginning is an
-- era, and (era, transaction, seq) only ever grows.
CREATE TABLE vitrine.feed (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    era integer NOT NULL DEFAULT 1,
    server bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);
INSERT INTO vitrine.feed (server) SELECT system_identifier FROM pg_control_system();

CREATE TABLE public.changes (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    era integer NOT NULL,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    subject text NOT NULL
        CHECK (subject IN ('insight', 'kind', 'document', 'configuration', 'profile', 'memory')),
    change text NOT NULL
        CHECK (change IN ('created', 'updated', 'superseded', 'retracted', 'deleted', 'expired')),
    record text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    by text NOT NULL DEFAULT vitrine.actor(),
    PRIMARY KEY (tenant, era, transaction, seq)
);

-- Begins an era when this is another server than the one that the feed's numbers came from, or when told to (after a
-- point-in-time recovery, whose numbers are used a second time). Answers the era. For the owner, after a restore and at
-- each start.
CREATE FUNCTION vitrine.begin_era(always boolean DEFAULT false) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    here bigint;
    now_era integer;
BEGIN
    SELECT system_identifier INTO here FROM pg_control_system();
    PERFORM 1 FROM vitrine.feed WHERE server = here;
    IF NOT FOUND OR always THEN
        -- Whoever writes with the old number finishes first.
        LOCK TABLE public.changes IN SHARE ROW EXCLUSIVE MODE;
        UPDATE vitrine.feed SET era = era + 1, server = here, since = now() WHERE server <> here OR always;
    END IF;
    SELECT era INTO now_era FROM vitrine.feed;
    RETURN now_era;
END
$$;

-- Feeds the changes of a table: `subject` and the expression of a row's name come with the trigger.
CREATE FUNCTION vitrine.note_changes() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    what text := CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'updated' ELSE 'deleted' END;
    rows_of text := CASE TG_OP WHEN 'DELETE' THEN 'old_rows' ELSE 'new_rows' END;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO vitrine.tenants (name) SELECT DISTINCT tenant FROM new_rows ON CONFLICT DO NOTHING;
    ELSIF TG_OP = 'DELETE' THEN
        IF current_setting('vitrine.expiring', true) = 'on' THEN
            what := 'expired';
        END IF;
        EXECUTE format('UPDATE vitrine.idempotency_keys k SET answer = NULL FROM old_rows r
                        WHERE k.tenant = r.tenant AND k.subject = %L AND k.record = %s AND k.answer IS NOT NULL',
                       TG_ARGV[0], TG_ARGV[1]);
    END IF;
    EXECUTE format('INSERT INTO public.changes (tenant, era, subject, change, record)
                    SELECT r.tenant, f.era, %L, %L, %s FROM %I r, vitrine.feed f',
                   TG_ARGV[0], what, TG_ARGV[1], rows_of);
    RETURN NULL;
END
$$;

-- Numbers a record's revisions and says who wrote last. Revisions of kinds and configurations come from one sequence:
-- a number never comes again, also not after a record was deleted and made anew.
CREATE SEQUENCE vitrine.revisions;
CREATE FUNCTION vitrine.stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.revision := nextval('vitrine.revisions');
    NEW.updated_at := clock_timestamp();
    NEW.updated_by := vitrine.actor();
    RETURN NEW;
END
$$;

-- What a person writes is no longer the seed file's.
CREATE FUNCTION vitrine.keep_seed_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.seeded := NEW.seeded AND coalesce(current_setting('vitrine.seeding', true), '') = 'on';
    RETURN NEW;
END
$$;

-- Rows of another tenant do not exist. The first policy is everybody's; the second lets the functions of vitrine_keeper
-- (which compare the tenant themselves) and backups see all rows, and keeps indexes usable that no operator under a
-- row's policy may use.
CREATE PROCEDURE vitrine.isolate(target regclass) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    EXECUTE format('CREATE POLICY own_tenant ON %s USING (tenant = current_setting(''vitrine.tenant''))
                    WITH CHECK (tenant = current_setting(''vitrine.tenant''))', target);
    EXECUTE format('CREATE POLICY keeper ON %s TO vitrine_keeper USING (true) WITH CHECK (true)', target);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO vitrine_keeper', target);
END
$$;

CALL vitrine.isolate('vitrine.idempotency_keys');
CALL vitrine.isolate('public.changes');
GRANT SELECT, INSERT, UPDATE ON vitrine.tenants, vitrine.api_keys TO vitrine_keeper;
GRANT SELECT ON vitrine.feed TO vitrine_app, vitrine_keeper;
GRANT USAGE ON SEQUENCE vitrine.revisions TO vitrine_keeper;
GRANT SELECT, INSERT ON vitrine.idempotency_keys TO vitrine_app;
GRANT SELECT ON public.changes TO vitrine_app, vitrine_sql;
GRANT SELECT, INSERT, UPDATE ON public.service_health TO vitrine_app;
GRANT SELECT ON public.service_health TO vitrine_sql;
ALTER FUNCTION vitrine.note_changes() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.stamp() OWNER TO vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
-- Defaults of columns call these: whoever inserts must be allowed to.
GRANT EXECUTE ON FUNCTION vitrine.actor(), vitrine.tenant(), vitrine.uuid_v7() TO vitrine_app, vitrine_sql, vitrine_keeper;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;
