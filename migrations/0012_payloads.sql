-- What comes by SQL fits its kind too. The API checks payloads before it writes; for everybody else the database does,
-- with the keywords of JSON Schema (draft 2020-12) below. A kind whose schema says more is written by the API alone, and
-- its column `http_only` says why.

GRANT CREATE ON SCHEMA vitrine TO vitrine_keeper;

-- A `pattern` as PostgreSQL writes it; NULL where the two might not mean the same. What is taken: characters, escaped
-- punctuation, `.`, `\d`, `\w`, brackets of characters and ranges, groups, `|`, `^`, `$`, `?`, `*`, `+`, `{m,n}`.
CREATE FUNCTION vitrine.regex_of(p text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    bracket CONSTANT text := '\[\^?(?:[A-Za-z0-9]-[A-Za-z0-9]|[^][\\^&~-]|\\[][\\^$.|?*+(){}/-])+-?\]';
    atom CONSTANT text := '[^][\\^$.|?*+(){}]|\\[][\\^$.|?*+(){}/-]|\\d|\\w|\.|' || bracket;
    token CONSTANT text := '(?:(?:' || atom || '|\))(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})?|\(\?:|\(|\||\^|\$)';
    translated text;
BEGIN
    IF p COLLATE "C" !~ ('^' || token || '*$') OR length(p) > 1000 THEN
        RETURN NULL;
    END IF;
    SELECT string_agg(
               CASE WHEN t.part[1] LIKE '\\d%' THEN '[0-9]' || substr(t.part[1], 3)
                    WHEN t.part[1] LIKE '\\w%' THEN '[A-Za-z0-9_]' || substr(t.part[1], 3)
                    WHEN t.part[1] LIKE '.%' THEN '[^' || chr(10) || ']' || substr(t.part[1], 2)
                    ELSE t.part[1] END, '' ORDER BY t.place)
        INTO translated FROM regexp_matches(p COLLATE "C", token, 'g') WITH ORDINALITY AS t (part, place);
    RETURN coalesce(translated, '');
END
$$;

-- Whether PostgreSQL can compile a `pattern`.
CREATE FUNCTION vitrine.takes_pattern(p text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN ('' ~ vitrine.regex_of(p)) IS NOT NULL;
EXCEPTION WHEN data_exception THEN
    RETURN false;
END
$$;

-- What of a schema the database cannot check, and where; NULL where it can check all of it. `root` is the whole schema.
CREATE FUNCTION vitrine.beyond_sql(root jsonb, s jsonb, at text DEFAULT '') RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    word record;
    below record;
    found text;
BEGIN
    IF jsonb_typeof(s) <> 'object' THEN
        RETURN NULL;
    END IF;
    FOR word IN SELECT * FROM jsonb_each(s) LOOP
        CASE
            WHEN word.key IN ('type', 'enum', 'const', 'minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum',
                              'minLength', 'maxLength', 'minItems', 'maxItems', 'uniqueItems', 'minContains', 'maxContains',
                              'required', 'minProperties', 'maxProperties', 'dependentRequired', 'title', 'description',
                              'default', 'examples', 'deprecated', 'readOnly', 'writeOnly', '$comment', 'format') THEN
                found := NULL;
            WHEN word.key IN ('items', 'contains', 'additionalProperties', 'propertyNames', 'not', 'if', 'then', 'else') THEN
                found := vitrine.beyond_sql(root, word.value, at || '/' || word.key);
            WHEN word.key IN ('allOf', 'anyOf', 'oneOf', 'prefixItems') THEN
                FOR below IN SELECT * FROM jsonb_array_elements(word.value) WITH ORDINALITY AS e (value, place) LOOP
                    found := coalesce(found, vitrine.beyond_sql(root, below.value, format('%s/%s/%s', at, word.key, below.place - 1)));
                END LOOP;
            WHEN word.key IN ('properties', 'patternProperties', 'dependentSchemas', '$defs', 'definitions') THEN
                FOR below IN SELECT * FROM jsonb_each(word.value) LOOP
                    IF word.key = 'patternProperties' AND NOT vitrine.takes_pattern(below.key) THEN
                        RETURN format('the pattern "%s" at "%s/%s"', below.key, at, word.key);
                    END IF;
                    found := coalesce(found, vitrine.beyond_sql(root, below.value, format('%s/%s/%s', at, word.key, below.key)));
                END LOOP;
            WHEN word.key = 'pattern' THEN
                IF NOT vitrine.takes_pattern(word.value #>> '{}') THEN
                    found := format('the pattern "%s" at "%s"', word.value #>> '{}', at);
                END IF;
            WHEN word.key = 'multipleOf' THEN
                -- The API divides in binary, the database in decimal: the same where both are exact.
                IF (word.value #>> '{}')::numeric NOT BETWEEN 1 AND 9007199254740992
                   OR (word.value #>> '{}')::numeric <> trunc((word.value #>> '{}')::numeric) THEN
                    found := format('"multipleOf" of %s at "%s"', word.value, at);
                END IF;
            WHEN word.key = '$ref' THEN
                IF word.value #>> '{}' !~ '^#(/(\$defs|definitions)/[^/%~]+)?$'
                   OR root #> string_to_array(substr(word.value #>> '{}', 3), '/') IS NULL THEN
                    found := format('the reference %s at "%s"', word.value, at);
                END IF;
            WHEN word.key = '$schema' THEN
                IF at <> '' OR word.value #>> '{}' !~ '^https://json-schema.org/draft/2020-12/schema#?$' THEN
                    found := format('"$schema" %s at "%s"', word.value, at);
                END IF;
            ELSE
                found := format('"%s" at "%s"', word.key, at);
        END CASE;
        IF found IS NOT NULL THEN
            RETURN found;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

-- Where a value does not fit and why, as `/pointer: reason`; NULL where it fits. `root` is what references start from.
CREATE FUNCTION vitrine.unfit(root jsonb, s jsonb, v jsonb, at text, depth integer) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    is_a CONSTANT text := jsonb_typeof(v);
    here CONSTANT text := '"' || at || '"';
    types jsonb;
    wrong text;
    fitting integer := 0;
    one record;
BEGIN
    IF s = 'true' OR s = '{}' THEN
        RETURN NULL;
    ELSIF s = 'false' THEN
        RETURN here || ': nothing is allowed here';
    ELSIF s IS NULL THEN
        RAISE EXCEPTION 'a reference of the schema leads nowhere' USING ERRCODE = 'data_exception';
    ELSIF depth > 200 THEN
        RAISE EXCEPTION 'a payload or its schema is nested too deep' USING ERRCODE = 'statement_too_complex';
    END IF;
    IF s ? 'type' THEN
        types := CASE jsonb_typeof(s -> 'type') WHEN 'array' THEN s -> 'type' ELSE jsonb_build_array(s -> 'type') END;
        IF NOT (types ? is_a OR is_a = 'number' AND types ? 'integer' AND v::numeric = trunc(v::numeric)) THEN
            RETURN format('%s: is not of type %s', here, s -> 'type');
        END IF;
    END IF;
    IF s ? 'enum' AND NOT EXISTS (SELECT FROM jsonb_array_elements(s -> 'enum') e (value) WHERE e.value = v) THEN
        RETURN format('%s: is not one of %s', here, s -> 'enum');
    ELSIF s ? 'const' AND s -> 'const' <> v THEN
        RETURN format('%s: is not %s', here, s -> 'const');
    END IF;
    wrong := CASE is_a
        WHEN 'number' THEN vitrine.unfit_number(s, v::numeric)
        WHEN 'string' THEN vitrine.unfit_text(s, v #>> '{}')
        ELSE NULL END;
    IF wrong IS NOT NULL THEN
        RETURN here || ': ' || wrong;
    ELSIF is_a = 'object' THEN
        wrong := vitrine.unfit_object(root, s, v, at, depth);
    ELSIF is_a = 'array' THEN
        wrong := vitrine.unfit_array(root, s, v, at, depth);
    END IF;
    IF wrong IS NOT NULL THEN
        RETURN wrong;
    END IF;
    IF s ? '$ref' THEN
        wrong := vitrine.unfit(root, root #> string_to_array(substr(s ->> '$ref', 3), '/'), v, at, depth + 1);
        IF wrong IS NOT NULL THEN
            RETURN wrong;
        END IF;
    END IF;
    IF s ? 'allOf' THEN
        FOR one IN SELECT e.value FROM jsonb_array_elements(s -> 'allOf') e (value) LOOP
            wrong := vitrine.unfit(root, one.value, v, at, depth + 1);
            IF wrong IS NOT NULL THEN
                RETURN wrong;
            END IF;
        END LOOP;
    END IF;
    IF s ? 'anyOf' AND NOT EXISTS (SELECT FROM jsonb_array_elements(s -> 'anyOf') e (value)
                                   WHERE vitrine.unfit(root, e.value, v, at, depth + 1) IS NULL) THEN
        RETURN here || ': fits none of "anyOf"';
    END IF;
    IF s ? 'oneOf' THEN
        SELECT count(*) INTO fitting FROM jsonb_array_elements(s -> 'oneOf') e (value)
            WHERE vitrine.unfit(root, e.value, v, at, depth + 1) IS NULL;
        IF fitting <> 1 THEN
            RETURN format('%s: fits %s of "oneOf"', here, fitting);
        END IF;
    END IF;
    IF s ? 'not' AND vitrine.unfit(root, s -> 'not', v, at, depth + 1) IS NULL THEN
        RETURN here || ': fits "not"';
    END IF;
    IF s ? 'if' THEN
        RETURN vitrine.unfit(root, coalesce(s -> CASE WHEN vitrine.unfit(root, s -> 'if', v, at, depth + 1) IS NULL
                                                      THEN 'then' ELSE 'else' END, 'true'), v, at, depth + 1);
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION vitrine.unfit_number(s jsonb, v numeric) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF v < (s ->> 'minimum')::numeric THEN
        RETURN 'is less than ' || (s ->> 'minimum');
    ELSIF v > (s ->> 'maximum')::numeric THEN
        RETURN 'is more than ' || (s ->> 'maximum');
    ELSIF v <= (s ->> 'exclusiveMinimum')::numeric THEN
        RETURN 'is not more than ' || (s ->> 'exclusiveMinimum');
    ELSIF v >= (s ->> 'exclusiveMaximum')::numeric THEN
        RETURN 'is not less than ' || (s ->> 'exclusiveMaximum');
    ELSIF v % (s ->> 'multipleOf')::numeric <> 0 THEN
        RETURN 'is no multiple of ' || (s ->> 'multipleOf');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION vitrine.unfit_text(s jsonb, v text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF length(v) < (s ->> 'minLength')::numeric THEN
        RETURN format('is shorter than %s characters', s ->> 'minLength');
    ELSIF length(v) > (s ->> 'maxLength')::numeric THEN
        RETURN format('is longer than %s characters', s ->> 'maxLength');
    ELSIF v COLLATE "C" !~ vitrine.regex_of(s ->> 'pattern') THEN
        RETURN format('does not match "%s"', s ->> 'pattern');
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION vitrine.unfit_object(root jsonb, s jsonb, v jsonb, at text, depth integer) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    here CONSTANT text := '"' || at || '"';
    size integer;
    one record;
    pattern record;
    known boolean;
    below text;
    wrong text;
    lacking text;
BEGIN
    SELECT r.name INTO lacking FROM jsonb_array_elements_text(s -> 'required') r (name) WHERE NOT v ? r.name LIMIT 1;
    IF lacking IS NOT NULL THEN
        RETURN format('%s: "%s" is a required property', here, lacking);
    END IF;
    IF s ?| ARRAY['minProperties', 'maxProperties'] THEN
        SELECT count(*) INTO size FROM jsonb_object_keys(v);
        IF size < (s ->> 'minProperties')::numeric OR size > (s ->> 'maxProperties')::numeric THEN
            RETURN format('%s: has %s properties', here, size);
        END IF;
    END IF;
    IF NOT s ?| ARRAY['properties', 'patternProperties', 'additionalProperties', 'propertyNames', 'dependentRequired',
                      'dependentSchemas'] THEN
        RETURN NULL;
    END IF;
    FOR one IN SELECT * FROM jsonb_each(v) LOOP
        below := at || '/' || replace(replace(one.key, '~', '~0'), '/', '~1');
        known := coalesce(s -> 'properties' ? one.key, false);
        wrong := CASE WHEN known THEN vitrine.unfit(root, s -> 'properties' -> one.key, one.value, below, depth + 1) END;
        IF wrong IS NULL AND s ? 'patternProperties' THEN
            FOR pattern IN SELECT * FROM jsonb_each(s -> 'patternProperties') LOOP
                IF one.key COLLATE "C" ~ vitrine.regex_of(pattern.key) THEN
                    known := true;
                    wrong := coalesce(wrong, vitrine.unfit(root, pattern.value, one.value, below, depth + 1));
                END IF;
            END LOOP;
        END IF;
        IF wrong IS NULL AND NOT known AND s ? 'additionalProperties' THEN
            wrong := vitrine.unfit(root, s -> 'additionalProperties', one.value, below, depth + 1);
        END IF;
        IF wrong IS NULL AND s ? 'propertyNames' THEN
            wrong := vitrine.unfit(root, s -> 'propertyNames', to_jsonb(one.key), below, depth + 1);
        END IF;
        IF wrong IS NULL AND s -> 'dependentSchemas' ? one.key THEN
            wrong := vitrine.unfit(root, s -> 'dependentSchemas' -> one.key, v, at, depth + 1);
        END IF;
        IF wrong IS NULL AND s -> 'dependentRequired' ? one.key THEN
            SELECT format('%s: "%s" is required beside "%s"', here, r.name, one.key) INTO wrong
                FROM jsonb_array_elements_text(s -> 'dependentRequired' -> one.key) r (name) WHERE NOT v ? r.name LIMIT 1;
        END IF;
        IF wrong IS NOT NULL THEN
            RETURN wrong;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;

CREATE FUNCTION vitrine.unfit_array(root jsonb, s jsonb, v jsonb, at text, depth integer) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    here CONSTANT text := '"' || at || '"';
    size CONSTANT integer := jsonb_array_length(v);
    before CONSTANT integer := coalesce(jsonb_array_length(s -> 'prefixItems'), 0);
    one record;
    wrong text;
    fitting integer;
BEGIN
    IF size < (s ->> 'minItems')::numeric OR size > (s ->> 'maxItems')::numeric THEN
        RETURN format('%s: has %s items', here, size);
    ELSIF s -> 'uniqueItems' = 'true' AND size <> (SELECT count(DISTINCT e.value) FROM jsonb_array_elements(v) e (value)) THEN
        RETURN here || ': has an item twice';
    END IF;
    IF s ?| ARRAY['prefixItems', 'items'] THEN
        FOR one IN SELECT e.value, e.place - 1 AS place FROM jsonb_array_elements(v) WITH ORDINALITY AS e (value, place) LOOP
            wrong := vitrine.unfit(root, coalesce(CASE WHEN one.place < before THEN s -> 'prefixItems' -> one.place::integer
                                                       ELSE s -> 'items' END, 'true'),
                                   one.value, at || '/' || one.place, depth + 1);
            IF wrong IS NOT NULL THEN
                RETURN wrong;
            END IF;
        END LOOP;
    END IF;
    IF s ? 'contains' THEN
        SELECT count(*) INTO fitting FROM jsonb_array_elements(v) e (value)
            WHERE vitrine.unfit(root, s -> 'contains', e.value, at, depth + 1) IS NULL;
        IF fitting < coalesce((s ->> 'minContains')::numeric, 1) OR fitting > (s ->> 'maxContains')::numeric THEN
            RETURN format('%s: has %s items that fit "contains"', here, fitting);
        END IF;
    END IF;
    RETURN NULL;
END
$$;

ALTER TABLE public.kinds ADD COLUMN http_only text;
ALTER TABLE public.kinds DISABLE TRIGGER USER;
UPDATE public.kinds SET http_only = vitrine.beyond_sql(schema, schema);
ALTER TABLE public.kinds ENABLE TRIGGER USER;

CREATE FUNCTION vitrine.judge_schema() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.http_only := vitrine.beyond_sql(NEW.schema, NEW.schema);
    RETURN NEW;
EXCEPTION WHEN data_exception OR statement_too_complex THEN
    -- The API compiles schemas before they come here; what the owner writes by hand may be anything.
    NEW.http_only := 'a schema that is not valid';
    RETURN NEW;
END
$$;
CREATE TRIGGER judge_schema BEFORE INSERT OR UPDATE ON public.kinds
    FOR EACH ROW EXECUTE FUNCTION vitrine.judge_schema();

-- After, whoever writes but the API.
CREATE FUNCTION vitrine.check_payloads() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong record;
BEGIN
    SELECT n.kind, k.http_only, n.unfit INTO wrong
        FROM public.kinds k,
             LATERAL (SELECT r.kind, CASE WHEN k.http_only IS NULL THEN vitrine.unfit(k.schema, k.schema, r.payload, '', 0) END AS unfit
                      FROM new_rows r WHERE r.tenant = k.tenant AND r.kind = k.name OFFSET 0) n
        WHERE (k.tenant, k.name) IN (SELECT r.tenant, r.kind FROM new_rows r)
          AND (k.http_only IS NOT NULL OR n.unfit IS NOT NULL) LIMIT 1;
    IF wrong.http_only IS NOT NULL THEN
        RAISE EXCEPTION 'insights of kind "%" are written over HTTP only', wrong.kind
            USING ERRCODE = 'feature_not_supported',
                  DETAIL = format('Its schema has %s, which the database does not check.', wrong.http_only),
                  HINT = 'Use POST /v1/insights, or POST /v1/insights/bulk.';
    ELSIF wrong.unfit IS NOT NULL THEN
        RAISE EXCEPTION 'the payload does not fit kind "%"', wrong.kind
            USING ERRCODE = 'check_violation', CONSTRAINT = 'insights_payload', TABLE = 'insights', COLUMN = 'payload',
                  DETAIL = 'At ' || wrong.unfit || '.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER check_payloads AFTER INSERT ON public.insights
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
    WHEN (current_user <> 'vitrine_app') EXECUTE FUNCTION vitrine.check_payloads();

ALTER FUNCTION vitrine.judge_schema() OWNER TO vitrine_keeper;
ALTER FUNCTION vitrine.check_payloads() OWNER TO vitrine_keeper;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA vitrine FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vitrine.regex_of, vitrine.takes_pattern, vitrine.beyond_sql, vitrine.unfit, vitrine.unfit_number,
    vitrine.unfit_text, vitrine.unfit_object, vitrine.unfit_array TO vitrine_keeper;
REVOKE CREATE ON SCHEMA vitrine FROM vitrine_keeper;
