-- COPY ... FROM STDIN. PostgreSQL refuses it on a table with row-level security, so the SQL door copies into these views
-- instead: a trigger inserts each row into the table of the same name, as the user who copies, under all of its rules.

CREATE SCHEMA vitrine_copy;
REVOKE ALL ON SCHEMA vitrine_copy FROM PUBLIC;
GRANT USAGE ON SCHEMA vitrine_copy TO vitrine_app, vitrine_sql;

DO $views$
DECLARE
    target record;
    col record;
BEGIN
    FOR target IN
        SELECT c.oid, c.relname,
               string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS cols,
               string_agg('NEW.' || quote_ident(a.attname), ', ' ORDER BY a.attnum) AS new_cols
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace
          AND c.relname IN ('insights', 'evidence', 'documents', 'user_configuration', 'profiles', 'memory')
          AND has_column_privilege('vitrine_sql', c.oid, a.attnum, 'INSERT')
        GROUP BY c.oid, c.relname
    LOOP
        EXECUTE format('CREATE VIEW vitrine_copy.%I AS SELECT %s FROM public.%I', target.relname, target.cols, target.relname);
        FOR col IN
            SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) AS expression
            FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            WHERE d.adrelid = target.oid AND has_column_privilege('vitrine_sql', d.adrelid, d.adnum, 'INSERT')
        LOOP
            EXECUTE format('ALTER VIEW vitrine_copy.%I ALTER COLUMN %I SET DEFAULT %s', target.relname, col.attname, col.expression);
        END LOOP;
        EXECUTE format('CREATE FUNCTION vitrine_copy.into_%s() RETURNS trigger LANGUAGE plpgsql AS '
                       '$f$ BEGIN INSERT INTO public.%I (%s) VALUES (%s); RETURN NEW; END $f$',
                       target.relname, target.relname, target.cols, target.new_cols);
        EXECUTE format('CREATE TRIGGER copy INSTEAD OF INSERT ON vitrine_copy.%I FOR EACH ROW EXECUTE FUNCTION vitrine_copy.into_%s()',
                       target.relname, target.relname);
        EXECUTE format('GRANT INSERT ON vitrine_copy.%I TO vitrine_app, vitrine_sql', target.relname);
    END LOOP;
END
$views$;
