-- Kinds, insights and the evidence they rest on.

GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;

CREATE TABLE public.kinds (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$'),
    description text,
    -- JSON Schema, draft 2020-12, that payloads must fit.
    schema jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(schema) IN ('object', 'boolean')),
    -- Both or none. 2,000 is the most that an HNSW index of pgvector takes.
    embedding_dimension integer CHECK (embedding_dimension BETWEEN 1 AND 2000),
    embedding_distance text CHECK (embedding_distance IN ('cosine', 'inner_product', 'l2')),
    retention_days integer CHECK (retention_days > 0),
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL DEFAULT vitrine.actor(),
    seeded boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, name),
    CHECK ((embedding_dimension IS NULL) = (embedding_distance IS NULL))
);

-- One row is one version of one insight. Versions never change: another one supersedes them.
CREATE TABLE public.insights (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    id uuid NOT NULL DEFAULT vitrine.uuid_v7(),
    kind text NOT NULL,
    -- Natural key together with the kind; without one the id.
    key text NOT NULL CHECK (octet_length(key) BETWEEN 1 AND 512),
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    -- The version that this one takes the place of: setting it is how an insight is superseded.
    supersedes uuid,
    state text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN retracted_at IS NOT NULL THEN 'retracted'
             WHEN superseded_at IS NOT NULL THEN 'superseded'
             ELSE 'current' END) STORED,
    title text NOT NULL CHECK (octet_length(title) BETWEEN 1 AND 1000),
    body text CHECK (octet_length(body) <= 131072),
    payload jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(payload) <= 1048576),
    confidence double precision CHECK (confidence BETWEEN 0 AND 1),
    -- When what it says is true in the world.
    valid_from timestamptz NOT NULL DEFAULT now(),
    valid_to timestamptz,
    -- When the store says so: from recorded_at until it was superseded or retracted.
    recorded_at timestamptz NOT NULL DEFAULT now(),
    superseded_at timestamptz,
    superseded_by uuid,
    retracted_at timestamptz,
    retraction_reason text CHECK (octet_length(retraction_reason) BETWEEN 1 AND 4096),
    expires_at timestamptz,
    legal_hold boolean NOT NULL DEFAULT false,
    created_by text NOT NULL DEFAULT vitrine.actor(),
    search tsvector NOT NULL GENERATED ALWAYS AS (
        setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', coalesce(body, '')), 'B')) STORED,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, kind, key, version),
    CHECK (valid_to > valid_from),
    CHECK (isfinite(valid_from) AND isfinite(coalesce(valid_to, 'epoch')) AND isfinite(coalesce(expires_at, 'epoch'))),
    CHECK ((retracted_at IS NULL) = (retraction_reason IS NULL))
);
-- One latest version of each key: of two writers at once, one wins.
CREATE UNIQUE INDEX insights_latest ON public.insights (tenant, kind, key) WHERE superseded_at IS NULL;
CREATE INDEX insights_by_kind ON public.insights (tenant, kind, id);
CREATE INDEX insights_expiring ON public.insights (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX insights_search ON public.insights USING gin (search);
CREATE INDEX insights_payload ON public.insights USING gin (payload jsonb_path_ops);

CREATE TABLE public.evidence (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    id uuid NOT NULL DEFAULT vitrine.uuid_v7(),
    insight_id uuid NOT NULL,
    -- The query without literals, or its fingerprint.
    query_shape text NOT NULL CHECK (octet_length(query_shape) BETWEEN 1 AND 65536),
    -- `schema.relation` each.
    relations text[] NOT NULL DEFAULT '{}' CHECK (cardinality(relations) <= 1000),
    data_as_of timestamptz NOT NULL CHECK (isfinite(data_as_of)),
    database text,
    -- Room for what the gateway vouches for.
    receipt text CHECK (octet_length(receipt) <= 65536),
    note text CHECK (octet_length(note) <= 65536),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, insight_id) REFERENCES public.insights (tenant, id) ON DELETE CASCADE
);
CREATE INDEX evidence_by_insight ON public.evidence (tenant, insight_id);

