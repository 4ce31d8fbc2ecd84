-- Keys of the API, and what deletes what is past its time.

GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;

-- Who a key is, where its secret's hash is right and it lives.
CREATE FUNCTION vitrine.identify(p_id uuid, p_secret_sha256 bytea) RETURNS TABLE (tenant text, scopes text[])
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.tenant, k.scopes FROM vitrine.api_keys k
    WHERE k.id = p_id AND k.secret_sha256 = p_secret_sha256 AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > now())
$$;

CREATE FUNCTION vitrine.show_keys(p_tenant text)
    RETURNS TABLE (id uuid, label text, scopes text[], created_at timestamptz, expires_at timestamptz, revoked_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id, k.label, k.scopes, k.created_at, k.expires_at, k.revoked_at FROM vitrine.api_keys k
    WHERE k.tenant = p_tenant ORDER BY k.id
$$;

-- A label names one living key of a tenant: the request that comes twice makes one key.
CREATE FUNCTION vitrine.create_key(p_tenant text, p_id uuid, p_secret_sha256 bytea, p_label text, p_scopes text[])
    RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made timestamptz;
BEGIN
    INSERT INTO vitrine.tenants (name) VALUES (p_tenant) ON CONFLICT DO NOTHING;
    PERFORM 1 FROM vitrine.tenants t WHERE t.name = p_tenant FOR UPDATE;
    IF EXISTS (SELECT FROM vitrine.api_keys k WHERE k.tenant = p_tenant AND k.label = p_label AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > now())) THEN
        RAISE EXCEPTION 'a key "%" exists already', p_label USING ERRCODE = 'VT409';
    END IF;
    INSERT INTO vitrine.api_keys (id, tenant, label, secret_sha256, scopes)
        VALUES (p_id, p_tenant, p_label, p_secret_sha256, p_scopes) RETURNING created_at INTO made;
    RETURN made;
END
$$;

CREATE FUNCTION vitrine.revoke_key(p_tenant text, p_id uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE vitrine.api_keys k SET revoked_at = coalesce(k.revoked_at, now()) WHERE k.tenant = p_tenant AND k.id = p_id;
    RETURN FOUND;
END
$$;

-- Deletes at most about `p_limit` insights and as many memories that are past their time: past `expires_at`, or older
-- than the kind's or the tenant's retention. Earlier versions go with a later one. What is held stays.
CREATE FUNCTION vitrine.expire(p_limit integer) RETURNS TABLE (insights bigint, memories bigint)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('vitrine.expiring', 'on', true), set_config('vitrine.actor', 'retention', true);
    WITH due AS (
        (SELECT i.tenant, i.kind, i.key, i.version FROM public.insights i
         WHERE i.expires_at <= now() AND NOT i.legal_hold LIMIT p_limit)
        UNION
        (SELECT i.tenant, i.kind, i.key, i.version
         FROM public.kinds k JOIN vitrine.tenants t ON t.name = k.tenant
         JOIN public.insights i ON i.tenant = k.tenant AND i.kind = k.name
         WHERE i.recorded_at < now() - make_interval(days => coalesce(k.retention_days, t.retention_days))
           AND NOT i.legal_hold LIMIT p_limit)
    )
    DELETE FROM public.insights i USING (SELECT tenant, kind, key, max(version) AS version FROM due GROUP BY 1, 2, 3) d
        WHERE i.tenant = d.tenant AND i.kind = d.kind AND i.key = d.key AND i.version <= d.version AND NOT i.legal_hold;
    GET DIAGNOSTICS insights = ROW_COUNT;
    WITH due AS (
        (SELECT m.tenant, m.id FROM public.memory m WHERE m.expires_at <= now() LIMIT p_limit)
        UNION
        (SELECT m.tenant, m.id FROM vitrine.tenants t JOIN public.memory m ON m.tenant = t.name
         WHERE m.recorded_at < now() - make_interval(days => t.memory_retention_days) LIMIT p_limit)
    )
    DELETE FROM public.memory m USING due d WHERE m.tenant = d.tenant AND m.id = d.id;
    GET DIAGNOSTICS memories = ROW_COUNT;
    RETURN NEXT;
END
$$;

ALTER FUNCTION vitrine.identify(uuid, bytea) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.show_keys(text) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.create_key(text, uuid, bytea, text, text[]) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.revoke_key(text, uuid) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.expire(integer) OWNER TO vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vitrine.identify, vitrine.show_keys, vitrine.create_key, vitrine.revoke_key, vitrine.expire
    TO vitrine_app;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;

-- The runner makes this table before the first file; /v1/capabilities tells the version.
DO $$ BEGIN
    IF to_regclass('vitrine.migrations') IS NOT NULL THEN
        GRANT SELECT ON vitrine.migrations TO vitrine_app;
    END IF;
END $$;
