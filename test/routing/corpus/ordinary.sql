-- numbers, text, dates
SELECT 1 + 2 * 3 - 4 / 2 % 3, 2 ^ 10, |/ 25, @ -5, 5 & 3, 5 | 3, 5 # 3, ~ 5, 1 << 4, 16 >> 2
SELECT round(2.567, 2), trunc(2.567, 1), ceil(1.2), floor(1.8), sqrt(2), exp(1), ln(2), log(100), power(2, 3), mod(7, 3), gcd(12, 18), lcm(4, 6)
SELECT div(7, 2), sign(-3), abs(-3.5), factorial(5), width_bucket(5, 0, 10, 5), numeric '1e10' * 3, 'NaN'::numeric, 'infinity'::float8
SELECT degrees(pi()), sin(0), cos(0), atan2(1, 1), cbrt(27), scale(1.230), min_scale(1.230), trim_scale(1.230)
SELECT 1::int2, 2::int8, 3::float4, 4::real, 5::double precision, 6::decimal(5,2), '0x1F'::text, 1_000 + 0b11 + 0xff + 0o17
SELECT lower('ABC'), initcap('ab cd'), length('abc'), char_length('abc'), octet_length('abc'), bit_length('a'), reverse('abc'), repeat('a', 3)
SELECT substring('abcdef' from 2 for 3), substring('abc123' from '[0-9]+'), overlay('abcdef' placing 'X' from 2 for 3), position('c' in 'abc'), trim(both 'x' from 'xax')
SELECT lpad('a', 3, 'x'), rpad('a', 3), ltrim(' a'), rtrim('a '), btrim('xax', 'x'), left('abc', 2), right('abc', 2), split_part('a,b', ',', 2), strpos('abc', 'c')
SELECT replace('abc', 'b', 'x'), translate('abc', 'ab', 'xy'), concat('a', 1, NULL), concat_ws(',', 'a', 'b'), format('%s %I %L', 1, 'a b', 'c'), quote_ident('a b'), quote_literal('x'), quote_nullable(NULL)
SELECT md5('a'), sha256('a'), encode('abc', 'hex'), decode('616263', 'hex'), ascii('a'), chr(97), to_hex(255), convert_from('abc', 'UTF8'), 'abc'::bytea || 'def'::bytea
SELECT 'abc' LIKE 'a%', 'abc' ILIKE 'A%', 'abc' SIMILAR TO 'a(b|c)*', 'abc' ~ '^a', 'abc' !~* 'X', 'abc' NOT LIKE '_x' ESCAPE '!'
SELECT regexp_match('foobar', '(o+)(b)'), regexp_matches('foobarfoo', 'fo+', 'g'), regexp_replace('abc', 'b', 'x'), regexp_split_to_array('a,b', ','), regexp_split_to_table('a b', ' ')
SELECT string_to_array('a,b', ','), array_to_string(ARRAY[1,2], ','), string_to_table('a,b', ','), starts_with('abc', 'a'), 'abc' ^@ 'a', unistr('\0061'), normalize('a', NFC), 'a' IS NORMALIZED
SELECT date '2024-02-29' + 1, date '2024-02-29' + interval '1 year', timestamp '2024-01-01 10:00' - timestamp '2023-01-01', time '10:00' + interval '2 hours', age(timestamp '2024-01-01', timestamp '2020-01-01')
SELECT extract(year from date '2024-02-29'), date_part('dow', date '2024-02-29'), date_trunc('month', timestamp '2024-02-29 10:00'), date_bin('15 min', timestamp '2024-01-01 10:07', timestamp '2024-01-01'), make_date(2024, 1, 2), make_interval(days => 3)
SELECT timestamptz '2024-01-01 00:00+00' AT TIME ZONE 'Asia/Tokyo', timezone('UTC', timestamptz '2024-01-01 00:00+02'), to_char(timestamp '2024-01-01', 'YYYY-MM-DD'), to_date('2024', 'YYYY'), to_timestamp(0), justify_days('35 days'), isfinite(date 'infinity')
SELECT (date '2024-01-01', date '2024-02-01') OVERLAPS (date '2024-01-15', date '2024-03-01'), to_number('1,234', '9,999'), to_char(1234.5, '9G999D9'), interval '1 day 2 hours' * 2, 'today'::date IS NULL
SELECT current_date > '2000-01-01', now() > 'epoch', localtimestamp IS NOT NULL, current_time IS NOT NULL, clock_timestamp() > now() - interval '1 day'
SELECT B'1010' & B'0110', bit_count(B'111'), get_bit('a'::bytea, 0), set_byte('abc'::bytea, 0, 65), 'a'::char(3) || 'b', 'x'::name, '(1,2)'::point, 'f'::boolean, '12:00'::timetz, '$1.50'::money * 2
SELECT uuid '00000000-0000-0000-0000-000000000001', macaddr '08:00:2b:01:02:03', inet '192.168.1.5/24', network(inet '192.168.1.5/24'), inet '10.0.0.1' << inet '10.0.0.0/8', host('10.0.0.1'), masklen('10.0.0.0/8'), cidr '10.0.0.0/8'
-- conditions and expressions
SELECT CASE WHEN age > 40 THEN 'old' ELSE 'young' END, CASE age % 2 WHEN 0 THEN 'even' ELSE 'odd' END FROM users ORDER BY id
SELECT id FROM users WHERE age BETWEEN 20 AND 30 AND name IS NOT NULL OR NOT active ORDER BY id
SELECT id FROM users WHERE age NOT BETWEEN SYMMETRIC 50 AND 20 ORDER BY id
SELECT id FROM users WHERE (id, name) IN (VALUES (1, 'user 1'), (2, 'nobody'))
SELECT id FROM users WHERE id IN (1, 2, 3) AND id NOT IN (3) ORDER BY id
SELECT id FROM users WHERE id = ANY ('{1,2}') AND name <> ALL (ARRAY['x']) ORDER BY id
SELECT id FROM users WHERE (id, age) > (5, 25) ORDER BY id
SELECT id FROM users WHERE active IS TRUE AND data IS DISTINCT FROM NULL AND (id = 1) IS NOT UNKNOWN ORDER BY id
SELECT NULLIF(1, 2), COALESCE(NULL, 3), GREATEST(1, 2, 3), LEAST(1, 2), num_nulls(1, NULL), num_nonnulls(1, NULL)
SELECT ROW(1, 'a') = ROW(1, 'a'), ROW(1, NULL) IS NULL, (u.*) IS NOT NULL FROM users u WHERE id = 1
SELECT u FROM users u WHERE id = 1
SELECT u.*, u.ctid IS NOT NULL, tableoid::regclass FROM users u WHERE id = 1
SELECT name COLLATE "C" FROM users ORDER BY name COLLATE "C" LIMIT 3
SELECT collation for ('a'), pg_typeof(now())
-- joins, subqueries, sets
SELECT u.name, o.total FROM users u JOIN orders o ON o.user_id = u.id ORDER BY o.id LIMIT 5
SELECT u.name, count(o.id) FROM users u LEFT JOIN orders o ON o.user_id = u.id GROUP BY u.name ORDER BY 1
SELECT count(*) FROM users u FULL JOIN orders o ON o.user_id = u.id
SELECT count(*) FROM users u RIGHT JOIN orders o ON o.user_id = u.id
SELECT count(*) FROM users CROSS JOIN tree
SELECT count(*) FROM users NATURAL JOIN touchable
SELECT count(*) FROM users JOIN tree USING (id)
SELECT j.id FROM (users JOIN tree USING (id)) AS j ORDER BY 1
SELECT u.id, x.n FROM users u CROSS JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.user_id = u.id) x ORDER BY 1
SELECT u.id, t FROM users u, unnest(u.tags) AS t ORDER BY 1, 2
SELECT u.id, t.tag, t.nr FROM users u, unnest(u.tags) WITH ORDINALITY AS t(tag, nr) ORDER BY 1, 3
SELECT * FROM generate_series(1, 5) AS g(i)
SELECT * FROM generate_series(timestamp '2024-01-01', timestamp '2024-01-03', '1 day') AS g
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) WITH ORDINALITY AS x(a, b, o)
SELECT generate_series(1, 3), unnest(ARRAY[4, 5])
SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v(id, label)
SELECT id FROM users WHERE EXISTS (SELECT 1 FROM orders WHERE user_id = users.id AND total > 100) ORDER BY id
SELECT id, (SELECT max(total) FROM orders WHERE user_id = users.id) FROM users ORDER BY id
SELECT id FROM users WHERE age > (SELECT avg(age) FROM users) ORDER BY id
SELECT id FROM users WHERE age >= ALL (SELECT age FROM users)
SELECT id FROM users UNION SELECT id FROM tree ORDER BY 1
SELECT id FROM users INTERSECT SELECT id FROM tree ORDER BY 1
SELECT id FROM users EXCEPT ALL SELECT id FROM tree ORDER BY 1 LIMIT 5 OFFSET 2
WITH x AS (SELECT * FROM users WHERE active), y AS NOT MATERIALIZED (SELECT * FROM x) SELECT count(*) FROM y
WITH RECURSIVE t AS (SELECT id, label, 1 AS depth FROM tree WHERE parent IS NULL UNION ALL SELECT c.id, c.label, t.depth + 1 FROM tree c JOIN t ON c.parent = t.id) SELECT * FROM t ORDER BY id
WITH RECURSIVE t(id, parent) AS (SELECT id, parent FROM tree UNION SELECT c.id, c.parent FROM tree c, t WHERE c.parent = t.id) SEARCH DEPTH FIRST BY id SET o SELECT id FROM t ORDER BY o
WITH RECURSIVE t(id) AS (SELECT 1 UNION ALL SELECT c.id FROM tree c JOIN t ON c.parent = t.id) CYCLE id SET looped USING trail SELECT id, looped FROM t
SELECT * FROM users TABLESAMPLE SYSTEM (100) REPEATABLE (3) ORDER BY id LIMIT 2
-- aggregates, windows, grouping
SELECT count(*), count(DISTINCT age), sum(balance), avg(age), min(joined), max(name), stddev(age), variance(age), bool_and(active), every(active), bit_or(id) FROM users
SELECT array_agg(id ORDER BY id DESC), string_agg(name, ',' ORDER BY name), jsonb_agg(id ORDER BY id), json_object_agg(id, name ORDER BY id), xmlagg(xmlelement(name x, id) ORDER BY id) FROM users WHERE id < 4
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY age), percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY age), mode() WITHIN GROUP (ORDER BY age), rank(30) WITHIN GROUP (ORDER BY age) FROM users
SELECT corr(age, u.id), regr_slope(age, u.id), covar_pop(age, u.id), count(*) FILTER (WHERE active), range_agg(numbers) FROM users u, spans
SELECT any_value(1), active, count(*) FROM users GROUP BY active HAVING count(*) > 1 ORDER BY active
SELECT age % 3, active, count(*), grouping(age % 3, active) FROM users GROUP BY GROUPING SETS ((1), (2), ()) ORDER BY 1, 2, 3
SELECT age % 3 AS a, active, count(*) FROM users GROUP BY ROLLUP (1, 2) ORDER BY 1, 2, 3
SELECT age % 3 AS a, active, count(*) FROM users GROUP BY CUBE (1, 2) ORDER BY 1, 2, 3
SELECT active, count(*) FROM users GROUP BY DISTINCT ROLLUP (active), ROLLUP (active) ORDER BY 1, 2
SELECT id, row_number() OVER (ORDER BY id), rank() OVER (ORDER BY age), dense_rank() OVER w, percent_rank() OVER w, ntile(4) OVER w FROM users WINDOW w AS (ORDER BY age, id) ORDER BY id
SELECT id, lag(id, 1, 0) OVER w, lead(id) OVER w, first_value(id) OVER w, last_value(id) OVER w, nth_value(id, 2) OVER w FROM users WINDOW w AS (PARTITION BY active ORDER BY id) ORDER BY id
SELECT id, sum(age) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW), avg(age) OVER (ORDER BY joined RANGE BETWEEN '10 days' PRECEDING AND CURRENT ROW), count(*) OVER (ORDER BY age GROUPS UNBOUNDED PRECEDING) FROM users ORDER BY id
SELECT DISTINCT active FROM users ORDER BY 1
SELECT DISTINCT ON (active) active, id FROM users ORDER BY active, id
SELECT active, id FROM users ORDER BY active USING >, id DESC NULLS LAST
-- arrays, json, ranges, geometry, text search, xml
SELECT ARRAY[1,2,3] || 4, ARRAY[[1,2],[3,4]], (ARRAY[1,2,3])[2:3], array_length(ARRAY[1,2], 1), cardinality(ARRAY[1,2]), array_dims(ARRAY[[1],[2]]), ARRAY[1,2] @> ARRAY[1], ARRAY[1] && ARRAY[2]
SELECT array_append(ARRAY[1], 2), array_prepend(0, ARRAY[1]), array_cat(ARRAY[1], ARRAY[2]), array_remove(ARRAY[1,2], 1), array_replace(ARRAY[1,2], 1, 3), array_position(ARRAY['a','b'], 'b'), array_fill(1, ARRAY[2]), trim_array(ARRAY[1,2,3], 1), unnest(ARRAY[1,2])
SELECT '{1,2}'::int[] = ARRAY[1,2], tags[1], tags[1:2], 'a' = ANY (tags) FROM users WHERE id < 4 ORDER BY id
SELECT data -> 'n', data ->> 'n', data #> '{list,0}', data #>> '{list,1}', data @> '{"n":1}', data ? 'n', data ?| ARRAY['a','n'], data - 'n', data || '{"x":1}', data #- '{list,0}' FROM users WHERE id = 1
SELECT jsonb_set(data, '{n}', '5'), jsonb_insert('[1]', '{0}', '2'), jsonb_pretty('{"a":1}'), jsonb_typeof(data), jsonb_array_length(data -> 'list'), jsonb_strip_nulls('{"a":null}'), data['n'], data['list'][0] FROM users WHERE id = 1
SELECT * FROM jsonb_each('{"a":1}'), jsonb_array_elements('[1,2]') AS e, jsonb_object_keys('{"k":1}') AS k
SELECT jsonb_path_query('{"a":[1,2,3]}', '$.a[*] ? (@ > 1)'), '{"a":1}'::jsonb @? '$.a', '{"a":1}'::jsonb @@ '$.a == 1', jsonb_path_exists('{"a":1}', '$.a')
SELECT json_build_object('a', 1, 'b', ARRAY[1]), json_build_array(1, 'x'), to_json('a'::text), row_to_json(u), to_jsonb(u), json_object('{a,1}') FROM users u WHERE id = 1
SELECT json_object('a' VALUE 1), json_array(1, 2), json_array(SELECT id FROM tree ORDER BY id), '{"a":1}' IS JSON OBJECT, json_objectagg(label : id) IS NOT NULL, json_arrayagg(id ORDER BY id) FROM tree
SELECT json_value('{"a":1}', '$.a' RETURNING int), json_query('{"a":[1]}', '$.a'), json_exists('{"a":1}', '$.a')
SELECT * FROM json_table('[{"a":1},{"a":2}]', '$[*]' COLUMNS (a int PATH '$.a', n FOR ORDINALITY)) AS t
SELECT numbers, lower(numbers), upper(numbers), isempty(numbers), numbers @> 3, numbers && int4range(3, 6), numbers * int4range(3, 6), many FROM spans ORDER BY id
SELECT tstzrange(now(), NULL) @> now(), daterange('2024-01-01', '2024-02-01', '[]'), int4multirange(int4range(1, 3)), range_merge(int4range(1, 2), int4range(5, 6)), unnest(many) FROM spans WHERE id = 1
SELECT p <-> point(0, 0), b @> p, c && circle(p, 1), area(b), center(c), length(pth), npoints(poly), diameter(c), p << point(9, 9), l ?# lseg '[(0,1),(1,0)]' FROM shapes, (SELECT point(1,1) AS q) x WHERE false
SELECT id FROM shapes WHERE p <@ box(point(0, 0), point(3, 3)) ORDER BY p <-> point(0, 0)
SELECT @@ box '((0,0),(2,2))', box '((0,0),(1,1))' # box '((0.5,0.5),(2,2))', point '(1,1)' + point '(2,2)', # path '((0,0),(1,1))', polygon(box '((0,0),(1,1))'), slope(point(0,0), point(1,1))
SELECT id, ts_rank(search, q), ts_headline(body, q) FROM documents, to_tsquery('english', 'quick | dog') q WHERE search @@ q ORDER BY id
SELECT to_tsvector('english', 'a fat cat') @@ 'fat & cat'::tsquery, plainto_tsquery('fat cat'), phraseto_tsquery('fat cat'), websearch_to_tsquery('fat -cat'), setweight('a:1'::tsvector, 'A'), strip('a:1'::tsvector), tsvector_to_array('a b'::tsvector), numnode('a & b'::tsquery), 'a'::tsquery && 'b'::tsquery, ts_lexize('english_stem', 'stars'), get_current_ts_config()
SELECT * FROM ts_parse('default', 'a b'), ts_token_type('default') AS t ORDER BY 1, 2, 3, 4, 5 LIMIT 3
SELECT xmlelement(name a, xmlattributes(1 AS b), 'c'), xmlforest(1 AS a), xpath('/a/text()', '<a>b</a>'), xmlparse(document '<a/>'), xmlcomment('x'), '<a/>' IS DOCUMENT, xmlexists('/a' PASSING '<a/>')
SELECT * FROM xmltable('/r/x' PASSING '<r><x>1</x></r>' COLUMNS v int PATH '.')
SELECT 'a=>1'::hstore -> 'a', similarity('abc', 'abd'), 'abc' % 'abd'
SELECT m, m < 'happy', enum_first(m), array_agg(m) OVER () FROM moods
-- catalogs
SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0 ORDER BY attnum
SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(users)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid)
SELECT pg_get_constraintdef(oid), pg_get_indexdef(conindid) FROM pg_constraint WHERE conrelid = 'users'::regclass ORDER BY 1
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'users'::regclass
SELECT proname, provolatile, prosrc FROM pg_proc WHERE proname LIKE 'touch%' ORDER BY 1
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef ORDER BY 1
SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 2
SELECT viewname, definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1
SELECT rolname FROM pg_roles WHERE rolname = current_user
SELECT * FROM pg_policies ORDER BY policyname
SELECT typname, typtype FROM pg_type WHERE typnamespace = 'public'::regnamespace ORDER BY 1
SELECT conname FROM information_schema.table_constraints c, pg_constraint p WHERE c.constraint_name = p.conname ORDER BY 1
SELECT * FROM information_schema.views WHERE table_schema = 'public' ORDER BY table_name
SELECT * FROM information_schema.routines WHERE routine_schema = 'public' ORDER BY specific_name
SELECT count(*) FROM pg_stats WHERE schemaname = 'pg_catalog'
SELECT extname FROM pg_extension ORDER BY 1
SELECT pg_describe_object('pg_class'::regclass, 'users'::regclass, 0), pg_identify_object('pg_class'::regclass, 'users'::regclass, 0), col_description('users'::regclass, 1)
SELECT current_database(), current_schema(), current_schemas(true), version() IS NOT NULL, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()
SELECT * FROM pg_get_keywords() WHERE word = 'select'
SELECT pg_get_partkeydef('events'::regclass), pg_get_ruledef(oid) IS NOT NULL FROM pg_rewrite WHERE ev_class = 'plain_view'::regclass
SELECT pg_relation_filenode('users') IS NOT NULL, pg_relation_is_updatable('users', false), pg_table_is_visible('users'::regclass), pg_function_is_visible('abs(int)'::regprocedure)
SELECT acldefault('r', 10) IS NOT NULL, aclexplode(acldefault('r', 10)) IS NOT NULL, has_schema_privilege('public', 'USAGE'), pg_has_role('app_user', 'USAGE')
SELECT sum(n) FROM events WHERE at >= '2025-01-01'
SELECT tableoid::regclass, count(*) FROM events GROUP BY 1 ORDER BY 1
EXPLAIN (COSTS OFF) SELECT * FROM events WHERE at = '2025-02-01'
EXPLAIN (COSTS OFF, FORMAT JSON) SELECT count(*) FROM users u JOIN orders o ON o.user_id = u.id
-- writes of every kind
INSERT INTO log (what) VALUES ('a') RETURNING what
INSERT INTO users (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = excluded.name
INSERT INTO users (id, name) VALUES (1, 'x') ON CONFLICT DO NOTHING
INSERT INTO log DEFAULT VALUES
UPDATE users SET (name, age) = ('x', 3) WHERE id = 1
UPDATE users SET name = o.note FROM orders o WHERE o.user_id = users.id AND o.id = 1
DELETE FROM orders USING users WHERE orders.user_id = users.id AND users.id = 3
MERGE INTO users u USING (VALUES (1, 'm')) v(id, name) ON u.id = v.id WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT (id, name) VALUES (v.id, v.name)
INSERT INTO with_rule VALUES (1)
TRUNCATE log, with_rule RESTART IDENTITY
REFRESH MATERIALIZED VIEW totals
ANALYZE users
VACUUM users
REINDEX TABLE users
CHECKPOINT -- node
CREATE TABLE t1 (id int GENERATED ALWAYS AS IDENTITY)
CREATE TABLE t2 (LIKE users INCLUDING ALL)
CREATE INDEX ON users (name)
CREATE UNIQUE INDEX ui ON users (lower(email)) WHERE active
CREATE VIEW v2 AS SELECT 1
CREATE OR REPLACE VIEW plain_view AS SELECT id, name FROM users
CREATE MATERIALIZED VIEW m2 AS SELECT 1
CREATE SEQUENCE s2
CREATE FUNCTION f2() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE TYPE t_enum AS ENUM ('a')
CREATE DOMAIN d2 AS int
CREATE SCHEMA sch
CREATE TRIGGER tr BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
CREATE POLICY p2 ON guarded_plain USING (true)
CREATE RULE r2 AS ON DELETE TO log DO INSTEAD NOTHING
CREATE STATISTICS st ON name, age FROM users
ALTER TABLE users ADD COLUMN extra int
ALTER SEQUENCE seq RESTART
ALTER FUNCTION plain_volatile(int) STABLE
ALTER TYPE mood ADD VALUE 'great'
DROP TABLE pairs
DROP FUNCTION polymorphic(anyelement)
COMMENT ON TABLE users IS 'x'
GRANT SELECT ON users TO PUBLIC
REVOKE SELECT ON users FROM PUBLIC
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC
ALTER DATABASE postgres SET work_mem = '4MB'
CREATE ROLE r3
SECURITY LABEL ON TABLE users IS 'x'
CLUSTER users USING users_pkey
IMPORT FOREIGN SCHEMA x FROM SERVER files INTO public
CALL proc_plain() -- node
