-- Many insights at once. Row-level security forbids COPY into the tables, so that rows are copied into temporary tables of
-- the connection (no WAL, no index) and inserted from there, batch by batch, in one transaction.

-- The connection's temporary tables; they empty themselves at the end of each transaction.
CREATE PROCEDURE vitrine.prepare_bulk() LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('pg_temp.bulk_insights') IS NOT NULL THEN
        RETURN;
    END IF;
    CREATE TEMPORARY TABLE bulk_insights (
        place bigint NOT NULL, id uuid NOT NULL, kind text NOT NULL, key text, title text NOT NULL, body text,
        payload jsonb NOT NULL, confidence double precision, valid_from timestamptz, valid_to timestamptz,
        expires_at timestamptz
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE bulk_evidence (
        insight_id uuid NOT NULL, query_shape text NOT NULL, relations text[] NOT NULL, data_as_of timestamptz NOT NULL,
        database text, receipt text, note text
    ) ON COMMIT DELETE ROWS;
    CREATE TEMPORARY TABLE bulk_embeddings (insight_id uuid NOT NULL, kind text NOT NULL, embedding real[] NOT NULL)
        ON COMMIT DELETE ROWS;
END
$$;

-- Inserts what was copied and empties the tables. Which insight was refused is the detail: its place in the stream.
CREATE FUNCTION vitrine.take_bulk(p_evidence boolean, p_embeddings boolean, OUT created bigint, OUT unchanged bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    staged bigint;
    all_new boolean;
    met record;
    state text;
    said text;
BEGIN
    SELECT count(*) INTO staged FROM pg_temp.bulk_insights;
    INSERT INTO public.insights (id, kind, key, title, body, payload, confidence, valid_from, valid_to, expires_at)
        SELECT b.id, b.kind, coalesce(b.key, b.id::text), b.title, b.body, b.payload, b.confidence,
               coalesce(b.valid_from, now()), b.valid_to, b.expires_at
        FROM pg_temp.bulk_insights b
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS created = ROW_COUNT;
    unchanged := 0;
    all_new := created = staged;
    IF NOT all_new THEN
        FOR met IN
            SELECT b.place, b.id, to_jsonb(b) - 'place' - 'id' AS p FROM pg_temp.bulk_insights b
            -- One look into the index for each row: nothing is known of the tables yet that would plan a join well.
            WHERE (SELECT true FROM public.insights i WHERE i.id = b.id) IS NULL ORDER BY b.place
        LOOP
            BEGIN
                IF (vitrine.meet_insight(met.id, met.p)).outcome = 'created' THEN
                    created := created + 1;
                ELSE
                    unchanged := unchanged + 1;
                END IF;
            EXCEPTION WHEN SQLSTATE 'VT409' THEN
                GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, said = MESSAGE_TEXT;
                RAISE EXCEPTION '%', said USING ERRCODE = state, DETAIL = met.place::text;
            END;
        END LOOP;
    END IF;
    IF p_evidence THEN
        INSERT INTO public.evidence (insight_id, query_shape, relations, data_as_of, database, receipt, note)
            SELECT e.insight_id, e.query_shape, e.relations, e.data_as_of, e.database, e.receipt, e.note
            FROM pg_temp.bulk_evidence e
            WHERE all_new OR (SELECT true FROM public.insights i WHERE i.id = e.insight_id);
    END IF;
    IF p_embeddings THEN
        INSERT INTO public.insight_embeddings (insight_id, kind, embedding)
            SELECT e.insight_id, e.kind, e.embedding::public.vector
            FROM pg_temp.bulk_embeddings e
            WHERE all_new OR (SELECT true FROM public.insights i WHERE i.id = e.insight_id);
    END IF;
    TRUNCATE pg_temp.bulk_insights, pg_temp.bulk_evidence, pg_temp.bulk_embeddings;
END
$$;

-- The kinds that the payloads were checked against are still those: else another check is due. And the answer is kept.
CREATE FUNCTION vitrine.end_bulk(p_key text, p_request bytea, p_kinds text[], p_revisions bigint[], p_answer jsonb)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    changed text;
BEGIN
    SELECT c.name INTO changed FROM unnest(p_kinds, p_revisions) AS c (name, revision)
        WHERE NOT EXISTS (SELECT FROM public.kinds k WHERE k.name = c.name AND k.revision = c.revision) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'kind "%" was changed meanwhile: send it again', changed USING ERRCODE = 'VT409';
    END IF;
    PERFORM vitrine.end_write(p_key, p_request, 'bulk', '', ('created', p_answer)::vitrine.written);
END
$$;

REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE vitrine.prepare_bulk() TO vitrine_app;
GRANT EXECUTE ON FUNCTION vitrine.take_bulk, vitrine.end_bulk TO vitrine_app;