-- Before: what takes another version's place has its kind and key and the next number. The row lock decides between two
-- writers. A retracted version can be followed too: its key is not lost.
CREATE FUNCTION vitrine.supersede() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old public.insights;
BEGIN
    -- Until the row's policy is checked, the tenant is only claimed: nothing of another one is even locked.
    IF NEW.tenant IS NOT DISTINCT FROM current_setting('vitrine.tenant', true) THEN
        SELECT * INTO old FROM public.insights WHERE tenant = NEW.tenant AND id = NEW.supersedes FOR NO KEY UPDATE;
    END IF;
    IF old.id IS NULL THEN
        RAISE EXCEPTION 'insight % does not exist', NEW.supersedes USING ERRCODE = 'no_data_found';
    ELSIF old.superseded_at IS NOT NULL THEN
        RAISE EXCEPTION 'insight % was superseded by another version already', NEW.supersedes
            USING ERRCODE = 'unique_violation', HINT = 'Read the history and supersede the latest version.';
    END IF;
    NEW.kind := old.kind;
    NEW.key := old.key;
    NEW.version := old.version + 1;
    UPDATE public.insights SET superseded_at = now(), superseded_by = NEW.id WHERE tenant = old.tenant AND id = old.id;
    RETURN NEW;
END
$$;
CREATE TRIGGER supersede BEFORE INSERT ON public.insights
    FOR EACH ROW WHEN (NEW.supersedes IS NOT NULL) EXECUTE FUNCTION vitrine.supersede();

CREATE FUNCTION vitrine.default_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.key := NEW.id::text;
    RETURN NEW;
END
$$;
CREATE TRIGGER default_key BEFORE INSERT ON public.insights
    FOR EACH ROW WHEN (NEW.key IS NULL) EXECUTE FUNCTION vitrine.default_key();

-- Before: content does not change, a version that is not current does not change at all but for its hold, what was
-- retracted stays so.
CREATE FUNCTION vitrine.keep_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.tenant, NEW.id, NEW.kind, NEW.key, NEW.version, NEW.supersedes, NEW.title, NEW.body, NEW.payload,
        NEW.confidence, NEW.valid_from, NEW.valid_to, NEW.recorded_at, NEW.created_by)
       IS DISTINCT FROM
       (OLD.tenant, OLD.id, OLD.kind, OLD.key, OLD.version, OLD.supersedes, OLD.title, OLD.body, OLD.payload,
        OLD.confidence, OLD.valid_from, OLD.valid_to, OLD.recorded_at, OLD.created_by) THEN
        RAISE EXCEPTION 'the content of an insight does not change'
            USING ERRCODE = 'restrict_violation', HINT = 'Insert a version with "supersedes" set to this one.';
    END IF;
    IF NEW.legal_hold IS DISTINCT FROM OLD.legal_hold THEN
        RETURN NEW;
    ELSIF OLD.state <> 'current' AND NEW.superseded_at IS NOT DISTINCT FROM OLD.superseded_at THEN
        RAISE EXCEPTION 'insight % is % and does not change', OLD.id, OLD.state USING ERRCODE = 'restrict_violation';
    ELSIF NEW.retraction_reason IS NOT NULL AND OLD.retracted_at IS NULL THEN
        NEW.retracted_at := now();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_version BEFORE UPDATE ON public.insights
    FOR EACH ROW EXECUTE FUNCTION vitrine.keep_version();

-- After: the kinds exist (a foreign key would look once for each row), and the feed hears of it.
CREATE FUNCTION vitrine.note_insights() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing text;
BEGIN
    PERFORM 1 FROM public.kinds k
        WHERE (k.tenant, k.name) IN (SELECT n.tenant, n.kind FROM new_rows n) FOR KEY SHARE OF k;
    SELECT n.kind INTO missing FROM new_rows n
        WHERE NOT EXISTS (SELECT FROM public.kinds k WHERE k.tenant = n.tenant AND k.name = n.kind) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'kind "%" does not exist', missing USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'insights_kind';
    END IF;
    INSERT INTO public.changes (tenant, era, subject, change, record)
        SELECT n.tenant, f.era, 'insight', 'created', n.id FROM new_rows n, vitrine.feed f;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_insights AFTER INSERT ON public.insights
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_insights();

