-- One function for each write of the API, so that a write costs one round trip: it sets tenant and actor for the
-- transaction, looks for an earlier answer to the same request, writes, and keeps the answer. All run as the caller, under
-- the policies of the tables.
--
-- SQLSTATEs of our own: VT404 no such record, VT409 conflict, VT412 another revision (its number is the detail).

CREATE TYPE vitrine.written AS (outcome text, answer jsonb);

-- Sets tenant and actor, and answers what was answered to this request before; NULL where it is new.
CREATE FUNCTION vitrine.begin_write(p_tenant text, p_actor text, p_key text, p_request bytea) RETURNS vitrine.written
    LANGUAGE plpgsql AS $$
DECLARE
    seen vitrine.idempotency_keys;
BEGIN
    PERFORM set_config('vitrine.tenant', p_tenant, true), set_config('vitrine.actor', p_actor, true);
    IF p_key IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT * INTO seen FROM vitrine.idempotency_keys k WHERE k.tenant = p_tenant AND k.key = p_key;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF seen.request <> p_request THEN
        RETURN ('key_reused', NULL)::vitrine.written;
    ELSIF seen.answer IS NULL THEN
        RAISE EXCEPTION 'what this request made has been deleted since' USING ERRCODE = 'VT409';
    END IF;
    RETURN (seen.outcome, seen.answer)::vitrine.written;
END
$$;

-- Keeps the answer. Of two same requests at once, the second one fails here (unique_violation) and is asked again.
CREATE FUNCTION vitrine.end_write(p_key text, p_request bytea, p_subject text, p_record text, p_written vitrine.written)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
BEGIN
    IF p_key IS NOT NULL THEN
        INSERT INTO vitrine.idempotency_keys (key, request, subject, record, outcome, answer)
            VALUES (p_key, p_request, p_subject, p_record, p_written.outcome, p_written.answer);
    END IF;
    RETURN p_written;
END
$$;

CREATE FUNCTION vitrine.add_evidence_rows(p_insight uuid, p_evidence jsonb) RETURNS SETOF public.evidence
    LANGUAGE sql AS $$
    INSERT INTO public.evidence (insight_id, query_shape, relations, data_as_of, database, receipt, note)
    SELECT p_insight, e.query_shape, coalesce(e.relations, '{}'), e.data_as_of, e.database, e.receipt, e.note
    FROM jsonb_to_recordset(p_evidence)
        AS e (query_shape text, relations text[], data_as_of timestamptz, database text, receipt text, note text)
    RETURNING *
$$;

-- An insight as it is answered.
CREATE FUNCTION vitrine.shown(i public.insights) RETURNS jsonb LANGUAGE sql IMMUTABLE AS
$$ SELECT to_jsonb(i) - 'search' - 'tenant' $$;

