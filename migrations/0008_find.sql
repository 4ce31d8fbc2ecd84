-- Lists and searches. They run as vitrine_keeper, because under row-level security PostgreSQL may use no index for `@@`
-- and `@>` (their operators are not leakproof): each compares the tenant itself, and answers ids and ranks alone. The
-- caller reads the rows under its own policy.

GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;

-- pgvector's version as a number (0.8.5 is 8005), 0 where it is not there.
CREATE FUNCTION vitrine.vector_version() RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT (parts[1]::integer * 1000 + parts[2]::integer) * 1000 + coalesce(parts[3], '0')::integer
                     FROM pg_catalog.pg_extension e, regexp_match(e.extversion, '^(\d+)\.(\d+)(?:\.(\d+))?') AS parts
                     WHERE e.extname = 'vector' AND to_regclass('public.insight_embeddings') IS NOT NULL), 0)
$$;

-- The condition of a filter on `public.insights i`, the tenant's included. Every value is quoted.
CREATE FUNCTION vitrine.insight_condition(f jsonb) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c text := format('i.tenant = %L', vitrine.tenant());
    at text := quote_nullable((f ->> 'as_of')::timestamptz);
BEGIN
    IF f ->> 'kind' IS NOT NULL THEN c := c || format(' AND i.kind = %L', f ->> 'kind'); END IF;
    IF f ->> 'key' IS NOT NULL THEN c := c || format(' AND i.key = %L', f ->> 'key'); END IF;
    IF f ->> 'as_of' IS NOT NULL THEN
        c := c || format(' AND i.recorded_at <= %s AND CASE WHEN i.retracted_at <= %1$s THEN ''retracted''
                           WHEN i.superseded_at <= %1$s THEN ''superseded'' ELSE ''current'' END = %L',
                         at, coalesce(f ->> 'state', 'current'));
    ELSE
        c := c || format(' AND i.state = %L', coalesce(f ->> 'state', 'current'));
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

-- Ids of one page, latest first, before `p_before`.
CREATE FUNCTION vitrine.list_insights(p_filter jsonb, p_before uuid, p_limit integer) RETURNS TABLE (id uuid)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT i.id FROM public.insights i WHERE %s AND ($1 IS NULL OR i.id < $1)
                                 ORDER BY i.id DESC LIMIT $2', vitrine.insight_condition(p_filter))
        USING p_before, p_limit;
END
$$;

-- The nearest embeddings of a kind: as many as exist, up to the limit. Where few insights pass the filter, those are
-- compared one by one. Else the index is asked; should it give up before it found enough, all are compared.
CREATE FUNCTION vitrine.nearest(p_filter jsonb, p_embedding real[], p_limit integer)
    RETURNS TABLE (id uuid, distance double precision)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind public.kinds;
    measure text;
    query text;
    few CONSTANT integer := 2000;
    passing uuid[];
    ids uuid[];
    distances double precision[];
    version integer := vitrine.vector_version();
BEGIN
    SELECT k.* INTO kind FROM public.kinds k WHERE k.tenant = vitrine.tenant() AND k.name = p_filter ->> 'kind';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'kind "%"', coalesce(p_filter ->> 'kind', '') USING ERRCODE = 'VT404';
    ELSIF kind.embedding_dimension IS DISTINCT FROM cardinality(p_embedding) THEN
        RAISE EXCEPTION 'kind "%" has embeddings of % dimensions, not of %', kind.name,
            coalesce(kind.embedding_dimension, 0), cardinality(p_embedding) USING ERRCODE = 'VT422';
    END IF;
    measure := format('(e.embedding::public.vector(%s) OPERATOR(public.%s) $1::public.vector)', kind.embedding_dimension,
                      CASE kind.embedding_distance WHEN 'cosine' THEN '<=>' WHEN 'l2' THEN '<->' ELSE '<#>' END);
    IF EXISTS (SELECT FROM jsonb_each(p_filter - 'kind' - 'state') f WHERE f.value <> 'null') THEN
        EXECUTE format('SELECT array_agg(c.id) FROM (SELECT i.id FROM public.insights i WHERE %s LIMIT $1) c',
                       vitrine.insight_condition(p_filter)) INTO passing USING few + 1;
        IF coalesce(cardinality(passing), 0) <= few THEN
            RETURN QUERY EXECUTE format(
                'SELECT e.insight_id, %s AS distance FROM unnest($3) AS c (id)
                 JOIN public.insight_embeddings e ON e.tenant = %L AND e.insight_id = c.id
                 WHERE e.kind = %L AND e.dimension = %s ORDER BY distance, e.insight_id DESC LIMIT $2',
                measure, kind.tenant, kind.name, kind.embedding_dimension) USING p_embedding, p_limit, passing;
            RETURN;
        END IF;
    END IF;
    -- IS TRUE keeps indexes for the filter out: a look into one of them for each neighbour would cost more than it saves.
    query := format('SELECT array_agg(n.id), array_agg(n.distance) FROM (
                         SELECT i.id, %1$s AS distance FROM public.insight_embeddings e
                         JOIN public.insights i ON i.tenant = e.tenant AND i.id = e.insight_id
                         WHERE e.tenant = %2$L AND e.kind = %3$L AND e.dimension = %4$s AND (%5$s) IS TRUE
                         ORDER BY %1$s %%s LIMIT $2) n',
                    measure, kind.tenant, kind.name, kind.embedding_dimension, vitrine.insight_condition(p_filter));
    PERFORM set_config('hnsw.ef_search', least(greatest(100, p_limit), 1000)::text, true);
    IF version >= 8000 THEN
        PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true);
    END IF;
    EXECUTE format(query, '') INTO ids, distances USING p_embedding, p_limit;
    IF coalesce(cardinality(ids), 0) < p_limit THEN
        -- No index sorts by a sum.
        EXECUTE format(query, '+ 0') INTO ids, distances USING p_embedding, p_limit;
    END IF;
    RETURN QUERY SELECT * FROM unnest(ids, distances) AS n (id, distance) ORDER BY n.distance, n.id DESC;
