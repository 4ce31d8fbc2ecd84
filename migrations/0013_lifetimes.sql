-- How long things live: keys that end, insights that are past their time, tenants under legal hold.

GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;

ALTER TABLE vitrine.tenants ADD COLUMN legal_hold boolean NOT NULL DEFAULT false;
ALTER TABLE vitrine.api_keys ADD COLUMN last_used_at timestamptz;
ALTER TABLE public.service_health ADD COLUMN latency_ms integer CHECK (latency_ms >= 0);

-- Who a key is, where its secret's hash is right and it lives. Its use is noted once a minute, by whoever comes first, and
-- only where the server can write: a full disk locks nobody out.
CREATE OR REPLACE FUNCTION vitrine.identify(p_id uuid, p_secret_sha256 bytea) RETURNS TABLE (tenant text, scopes text[])
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known vitrine.api_keys;
BEGIN
    SELECT * INTO known FROM vitrine.api_keys k
        WHERE k.id = p_id AND k.secret_sha256 = p_secret_sha256 AND k.revoked_at IS NULL
          AND (k.expires_at IS NULL OR k.expires_at > now());
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF coalesce(known.last_used_at < now() - interval '1 minute', true) AND NOT pg_is_in_recovery()
       AND current_setting('transaction_read_only') = 'off' THEN
        BEGIN
            UPDATE vitrine.api_keys k SET last_used_at = now()
                WHERE k.id = (SELECT u.id FROM vitrine.api_keys u WHERE u.id = p_id FOR NO KEY UPDATE SKIP LOCKED);
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END IF;
    RETURN QUERY SELECT known.tenant, known.scopes;
END
$$;

DROP FUNCTION vitrine.show_keys(text);
CREATE FUNCTION vitrine.show_keys(p_tenant text)
    RETURNS TABLE (id uuid, label text, scopes text[], created_at timestamptz, expires_at timestamptz,
                   revoked_at timestamptz, last_used_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id, k.label, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at FROM vitrine.api_keys k
    WHERE k.tenant = p_tenant ORDER BY k.id
$$;

-- A label names one living key of a tenant.
DROP FUNCTION vitrine.create_key(text, uuid, bytea, text, text[]);
CREATE FUNCTION vitrine.create_key(
    p_tenant text, p_id uuid, p_secret_sha256 bytea, p_label text, p_scopes text[], p_expires_at timestamptz
) RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made timestamptz;
BEGIN
    IF p_expires_at <= now() THEN
        RAISE EXCEPTION 'a key ends in the future' USING ERRCODE = 'VT422';
    END IF;
    INSERT INTO vitrine.tenants (name) VALUES (p_tenant) ON CONFLICT DO NOTHING;
    PERFORM 1 FROM vitrine.tenants t WHERE t.name = p_tenant FOR UPDATE;
    IF EXISTS (SELECT FROM vitrine.api_keys k WHERE k.tenant = p_tenant AND k.label = p_label AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > now())) THEN
        RAISE EXCEPTION 'a key "%" exists already', p_label USING ERRCODE = 'VT409';
    END IF;
    INSERT INTO vitrine.api_keys (id, tenant, label, secret_sha256, scopes, expires_at)
        VALUES (p_id, p_tenant, p_label, p_secret_sha256, p_scopes, p_expires_at) RETURNING created_at INTO made;
    RETURN made;
END
$$;

-- The same as a write of the API. The answer that is kept has no secret: a request that comes again is told which key it
-- made, and that its secret was shown once.
CREATE FUNCTION vitrine.make_key(
    p_tenant text, p_actor text, p_key text, p_request bytea,
    p_id uuid, p_secret_sha256 bytea, p_label text, p_scopes text[], p_expires_at timestamptz
) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    made timestamptz;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    made := vitrine.create_key(p_tenant, p_id, p_secret_sha256, p_label, p_scopes, p_expires_at);
    result := ('created', jsonb_build_object('id', p_id, 'tenant', p_tenant, 'label', p_label, 'scopes', p_scopes,
                                             'created_at', made, 'expires_at', p_expires_at))::vitrine.written;
    RETURN vitrine.end_write(p_key, p_request, 'key', p_id::text, result);