-- The content of `p` and of a kept version is the same. Times that were not given do not count: their defaults differ.
CREATE FUNCTION vitrine.same_content(i public.insights, p jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT i.title = p ->> 'title'
       AND i.body IS NOT DISTINCT FROM p ->> 'body'
       AND i.payload = p -> 'payload'
       AND i.confidence IS NOT DISTINCT FROM (p ->> 'confidence')::double precision
       AND (p ->> 'valid_from' IS NULL OR i.valid_from = (p ->> 'valid_from')::timestamptz)
       AND i.valid_to IS NOT DISTINCT FROM (p ->> 'valid_to')::timestamptz
       AND i.expires_at IS NOT DISTINCT FROM (p ->> 'expires_at')::timestamptz
$$;

-- What an INSERT of `p` met: the same content in any version of its key (answered), a key whose latest version was
-- retracted or is gone (the next version is made), or another insight (refused).
CREATE FUNCTION vitrine.meet_insight(p_id uuid, p jsonb) RETURNS vitrine.written LANGUAGE plpgsql AS $$
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
    ELSIF there.state = 'current' THEN
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

-- Evidence and embedding of an insight that was just made.
CREATE FUNCTION vitrine.attach(p_id uuid, p_kind text, p_evidence jsonb, p_embedding real[]) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    IF p_evidence IS NOT NULL THEN
        PERFORM vitrine.add_evidence_rows(p_id, p_evidence);
    END IF;
    IF p_embedding IS NOT NULL THEN
        INSERT INTO public.insight_embeddings (insight_id, kind, embedding) VALUES (p_id, p_kind, p_embedding::public.vector);
    END IF;
END
$$;

-- `p`: kind, key, title, body, payload, confidence, valid_from, valid_to, expires_at. `p_kind_revision`: the revision of
-- the kind that the payload was checked against; another one is answered as 'stale_kind', and the caller checks again.
CREATE FUNCTION vitrine.create_insight(
    p_tenant text, p_actor text, p_key text, p_request bytea,
    p_kind_revision bigint, p_id uuid, p jsonb, p_evidence jsonb, p_embedding real[]
) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    made public.insights;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    PERFORM 1 FROM public.kinds k WHERE k.name = p ->> 'kind' AND k.revision = p_kind_revision;
    IF NOT FOUND THEN
        RETURN ('stale_kind', NULL)::vitrine.written;
    END IF;
    INSERT INTO public.insights (id, kind, key, title, body, payload, confidence, valid_from, valid_to, expires_at)
    VALUES (p_id, p ->> 'kind', coalesce(p ->> 'key', p_id::text), p ->> 'title', p ->> 'body', p -> 'payload',
            (p ->> 'confidence')::double precision, coalesce((p ->> 'valid_from')::timestamptz, now()),
            (p ->> 'valid_to')::timestamptz, (p ->> 'expires_at')::timestamptz)
    ON CONFLICT DO NOTHING RETURNING * INTO made;
    result := CASE WHEN FOUND THEN ('created', vitrine.shown(made))::vitrine.written ELSE vitrine.meet_insight(p_id, p) END;
    IF result.outcome = 'created' THEN
        PERFORM vitrine.attach(p_id, p ->> 'kind', p_evidence, p_embedding);
    END IF;
    RETURN vitrine.end_write(p_key, p_request, 'insight', result.answer ->> 'id', result);
END
$$;

CREATE FUNCTION vitrine.supersede_insight(
    p_tenant text, p_actor text, p_key text, p_request bytea,
    p_kind_revision bigint, p_supersedes uuid, p_id uuid, p jsonb, p_evidence jsonb, p_embedding real[]
) RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    there public.insights;
    made public.insights;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    -- The row that is locked is the one that is judged.
    SELECT * INTO there FROM public.insights i WHERE i.id = p_supersedes FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'insight %', p_supersedes USING ERRCODE = 'VT404';
    ELSIF there.state = 'superseded' THEN
        SELECT * INTO made FROM public.insights i WHERE i.id = there.superseded_by;
        IF FOUND AND vitrine.same_content(made, p) THEN
            result := ('unchanged', vitrine.shown(made))::vitrine.written;
            RETURN vitrine.end_write(p_key, p_request, 'insight', made.id::text, result);
        END IF;
    END IF;
    IF there.state <> 'current' THEN
        RAISE EXCEPTION 'insight % is %, not current', p_supersedes, there.state USING ERRCODE = 'VT409';
    END IF;
    PERFORM 1 FROM public.kinds k WHERE k.name = there.kind AND k.revision = p_kind_revision;
    IF NOT FOUND THEN
        RETURN ('stale_kind', NULL)::vitrine.written;
    END IF;
    INSERT INTO public.insights (id, kind, key, supersedes, title, body, payload, confidence, valid_from, valid_to, expires_at)
    VALUES (p_id, there.kind, there.key, p_supersedes, p ->> 'title', p ->> 'body', p -> 'payload',
            (p ->> 'confidence')::double precision, coalesce((p ->> 'valid_from')::timestamptz, now()),
            (p ->> 'valid_to')::timestamptz, (p ->> 'expires_at')::timestamptz)
    RETURNING * INTO made;
    PERFORM vitrine.attach(p_id, there.kind, p_evidence, p_embedding);
    result := ('created', vitrine.shown(made))::vitrine.written;
    RETURN vitrine.end_write(p_key, p_request, 'insight', p_id::text, result);
END
$$;

CREATE FUNCTION vitrine.retract_insight(p_tenant text, p_actor text, p_key text, p_request bytea, p_id uuid, p_reason text)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    there public.insights;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    SELECT * INTO there FROM public.insights i WHERE i.id = p_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'insight %', p_id USING ERRCODE = 'VT404';
    ELSIF there.state = 'retracted' AND there.retraction_reason = p_reason THEN
        result := ('unchanged', vitrine.shown(there))::vitrine.written;
    ELSIF there.state <> 'current' THEN
        RAISE EXCEPTION 'insight % is %, not current', p_id, there.state USING ERRCODE = 'VT409';
    ELSE
        UPDATE public.insights i SET retraction_reason = p_reason WHERE i.id = p_id RETURNING * INTO there;
        result := ('updated', vitrine.shown(there))::vitrine.written;
    END IF;
    RETURN vitrine.end_write(p_key, p_request, 'insight', p_id::text, result);
END
$$;

CREATE FUNCTION vitrine.hold_insight(p_tenant text, p_actor text, p_key text, p_request bytea, p_id uuid, p_held boolean)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    there public.insights;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    UPDATE public.insights i SET legal_hold = p_held WHERE i.id = p_id AND i.legal_hold <> p_held RETURNING * INTO there;
    IF FOUND THEN
        result := ('updated', vitrine.shown(there))::vitrine.written;
    ELSE
        SELECT * INTO there FROM public.insights i WHERE i.id = p_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'insight %', p_id USING ERRCODE = 'VT404';
        END IF;
        result := ('unchanged', vitrine.shown(there))::vitrine.written;
    END IF;
    RETURN vitrine.end_write(p_key, p_request, 'insight', p_id::text, result);
END
$$;

CREATE FUNCTION vitrine.add_evidence(p_tenant text, p_actor text, p_key text, p_request bytea, p_id uuid, p_evidence jsonb)
    RETURNS vitrine.written LANGUAGE plpgsql AS $$
DECLARE
    result vitrine.written := vitrine.begin_write(p_tenant, p_actor, p_key, p_request);
    given public.evidence := jsonb_populate_record(NULL::public.evidence, '{"relations": []}' || p_evidence);
    there public.evidence;
BEGIN
    IF result.outcome IS NOT NULL THEN
        RETURN result;
    END IF;
    -- Two writers of the same evidence take turns.
    PERFORM 1 FROM public.insights i WHERE i.id = p_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'insight %', p_id USING ERRCODE = 'VT404';
    END IF;
    SELECT * INTO there FROM public.evidence e
        WHERE e.insight_id = p_id
          AND (e.query_shape, e.relations, e.data_as_of, e.database, e.receipt, e.note)
              IS NOT DISTINCT FROM
              (given.query_shape, given.relations, given.data_as_of, given.database, given.receipt, given.note)
        LIMIT 1;
    result.outcome := CASE WHEN FOUND THEN 'unchanged' ELSE 'created' END;
    IF result.outcome = 'created' THEN
        SELECT * INTO there FROM vitrine.add_evidence_rows(p_id, jsonb_build_array(p_evidence));
    END IF;
    result.answer := to_jsonb(there) - 'tenant';
    -- The insight's record, so that the answer goes when the insight goes.
    RETURN vitrine.end_write(p_key, p_request, 'insight', p_id::text, result);
END
$$;

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vitrine.begin_write, vitrine.end_write, vitrine.add_evidence_rows, vitrine.shown,
    vitrine.same_content, vitrine.meet_insight, vitrine.attach, vitrine.create_insight, vitrine.supersede_insight,
    vitrine.retract_insight, vitrine.hold_insight, vitrine.add_evidence TO vitrine_app;