END
$$;

-- By words, by vector, or both fused by reciprocal rank (Cormack, Clarke, Büttcher 2009, with their constant 60).
CREATE FUNCTION vitrine.search_insights(p_filter jsonb, p_words text, p_embedding real[], p_limit integer)
    RETURNS TABLE (id uuid, score double precision, text_rank integer, vector_rank integer, distance double precision)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- Deep enough that what is good in both lists is found in both.
    depth integer := CASE WHEN p_words IS NULL OR p_embedding IS NULL THEN p_limit ELSE greatest(4 * p_limit, 100) END;
    by_words uuid[];
    scores double precision[];
    by_vector uuid[];
    distances double precision[];
BEGIN
    IF p_words IS NOT NULL THEN
        EXECUTE format('SELECT array_agg(n.id), array_agg(n.score) FROM (
                            SELECT i.id, ts_rank_cd(i.search, websearch_to_tsquery(''english'', %1$L))::float8 AS score
                            FROM public.insights i WHERE %2$s AND i.search @@ websearch_to_tsquery(''english'', %1$L)
                            ORDER BY score DESC, i.id DESC LIMIT %3$s) n',
                       p_words, vitrine.insight_condition(p_filter), depth) INTO by_words, scores;
    END IF;
    IF p_embedding IS NOT NULL THEN
        SELECT array_agg(n.id), array_agg(n.distance) INTO by_vector, distances
            FROM vitrine.nearest(p_filter, p_embedding, depth) n;
    END IF;
    RETURN QUERY
        SELECT coalesce(w.id, v.id),
               CASE WHEN p_embedding IS NULL THEN w.score
                    WHEN p_words IS NULL THEN 1.0 / (60 + v.place)
                    ELSE coalesce(1.0 / (60 + w.place), 0) + coalesce(1.0 / (60 + v.place), 0) END::double precision AS total,
               w.place::integer, v.place::integer, v.distance
        FROM unnest(by_words, scores) WITH ORDINALITY AS w (id, score, place)
        FULL JOIN unnest(by_vector, distances) WITH ORDINALITY AS v (id, distance, place) ON v.id = w.id
        ORDER BY total DESC, 1 DESC LIMIT p_limit;
END
$$;

CREATE FUNCTION vitrine.search_memory(p_user text, p_session text, p_words text, p_limit integer)
    RETURNS TABLE (id uuid, score double precision)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50 SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE
        'SELECT m.id, ts_rank_cd(m.search, q)::float8 AS score
         FROM public.memory m, websearch_to_tsquery(''english'', $1) q
         WHERE m.tenant = $2 AND m.search @@ q AND (m.expires_at IS NULL OR m.expires_at > now())
           AND ($3 IS NULL OR m.user_name = $3) AND ($4 IS NULL OR m.session = $4)
         ORDER BY score DESC, m.id DESC LIMIT $5'
        USING p_words, vitrine.tenant(), p_user, p_session, p_limit;
END
$$;

ALTER FUNCTION vitrine.insight_condition(jsonb) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.list_insights(jsonb, uuid, integer) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.nearest(jsonb, real[], integer) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.search_insights(jsonb, text, real[], integer) OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.search_memory(text, text, text, integer) OWNER TO vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vitrine.vector_version(), vitrine.insight_condition(jsonb) TO vitrine_app, vitrine_keeper;
GRANT EXECUTE ON FUNCTION vitrine.list_insights, vitrine.nearest, vitrine.search_insights, vitrine.search_memory
    TO vitrine_app;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;
