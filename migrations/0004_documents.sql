-- Documents, configurations of users, profiles and memory.

GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;

-- Persona, prompt, scenario …: any kind of document. Kind and name are its key.
CREATE TABLE public.documents (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    kind text NOT NULL CHECK (octet_length(kind) BETWEEN 1 AND 63),
    name text NOT NULL CHECK (octet_length(name) BETWEEN 1 AND 255),
    title text NOT NULL CHECK (octet_length(title) BETWEEN 1 AND 1000),
    content jsonb NOT NULL CHECK (pg_column_size(content) <= 4194304),
    -- Counts up with each write, deletions included; never used again.
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL DEFAULT vitrine.actor(),
    seeded boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, kind, name)
);

-- Every revision; title and content are NULL where the document was deleted.
CREATE TABLE public.document_history (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    kind text NOT NULL,
    name text NOT NULL,
    revision bigint NOT NULL,
    title text,
    content jsonb,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL DEFAULT vitrine.actor(),
    PRIMARY KEY (tenant, kind, name, revision)
);

-- Settings of one user of the app.
CREATE TABLE public.user_configuration (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    user_name text NOT NULL CHECK (octet_length(user_name) BETWEEN 1 AND 255),
    settings jsonb NOT NULL CHECK (jsonb_typeof(settings) = 'object' AND pg_column_size(settings) <= 1048576),
    revision bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL DEFAULT vitrine.actor(),
    PRIMARY KEY (tenant, user_name)
);

-- What is known about a user of the app, and the roles they have.
CREATE TABLE public.profiles (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    user_name text NOT NULL CHECK (octet_length(user_name) BETWEEN 1 AND 255),
    fields jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(fields) = 'object' AND pg_column_size(fields) <= 1048576
                                              AND NOT fields ? '$roles'),
    roles text[] NOT NULL DEFAULT '{}',
    revision bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by text NOT NULL DEFAULT vitrine.actor(),
    PRIMARY KEY (tenant, user_name)
);

-- Every changed field; `$roles` is the roles' place.
CREATE TABLE public.profile_history (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    user_name text NOT NULL,
    revision bigint NOT NULL,
    field text NOT NULL,
    before jsonb,
    after jsonb,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL DEFAULT vitrine.actor(),
    PRIMARY KEY (tenant, user_name, revision, field)
);

-- What an app remembers for a tenant, a user, or a session of a user.
CREATE TABLE public.memory (
    tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
    id uuid NOT NULL DEFAULT vitrine.uuid_v7(),
    user_name text CHECK (octet_length(user_name) BETWEEN 1 AND 255),
    session text CHECK (octet_length(session) BETWEEN 1 AND 255),
    key text CHECK (octet_length(key) BETWEEN 1 AND 512),
    text text NOT NULL CHECK (octet_length(text) BETWEEN 1 AND 131072),
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (pg_column_size(attributes) <= 1048576),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz CHECK (isfinite(expires_at)),
    search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', text)) STORED,
    PRIMARY KEY (tenant, id),
    CHECK (session IS NULL OR user_name IS NOT NULL)
);
CREATE UNIQUE INDEX memory_natural_key
    ON public.memory (tenant, coalesce(user_name, ''), coalesce(session, ''), key) WHERE key IS NOT NULL;
CREATE INDEX memory_by_user ON public.memory (tenant, user_name, session, id);
CREATE INDEX memory_expiring ON public.memory (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX memory_search ON public.memory USING gin (search);

-- Before: a document's revisions go on where its history ended.
CREATE FUNCTION vitrine.stamp_document() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.tenant, NEW.kind, NEW.name) IS DISTINCT FROM (OLD.tenant, OLD.kind, OLD.name) THEN
            RAISE EXCEPTION 'kind and name of a document do not change' USING ERRCODE = 'restrict_violation';
        END IF;
        NEW.revision := OLD.revision + 1;
        NEW.created_at := OLD.created_at;
    ELSE
        SELECT coalesce(max(h.revision), 0) + 1 INTO NEW.revision FROM public.document_history h
            WHERE h.tenant = NEW.tenant AND h.kind = NEW.kind AND h.name = NEW.name;
    END IF;
    NEW.updated_at := clock_timestamp();
    NEW.updated_by := vitrine.actor();
    RETURN NEW;
END
$$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON public.documents
    FOR EACH ROW EXECUTE FUNCTION vitrine.stamp_document();
CREATE TRIGGER keep_seed_mark BEFORE INSERT OR UPDATE ON public.documents
    FOR EACH ROW WHEN (NEW.seeded) EXECUTE FUNCTION vitrine.keep_seed_mark();

