-- The writes of the API for everything but insights; see 0006 for how they work.

-- What stands there has another revision than the writer saw, or is not there.
CREATE FUNCTION vitrine.refuse_revision(p_what text, p_current bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_current IS NULL THEN
        RAISE EXCEPTION '%', p_what USING ERRCODE = 'VT404';
    END IF;
    RAISE EXCEPTION '% has another revision', p_what USING ERRCODE = 'VT412', DETAIL = p_current::text;
END
$$;

-- `p`: name, description, schema, embedding_dimension, embedding_distance, retention_days. `p_seen`: the revision that
-- the writer saw; NULL where the kind must not exist.
CREATE FUNCTION vitrine.put_kind(p_tenant text, p_actor text, p_key text, p_request bytea, p jsonb, p_seen bigint)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    given public.kinds := jsonb_populate_record(NULL::public.kinds, p);
    there public.kinds;
    same boolean;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    IF p_seen IS NULL THEN
        INSERT INTO public.kinds (name, description, schema, embedding_dimension, embedding_distance, retention_days)
            VALUES (given.name, given.description, given.schema, given.embedding_dimension, given.embedding_distance,
                    given.retention_days)
            ON CONFLICT DO NOTHING RETURNING * INTO there;
        result.outcome := 'created';
    END IF;
    IF there IS NULL THEN
        SELECT * INTO there FROM public.kinds k WHERE k.name = given.name FOR NO KEY UPDATE;
        IF NOT FOUND OR there.revision <> p_seen THEN
            PERFORM vitrine.refuse_revision(format('kind "%s"', given.name), there.revision);
        END IF;
        same := (there.description, there.schema, there.embedding_dimension, there.embedding_distance, there.retention_days)
                IS NOT DISTINCT FROM
                (given.description, given.schema, given.embedding_dimension, given.embedding_distance, given.retention_days);
        IF same THEN
            result.outcome := 'unchanged';
        ELSIF p_seen IS NULL THEN
            RAISE EXCEPTION 'kind "%" exists with other content', given.name USING ERRCODE = 'VT409';
        ELSE
            result.outcome := 'updated';
            UPDATE public.kinds k
                SET description = given.description, schema = given.schema, retention_days = given.retention_days,
                    embedding_dimension = given.embedding_dimension, embedding_distance = given.embedding_distance,
                    seeded = false
                WHERE k.name = given.name RETURNING * INTO there;
        END IF;
    END IF;
    result.answer := to_jsonb(there) - 'tenant';
    RETURN vitrine.end_write(p_key, p_request, 'kind', given.name, result);
END
$$;

CREATE FUNCTION vitrine.delete_kind(p_tenant text, p_actor text, p_key text, p_request bytea, p_name text, p_seen bigint)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    current bigint;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT k.revision INTO current FROM public.kinds k WHERE k.name = p_name FOR UPDATE;
    IF NOT FOUND OR current <> p_seen THEN
        PERFORM vitrine.refuse_revision(format('kind "%s"', p_name), current);
    END IF;
    DELETE FROM public.kinds k WHERE k.name = p_name;
    RETURN vitrine.end_write(p_key, p_request, 'kind', p_name, ('updated', '{}')::vitrine.written);
END
$$;

CREATE FUNCTION vitrine.put_document(
    p_tenant text, p_actor text, p_key text, p_request bytea,
    p_kind text, p_name text, p_title text, p_content jsonb, p_seen bigint
) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    there public.documents;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    IF p_seen IS NULL THEN
        INSERT INTO public.documents (kind, name, title, content) VALUES (p_kind, p_name, p_title, p_content)
            ON CONFLICT DO NOTHING RETURNING * INTO there;
        result.outcome := 'created';
    END IF;
    IF there IS NULL THEN
        SELECT * INTO there FROM public.documents d WHERE d.kind = p_kind AND d.name = p_name FOR NO KEY UPDATE;
        IF NOT FOUND OR there.revision <> p_seen THEN
            PERFORM vitrine.refuse_revision(format('document "%s/%s"', p_kind, p_name), there.revision);
        END IF;
        IF there.title = p_title AND there.content = p_content THEN
            result.outcome := 'unchanged';
        ELSIF p_seen IS NULL THEN
            RAISE EXCEPTION 'document "%/%" exists with other content', p_kind, p_name USING ERRCODE = 'VT409';
        ELSE
            result.outcome := 'updated';
            UPDATE public.documents d SET title = p_title, content = p_content, seeded = false
                WHERE d.kind = p_kind AND d.name = p_name RETURNING * INTO there;
        END IF;
    END IF;
    result.answer := to_jsonb(there) - 'tenant';
    RETURN vitrine.end_write(p_key, p_request, 'document', p_kind || '/' || p_name, result);
END
$$;

CREATE FUNCTION vitrine.delete_document(
    p_tenant text, p_actor text, p_key text, p_request bytea, p_kind text, p_name text, p_seen bigint
) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    current bigint;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT d.revision INTO current FROM public.documents d WHERE d.kind = p_kind AND d.name = p_name FOR UPDATE;
    IF NOT FOUND OR current <> p_seen THEN
        PERFORM vitrine.refuse_revision(format('document "%s/%s"', p_kind, p_name), current);
    END IF;
    DELETE FROM public.documents d WHERE d.kind = p_kind AND d.name = p_name;
    RETURN vitrine.end_write(p_key, p_request, 'document', p_kind || '/' || p_name, ('updated', '{}')::vitrine.written);
END
$$;

CREATE FUNCTION vitrine.put_configuration(
    p_tenant text, p_actor text, p_key text, p_request bytea, p_user text, p_settings jsonb, p_seen bigint
) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    there public.user_configuration;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    IF p_seen IS NULL THEN
        INSERT INTO public.user_configuration (user_name, settings) VALUES (p_user, p_settings)
            ON CONFLICT DO NOTHING RETURNING * INTO there;
        result.outcome := 'created';
    END IF;
    IF there IS NULL THEN
        SELECT * INTO there FROM public.user_configuration c WHERE c.user_name = p_user FOR NO KEY UPDATE;
        IF NOT FOUND OR there.revision <> p_seen THEN
            PERFORM vitrine.refuse_revision(format('configuration of "%s"', p_user), there.revision);
        END IF;
        IF there.settings = p_settings THEN
            result.outcome := 'unchanged';
        ELSIF p_seen IS NULL THEN
            RAISE EXCEPTION 'configuration of "%" exists with other content', p_user USING ERRCODE = 'VT409';
        ELSE
            result.outcome := 'updated';
            UPDATE public.user_configuration c SET settings = p_settings WHERE c.user_name = p_user RETURNING * INTO there;
        END IF;
    END IF;
    result.answer := to_jsonb(there) - 'tenant' - 'user_name' || jsonb_build_object('user', there.user_name);
    RETURN vitrine.end_write(p_key, p_request, 'configuration', p_user, result);
END
$$;

-- JSON Merge Patch, RFC 7396.
CREATE FUNCTION vitrine.merge_patch(p_target jsonb, p_patch jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    result jsonb := CASE jsonb_typeof(p_target) WHEN 'object' THEN p_target ELSE '{}' END;
    field record;
BEGIN
    IF jsonb_typeof(p_patch) <> 'object' THEN
        RETURN p_patch;
    END IF;
    FOR field IN SELECT * FROM jsonb_each(p_patch) LOOP
        IF field.value = 'null' THEN
            result := result - field.key;
        ELSE
            result := result || jsonb_build_object(field.key, vitrine.merge_patch(result -> field.key, field.value));
        END IF;
    END LOOP;
    RETURN result;
END
$$;

CREATE FUNCTION vitrine.patch_profile(
    p_tenant text, p_actor text, p_key text, p_request bytea, p_user text, p_fields jsonb, p_roles text[], p_seen bigint
) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    there public.profiles;
    patched jsonb;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    IF p_seen IS NULL THEN
        INSERT INTO public.profiles (user_name, fields, roles)
            VALUES (p_user, vitrine.merge_patch('{}', p_fields), coalesce(p_roles, '{}'))
            ON CONFLICT DO NOTHING RETURNING * INTO there;
        result.outcome := 'created';
    END IF;
    IF there IS NULL THEN
        SELECT * INTO there FROM public.profiles p WHERE p.user_name = p_user FOR NO KEY UPDATE;
        IF NOT FOUND OR there.revision <> p_seen THEN
            PERFORM vitrine.refuse_revision(format('profile of "%s"', p_user), there.revision);
        END IF;
        patched := vitrine.merge_patch(there.fields, p_fields);
        IF there.fields = patched AND there.roles = coalesce(p_roles, there.roles) THEN
            result.outcome := 'unchanged';
        ELSE
            result.outcome := 'updated';
            UPDATE public.profiles p SET fields = patched, roles = coalesce(p_roles, p.roles)
                WHERE p.user_name = p_user RETURNING * INTO there;
        END IF;
    END IF;
    result.answer := to_jsonb(there) - 'tenant' - 'user_name' || jsonb_build_object('user', there.user_name);
    RETURN vitrine.end_write(p_key, p_request, 'profile', p_user, result);
END
$$;

-- `p`: user_name, session, key, text, attributes, expires_at.
CREATE FUNCTION vitrine.remember(p_tenant text, p_actor text, p_key text, p_request bytea, p_id uuid, p jsonb)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    given public.memory := jsonb_populate_record(NULL::public.memory, p);
    there public.memory;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    INSERT INTO public.memory (id, user_name, session, key, text, attributes, expires_at)
        VALUES (p_id, given.user_name, given.session, given.key, given.text, given.attributes, given.expires_at)
        ON CONFLICT DO NOTHING RETURNING * INTO there;
    result.outcome := 'created';
    IF NOT FOUND THEN
        SELECT * INTO there FROM public.memory m
            WHERE coalesce(m.user_name, '') = coalesce(given.user_name, '')
              AND coalesce(m.session, '') = coalesce(given.session, '') AND m.key = given.key;
        IF NOT FOUND OR there.text <> given.text OR there.attributes <> given.attributes THEN
            RAISE EXCEPTION 'memory "%" exists with other content', given.key USING ERRCODE = 'VT409';
        END IF;
        result.outcome := 'unchanged';
    END IF;
    result.answer := to_jsonb(there) - 'search' - 'tenant' - 'user_name' || jsonb_build_object('user', there.user_name);
    RETURN vitrine.end_write(p_key, p_request, 'memory', there.id::text, result);
END
$$;

CREATE FUNCTION vitrine.forget(p_tenant text, p_actor text, p_key text, p_request bytea, p_id uuid)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    DELETE FROM public.memory m WHERE m.id = p_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'memory %', p_id USING ERRCODE = 'VT404';
    END IF;
    RETURN vitrine.end_write(p_key, p_request, 'memory', p_id::text, ('updated', '{}')::vitrine.written);
END
$$;

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vitrine.refuse_revision, vitrine.put_kind, vitrine.delete_kind, vitrine.put_document,
    vitrine.delete_document, vitrine.put_configuration, vitrine.merge_patch, vitrine.patch_profile, vitrine.remember,
    vitrine.forget TO vitrine_app;