END
$$;

-- The condition of a filter on `public.insights i`, the tenant's included. Every value is quoted. What is past its time is
-- not there, whether it was deleted yet or not; it was there at the moments before.
CREATE OR REPLACE FUNCTION vitrine.insight_condition(f jsonb) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c text := format('i.tenant = %L', vitrine.tenant());
    at text := quote_nullable((f ->> 'as_of')::timestamptz);
BEGIN
    IF f ->> 'kind' IS NOT NULL THEN c := c || format(' AND i.kind = %L', f ->> 'kind'); END IF;
    IF f ->> 'key' IS NOT NULL THEN c := c || format(' AND i.key = %L', f ->> 'key'); END IF;
    IF f ->> 'as_of' IS NOT NULL THEN
        c := c || format(' AND i.recorded_at <= %s AND CASE WHEN i.retracted_at <= %1$s THEN ''retracted''
                           WHEN i.superseded_at <= %1$s THEN ''superseded'' ELSE ''current'' END = %L
                           AND (i.expires_at IS NULL OR i.expires_at > %1$s)',
                         at, coalesce(f ->> 'state', 'current'));
    ELSE
        c := c || format(' AND i.state = %L AND (i.expires_at IS NULL OR i.expires_at > now())', coalesce(f ->> 'state', 'current'));
    END IF;
    IF f ->> 'confidence_min' IS NOT NULL THEN
        c := c || format(' AND i.confidence >= %L::float8', f ->> 'confidence_min');
    END IF;
    IF f ->> 'valid_at' IS NOT NULL THEN
        c := c || format(' AND i.valid_from <= %1$L::timestamptz AND (i.valid_to IS NULL OR i.valid_to > %1$L::timestamptz)',
                         f ->> 'valid_at');
    END IF;
    IF f ->> 'recorded_from' IS NOT NULL THEN c := c || format(' AND i.recorded_at >= %L', f ->> 'recorded_from'); END IF;
    IF f ->> 'recorded_to' IS NOT NULL THEN c := c || format(' AND i.recorded_at < %L', f ->> 'recorded_to'); END IF;
    IF f ->> 'relation' IS NOT NULL THEN
        c := c || format(' AND EXISTS (SELECT FROM public.evidence e WHERE e.tenant = i.tenant AND e.insight_id = i.id
                           AND %L = ANY (e.relations))', f ->> 'relation');
    END IF;
    IF jsonb_typeof(f -> 'payload') <> 'null' THEN c := c || format(' AND i.payload @> %L::jsonb', f -> 'payload'); END IF;
    RETURN c;
END
$$;

-- What an INSERT of `p` met: the same content in any version of its key (answered), a key whose latest version was
-- retracted, is gone or is past its time (the next version is made), or another insight (refused).
CREATE OR REPLACE FUNCTION vitrine.meet_insight(p_id uuid, p jsonb) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    there public.insights;
    made public.insights;