CREATE FUNCTION vitrine.keep_document_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO public.document_history (tenant, kind, name, revision)
            VALUES (OLD.tenant, OLD.kind, OLD.name, OLD.revision + 1);
    ELSE
        INSERT INTO public.document_history (tenant, kind, name, revision, title, content, changed_at)
            VALUES (NEW.tenant, NEW.kind, NEW.name, NEW.revision, NEW.title, NEW.content, NEW.updated_at);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_history AFTER INSERT OR UPDATE OR DELETE ON public.documents
    FOR EACH ROW EXECUTE FUNCTION vitrine.keep_document_history();

-- Before: the same for profiles.
CREATE FUNCTION vitrine.stamp_profile() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.tenant, NEW.user_name) IS DISTINCT FROM (OLD.tenant, OLD.user_name) THEN
            RAISE EXCEPTION 'the user of a profile does not change' USING ERRCODE = 'restrict_violation';
        END IF;
        NEW.revision := OLD.revision + 1;
    ELSE
        SELECT coalesce(max(h.revision), 0) + 1 INTO NEW.revision FROM public.profile_history h
            WHERE h.tenant = NEW.tenant AND h.user_name = NEW.user_name;
    END IF;
    NEW.updated_at := clock_timestamp();
    NEW.updated_by := vitrine.actor();
    RETURN NEW;
END
$$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON public.profiles
    FOR EACH ROW EXECUTE FUNCTION vitrine.stamp_profile();

CREATE FUNCTION vitrine.keep_profile_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    gone public.profiles;
    come public.profiles;
    revision bigint;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        gone := OLD;
        revision := OLD.revision + 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        come := NEW;
        revision := NEW.revision;
    END IF;
    INSERT INTO public.profile_history (tenant, user_name, revision, field, before, after)
        SELECT coalesce(come.tenant, gone.tenant), coalesce(come.user_name, gone.user_name), revision, field, b.value, a.value
        FROM (SELECT * FROM jsonb_each(gone.fields)
              UNION ALL SELECT '$roles', to_jsonb(gone.roles) WHERE gone.roles IS NOT NULL) b (field, value)
        FULL JOIN (SELECT * FROM jsonb_each(come.fields)
                   UNION ALL SELECT '$roles', to_jsonb(come.roles) WHERE come.roles IS NOT NULL) a (field, value)
        USING (field)
        WHERE b.value IS DISTINCT FROM a.value;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_history AFTER INSERT OR UPDATE OR DELETE ON public.profiles
    FOR EACH ROW EXECUTE FUNCTION vitrine.keep_profile_history();

CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON public.user_configuration
    FOR EACH ROW EXECUTE FUNCTION vitrine.stamp();

DO $feed$
DECLARE
    fed record;
BEGIN
    FOR fed IN VALUES ('documents', 'document', 'r.kind || ''/'' || r.name'),
                      ('user_configuration', 'configuration', 'r.user_name'),
                      ('profiles', 'profile', 'r.user_name'),
                      ('memory', 'memory', 'r.id::text') LOOP
        EXECUTE format('CREATE TRIGGER note_inserts AFTER INSERT ON public.%I REFERENCING NEW TABLE AS new_rows
                        FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_changes(%L, %L)', fed.column1, fed.column2, fed.column3);
        EXECUTE format('CREATE TRIGGER note_updates AFTER UPDATE ON public.%I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                        FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_changes(%L, %L)', fed.column1, fed.column2, fed.column3);
        EXECUTE format('CREATE TRIGGER note_deletes AFTER DELETE ON public.%I REFERENCING OLD TABLE AS old_rows
                        FOR EACH STATEMENT EXECUTE FUNCTION vitrine.note_changes(%L, %L)', fed.column1, fed.column2, fed.column3);
    END LOOP;
END
$feed$;

CALL vitrine.isolate('public.documents');
CALL vitrine.isolate('public.document_history');
CALL vitrine.isolate('public.user_configuration');
CALL vitrine.isolate('public.profiles');
CALL vitrine.isolate('public.profile_history');
CALL vitrine.isolate('public.memory');

GRANT SELECT ON public.documents, public.document_history, public.user_configuration, public.profiles,
    public.profile_history, public.memory TO vitrine_app, vitrine_sql;
GRANT DELETE ON public.documents, public.user_configuration, public.profiles, public.memory TO vitrine_app, vitrine_sql;
GRANT INSERT (tenant, kind, name, title, content), UPDATE (title, content) ON public.documents TO vitrine_app, vitrine_sql;
GRANT UPDATE (seeded) ON public.documents TO vitrine_app;
GRANT INSERT (tenant, user_name, settings), UPDATE (settings) ON public.user_configuration TO vitrine_app, vitrine_sql;
GRANT INSERT (tenant, user_name, fields, roles), UPDATE (fields, roles) ON public.profiles TO vitrine_app, vitrine_sql;
GRANT INSERT (tenant, id, user_name, session, key, text, attributes, expires_at),
      UPDATE (text, attributes, expires_at) ON public.memory TO vitrine_app, vitrine_sql;

ALTER FUNCTION vitrine.stamp_document() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.keep_document_history() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.stamp_profile() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.keep_profile_history() OWNER TO vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;
