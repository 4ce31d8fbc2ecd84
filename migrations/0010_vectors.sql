-- Embeddings, where the server has pgvector. It may come later, and the right to create it too (on Azure it must stand in
-- `azure.extensions`): this never fails a migration, and runs again at each start of the gateway and by
-- `SELECT vitrine.enable_vectors()`.

-- Creates extension and table where that is possible. Answers the extension's version, or why there is none.
CREATE FUNCTION vitrine.enable_vectors(OUT enabled boolean, OUT detail text) LANGUAGE plpgsql AS $$
BEGIN
    -- Of two instances that start at once, one does it.
    PERFORM pg_advisory_xact_lock(hashtextextended('vitrine.enable_vectors', 0));
    enabled := vitrine.vector_version() > 0;
    IF NOT enabled THEN
        BEGIN
            CREATE EXTENSION IF NOT EXISTS vector SCHEMA public;
            CALL vitrine.create_embeddings();
            enabled := true;
        EXCEPTION WHEN OTHERS THEN
            detail := SQLERRM;
            RETURN;
        END;
    END IF;
    SELECT 'pgvector ' || extversion INTO detail FROM pg_catalog.pg_extension WHERE extname = 'vector';
END
$$;

CREATE PROCEDURE vitrine.create_embeddings() LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE public.insight_embeddings (
        tenant text NOT NULL DEFAULT current_setting('vitrine.tenant') CHECK (tenant <> ''),
        insight_id uuid NOT NULL,
        kind text NOT NULL,
        embedding public.vector NOT NULL,
        dimension integer NOT NULL GENERATED ALWAYS AS (public.vector_dims(embedding)) STORED,
        PRIMARY KEY (tenant, insight_id),
        FOREIGN KEY (tenant, insight_id) REFERENCES public.insights (tenant, id) ON DELETE CASCADE
    );
    CREATE INDEX insight_embeddings_by_kind ON public.insight_embeddings (tenant, kind);
    -- Vectors do not compress.
    ALTER TABLE public.insight_embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;
    CREATE TRIGGER check_inserts AFTER INSERT ON public.insight_embeddings
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION vitrine.keep_embeddings();
    CREATE TRIGGER check_updates AFTER UPDATE ON public.insight_embeddings
        REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION vitrine.keep_embeddings();
    CALL vitrine.isolate('public.insight_embeddings');
    GRANT SELECT ON public.insight_embeddings TO vitrine_app, vitrine_sql;
    GRANT INSERT (tenant, insight_id, kind, embedding), UPDATE (embedding), DELETE
        ON public.insight_embeddings TO vitrine_app, vitrine_sql;
END
$$;

-- An embedding has its insight's kind and that kind's dimension.
CREATE FUNCTION vitrine.keep_embeddings() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT n.kind, n.dimension, k.embedding_dimension AS wanted INTO wrong
        FROM new_rows n JOIN public.insights i ON i.tenant = n.tenant AND i.id = n.insight_id
        JOIN public.kinds k ON k.tenant = i.tenant AND k.name = i.kind
        WHERE n.kind <> i.kind OR n.dimension IS DISTINCT FROM k.embedding_dimension LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'kind "%" has embeddings of % dimensions, not of %', wrong.kind, coalesce(wrong.wanted, 0), wrong.dimension
            USING ERRCODE = 'VT422';
    END IF;
    RETURN NULL;
END
$$;

-- Before: the embeddings of a kind do not change their space under the insights that have some.
CREATE FUNCTION vitrine.keep_embedding_space() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Two statements: the second one's table is not there without pgvector.
    IF vitrine.vector_version() > 0 THEN
        IF EXISTS (SELECT FROM public.insight_embeddings e WHERE e.tenant = OLD.tenant AND e.kind = OLD.name) THEN
            RAISE EXCEPTION 'insights of kind "%" have embeddings of % dimensions', OLD.name, OLD.embedding_dimension
                USING ERRCODE = 'VT409';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER keep_embedding_space BEFORE UPDATE ON public.kinds FOR EACH ROW
    WHEN (OLD.embedding_dimension IS DISTINCT FROM NEW.embedding_dimension)
    EXECUTE FUNCTION vitrine.keep_embedding_space();

-- Makes the HNSW indexes that are missing: one for each kind's name, dimension and distance, whatever the tenants.
-- Answers how many. Runs as the owner of the tables, who alone may; takes nothing from its caller.
CREATE FUNCTION vitrine.index_embeddings() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted record;
    made integer := 0;
BEGIN
    IF vitrine.vector_version() < 5000 THEN
        RETURN 0;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('vitrine.index_embeddings', 0));
    FOR wanted IN
        SELECT DISTINCT k.name, k.embedding_dimension AS dimension, k.embedding_distance AS distance,
               format('embeddings_%s', left(md5(format('%s %s %s', k.name, k.embedding_dimension, k.embedding_distance)), 16)) AS index
        FROM public.kinds k WHERE k.embedding_dimension IS NOT NULL
    LOOP
        CONTINUE WHEN to_regclass('public.' || wanted.index) IS NOT NULL;
        EXECUTE format('CREATE INDEX %I ON public.insight_embeddings
                        USING hnsw ((embedding::public.vector(%s)) public.vector_%s_ops) WHERE kind = %L AND dimension = %2$s',
                       wanted.index, wanted.dimension,
                       CASE wanted.distance WHEN 'cosine' THEN 'cosine' WHEN 'l2' THEN 'l2' ELSE 'ip' END, wanted.name);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;
ALTER FUNCTION vitrine.keep_embeddings() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.keep_embedding_space() OWNER TO vitrine_keeper;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vitrine.index_embeddings TO vitrine_app;
SELECT vitrine.enable_vectors();