BEGIN
    SELECT i.* INTO there FROM public.insights i
        WHERE i.kind = p ->> 'kind' AND i.key = p ->> 'key' AND vitrine.same_content(i, p)
        ORDER BY i.version DESC LIMIT 1;
    IF FOUND THEN
        RETURN ('unchanged', vitrine.shown(there))::vitrine.written;
    END IF;
    SELECT i.* INTO there FROM public.insights i WHERE i.kind = p ->> 'kind' AND i.key = p ->> 'key'
        ORDER BY i.version DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'insight % exists already', p_id USING ERRCODE = 'VT409';
    ELSIF there.state = 'current' AND coalesce(there.expires_at > now(), true) THEN
        RAISE EXCEPTION 'insight "%" of kind "%" exists with other content: supersede %', there.key, there.kind, there.id
            USING ERRCODE = 'VT409';
    END IF;
    INSERT INTO public.insights (id, kind, key, version, supersedes, title, body, payload, confidence, valid_from,
                                 valid_to, expires_at)
    VALUES (p_id, there.kind, there.key, there.version + 1, CASE WHEN there.superseded_at IS NULL THEN there.id END,
            p ->> 'title', p ->> 'body', p -> 'payload', (p ->> 'confidence')::double precision,
            coalesce((p ->> 'valid_from')::timestamptz, now()), (p ->> 'valid_to')::timestamptz,
            (p ->> 'expires_at')::timestamptz)
    RETURNING * INTO made;
    RETURN ('created', vitrine.shown(made))::vitrine.written;
END
$$;

-- Deletes at most about `p_limit` insights and as many memories that are past their time: past `expires_at`, or older
-- than the kind's or the tenant's retention. Earlier versions go with a later one. What is held stays, and so does
-- everything of a tenant that is held.
CREATE OR REPLACE FUNCTION vitrine.expire(p_limit integer) RETURNS TABLE (insights bigint, memories bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('vitrine.expiring', 'on', true), set_config('vitrine.actor', 'retention', true);
    WITH due AS (
        (SELECT i.tenant, i.kind, i.key, i.version FROM public.insights i
         WHERE i.expires_at <= now() AND NOT i.legal_hold
           AND i.tenant NOT IN (SELECT t.name FROM vitrine.tenants t WHERE t.legal_hold) LIMIT p_limit)
        UNION
        (SELECT i.tenant, i.kind, i.key, i.version
         FROM public.kinds k JOIN vitrine.tenants t ON t.name = k.tenant AND NOT t.legal_hold
         JOIN public.insights i ON i.tenant = k.tenant AND i.kind = k.name
         WHERE i.recorded_at < now() - make_interval(days => coalesce(k.retention_days, t.retention_days))
           AND NOT i.legal_hold LIMIT p_limit)
    )
    DELETE FROM public.insights i USING (SELECT tenant, kind, key, max(version) AS version FROM due GROUP BY 1, 2, 3) d
        WHERE i.tenant = d.tenant AND i.kind = d.kind AND i.key = d.key AND i.version <= d.version AND NOT i.legal_hold;
    GET DIAGNOSTICS insights = ROW_COUNT;
    WITH due AS (
        (SELECT m.tenant, m.id FROM public.memory m WHERE m.expires_at <= now()
           AND m.tenant NOT IN (SELECT t.name FROM vitrine.tenants t WHERE t.legal_hold) LIMIT p_limit)
        UNION
        (SELECT m.tenant, m.id FROM vitrine.tenants t JOIN public.memory m ON m.tenant = t.name AND NOT t.legal_hold
         WHERE m.recorded_at < now() - make_interval(days => t.memory_retention_days) LIMIT p_limit)
    )
    DELETE FROM public.memory m USING due d WHERE m.tenant = d.tenant AND m.id = d.id;
    GET DIAGNOSTICS memories = ROW_COUNT;
    RETURN NEXT;
END
$$;

-- After: of a tenant that is held no insight is deleted, by nobody.
CREATE FUNCTION vitrine.keep_held_tenant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held text;
BEGIN
    SELECT t.name INTO held FROM vitrine.tenants t
        WHERE t.legal_hold AND t.name IN (SELECT o.tenant FROM old_rows o) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'insights of tenant "%" are under legal hold', held USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_held_tenant AFTER DELETE ON public.insights
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION vitrine.keep_held_tenant();

ALTER FUNCTION vitrine.show_keys(text) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.create_key(text, uuid, bytea, text, text[], timestamptz) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.keep_held_tenant() OWNER TO vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vitrine.show_keys, vitrine.create_key, vitrine.make_key TO vitrine_app;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;