CREATE FUNCTION vitrine.note_insight_updates() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.changes (tenant, era, subject, change, record)
        SELECT n.tenant, f.era, 'insight',
               CASE WHEN n.retracted_at IS NOT NULL AND o.retracted_at IS NULL THEN 'retracted'
                    WHEN n.superseded_at IS NOT NULL AND o.superseded_at IS NULL THEN 'superseded'
                    ELSE 'updated' END, n.id
        FROM new_rows n JOIN old_rows o USING (tenant, id), vitrine.feed f;
    RETURN NULL;
END
$$;
CREATE TRIGGER note_insight_updates AFTER UPDATE ON public.insights
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_insight_updates();
CREATE TRIGGER note_insight_deletes AFTER DELETE ON public.insights
    REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_changes('insight', 'r.id::text');

-- What is held is not deleted, by nobody.
CREATE FUNCTION vitrine.keep_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'insight % is under legal hold', OLD.id USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER keep_held BEFORE DELETE ON public.insights
    FOR EACH ROW WHEN (OLD.legal_hold) EXECUTE FUNCTION vitrine.keep_held();

-- A kind goes only when no insight is of it: the row is locked already, and who inserts locks it too.
CREATE FUNCTION vitrine.keep_used_kind() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.name = OLD.name AND NEW.tenant = OLD.tenant THEN
        RETURN NEW;
    ELSIF EXISTS (SELECT FROM public.insights i WHERE i.tenant = OLD.tenant AND i.kind = OLD.name) THEN
        RAISE EXCEPTION 'insights of kind "%" exist', OLD.name USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'insights_kind';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER keep_used_kind BEFORE UPDATE OR DELETE ON public.kinds
    FOR EACH ROW EXECUTE FUNCTION vitrine.keep_used_kind();
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON public.kinds FOR EACH ROW EXECUTE FUNCTION vitrine.stamp();
CREATE TRIGGER keep_seed_mark BEFORE INSERT OR UPDATE ON public.kinds
    FOR EACH ROW WHEN (NEW.seeded) EXECUTE FUNCTION vitrine.keep_seed_mark();
CREATE TRIGGER note_inserts AFTER INSERT ON public.kinds REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_changes('kind', 'r.name');
CREATE TRIGGER note_updates AFTER UPDATE ON public.kinds REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_changes('kind', 'r.name');
CREATE TRIGGER note_deletes AFTER DELETE ON public.kinds REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_changes('kind', 'r.name');

CALL vitrine.isolate('public.kinds');
CALL vitrine.isolate('public.insights');
CALL vitrine.isolate('public.evidence');

-- Columns that the store itself keeps are nobody's to write.
GRANT SELECT, DELETE ON public.kinds TO vitrine_app;
GRANT INSERT (tenant, name, description, schema, embedding_dimension, embedding_distance, retention_days),
      UPDATE (description, schema, embedding_dimension, embedding_distance, retention_days, seeded)
    ON public.kinds TO vitrine_app;
GRANT SELECT ON public.kinds TO vitrine_sql;

GRANT SELECT ON public.insights TO vitrine_app, vitrine_sql;
GRANT INSERT (tenant, id, kind, key, supersedes, title, body, payload, confidence, valid_from, valid_to, expires_at),
      UPDATE (retraction_reason, expires_at)
    ON public.insights TO vitrine_app, vitrine_sql;
GRANT INSERT (version), UPDATE (legal_hold) ON public.insights TO vitrine_app;

GRANT SELECT ON public.evidence TO vitrine_app, vitrine_sql;
GRANT INSERT (tenant, id, insight_id, query_shape, relations, data_as_of, database, receipt, note)
    ON public.evidence TO vitrine_app, vitrine_sql;

ALTER FUNCTION vitrine.supersede() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.keep_version() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.note_insights() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.note_insight_updates() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.keep_used_kind() OWNER TO vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;
