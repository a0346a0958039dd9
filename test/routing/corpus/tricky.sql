-- functions
SELECT touch(u) FROM users u WHERE id = 1
SELECT u.touch FROM users u WHERE id = 1
SELECT (u).touch FROM users u WHERE id = 1
SELECT users.touch FROM users WHERE id = 1
SELECT "u"."touch" FROM users "u" LIMIT 1
SELECT x.touch FROM (SELECT * FROM users LIMIT 1) x
SELECT (SELECT u FROM users u LIMIT 1).touch
SELECT ((SELECT u FROM users u LIMIT 1)).touch
SELECT (ARRAY(SELECT u FROM users u LIMIT 2))[1].touch
SELECT (array_agg(u))[1].touch FROM users u
SELECT (row(1,'a','b',2,null,null,null,null,null)::users).touch
SELECT name FROM users u ORDER BY u.touch LIMIT 1
SELECT count(*) FROM users u WHERE u.touch > 0 AND id = 1
SELECT u.name FROM users u WHERE id = 1
SELECT name(u) FROM users u WHERE id = 1
SELECT (u).name, u.email FROM users u WHERE id = 1
SELECT t.currval FROM touchable t
SELECT t.status FROM touchable t
SELECT status(t) FROM touchable t
SELECT touchable.status FROM touchable
SELECT x.status FROM (SELECT 1 AS a) x
SELECT ('seq'::regclass).nextval
SELECT nextval('seq')
SELECT NEXTVAL('seq')
SELECT "nextval"('seq')
SELECT pg_catalog.nextval('seq')
SELECT pg_catalog."nextval"('public.seq'::regclass)
SELECT U&"nextv\0061l"('seq')
SELECT U&"nextv!0061l" UESCAPE '!' ('seq')
SELECT /* just a read */ nextval /* really */ ('seq')
SELECT 1 WHERE nextval('seq') > 0
SELECT 1 ORDER BY nextval('seq')
SELECT 1 LIMIT nextval('seq')
SELECT 1 OFFSET nextval('seq') - nextval('seq') + 1
SELECT count(*) FROM users GROUP BY nextval('seq')
SELECT count(*) FROM users HAVING nextval('seq') > 0
SELECT count(*) FILTER (WHERE nextval('seq') > 0) FROM users
SELECT sum(id) OVER (ORDER BY nextval('seq')) FROM users
SELECT sum(id) OVER w FROM users WINDOW w AS (PARTITION BY nextval('seq'))
SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN nextval('seq') PRECEDING AND CURRENT ROW) FROM users
SELECT DISTINCT ON (nextval('seq')) id FROM users
SELECT CASE WHEN id > 0 THEN nextval('seq') END FROM users LIMIT 1
SELECT COALESCE(NULL, nextval('seq'))
SELECT GREATEST(1, nextval('seq'))
SELECT NULLIF(nextval('seq'), 0)
SELECT ARRAY[nextval('seq')]
SELECT ROW(nextval('seq'))
SELECT ARRAY(SELECT nextval('seq'))
SELECT (SELECT nextval('seq'))
SELECT EXISTS (SELECT nextval('seq'))
SELECT 1 IN (SELECT nextval('seq'))
SELECT 1 = ANY (ARRAY[nextval('seq')])
SELECT (ARRAY[1,2,3,4])[nextval('seq') - nextval('seq') + 2]
SELECT nextval('seq')::text
SELECT CAST(nextval('seq') AS text)
SELECT nextval('seq') IS NULL
SELECT nextval('seq') BETWEEN 1 AND 2
SELECT 'a' || nextval('seq')
SELECT '{"a":1}'::jsonb -> nextval('seq')::text
SELECT * FROM nextval('seq')
SELECT * FROM ROWS FROM (nextval('seq'), generate_series(1,2)) AS x
SELECT * FROM users u, LATERAL (SELECT nextval('seq')) x LIMIT 1
SELECT * FROM users u JOIN LATERAL nextval('seq') n ON true LIMIT 1
SELECT * FROM users u JOIN orders o ON nextval('seq') > 0 LIMIT 1
SELECT * FROM users TABLESAMPLE bernoulli (100) WHERE nextval('seq') > 0 LIMIT 1
SELECT * FROM users TABLESAMPLE bernoulli (nextval('seq') - nextval('seq') + 50)
WITH x AS (SELECT nextval('seq')) SELECT * FROM x
WITH x AS MATERIALIZED (SELECT nextval('seq') AS n) SELECT n FROM x
WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 3 AND nextval('seq') > 0) SELECT * FROM x
VALUES (nextval('seq'))
VALUES (1), ((SELECT nextval('seq')))
(SELECT nextval('seq'))
((SELECT nextval('seq')) UNION SELECT 1)
SELECT 1 UNION ALL SELECT nextval('seq')
SELECT 1 EXCEPT SELECT nextval('seq')
SELECT setval('seq', 5)
SELECT currval('seq')
SELECT lastval()
SELECT last_value FROM seq
SELECT * FROM seq
SELECT s.last_value, s.is_called FROM seq s
TABLE seq
SELECT seq FROM seq
SELECT count(*) FROM public.seq
SELECT last_value FROM hidden.seq2
SELECT * FROM seq_view
SELECT pg_sequence_last_value('seq'::regclass)
SELECT last_value FROM pg_sequences WHERE sequencename = 'seq'
SELECT seqstart, seqincrement FROM pg_sequence WHERE seqrelid = 'seq'::regclass
SELECT start_value FROM information_schema.sequences WHERE sequence_name = 'seq'
SELECT pg_get_serial_sequence('orders', 'id')
WITH seq AS (SELECT 1 AS last_value) SELECT last_value FROM seq
WITH users AS (SELECT 1 AS id) SELECT id FROM users
WITH x AS (WITH seq AS (SELECT 1 AS a) SELECT a FROM seq) SELECT a, last_value FROM x, seq
WITH seq AS (SELECT last_value FROM seq) SELECT * FROM seq
WITH a AS (SELECT 1 AS x), seq AS (SELECT x FROM a) SELECT * FROM seq
SELECT * FROM (WITH seq AS (SELECT 1 AS a) SELECT a FROM seq) q
SELECT (WITH seq AS (SELECT 1 AS a) SELECT a FROM seq), (SELECT last_value FROM seq)
WITH RECURSIVE seq AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM seq WHERE n < 3) SELECT n FROM seq
SELECT hidden.secret()
SELECT * FROM hidden.secret()
SELECT touch_int(1)
SELECT id FROM users WHERE touch_bool(id) AND id = 1
SELECT touch_int(i => 1)
SELECT touch_int(i := 1)
SELECT lying_immutable()
SELECT lying_stable()
SELECT lying_nested(1)
SELECT lying_format()
SELECT lying_atomic()
SELECT * FROM lying_atomic()
SELECT reads_scratch()
SELECT reads_sequence()
SELECT plain_volatile(1)
SELECT plain_plpgsql(4)
SELECT id, plain_volatile(id) FROM users ORDER BY id LIMIT 5
SELECT id, name FROM rows_volatile()
SELECT * FROM rows_plpgsql(2)
SELECT r.label FROM rows_plpgsql(2) r WHERE r.i > 1
SELECT (rows_volatile()).id
SELECT writes_in_loop(2)
SELECT writes_in_handler()
SELECT writes_in_default()
SELECT writes_in_default(3)
SELECT writes_in_case(1)
SELECT writes_in_cursor()
SELECT writes_in_raise()
SELECT writes_in_assert()
SELECT writes_in_execute()
SELECT reads_in_execute()
SELECT locks_rows()
SELECT makes_temporary()
SELECT recursive_read(4)
SELECT odd_write(1)
SELECT even_write(0)
SELECT other_path()
SELECT path_write('A')
SELECT "lower"('A')
SELECT hidden.lower('A')
SELECT pg_catalog.lower('A')
SELECT abs(-1)
SELECT abs(u) FROM users u WHERE id = 1
SELECT u.abs FROM users u WHERE id = 1
SELECT upper('abc')
SELECT upper(5)
SELECT upper('abc'::text)
SELECT upper(name) FROM users WHERE id = 1
SELECT with_default(1)
SELECT with_default(1, 2)
SELECT with_default(a => 1)
SELECT variadic_write()
SELECT variadic_write(1, 2, 3)
SELECT variadic_write(VARIADIC ARRAY[1, 2])
SELECT out_write(1)
SELECT (out_write(1)).b
SELECT * FROM out_write(1)
SELECT polymorphic(3)
SELECT polymorphic(touch_int(3))
SELECT writing_sum(id) FROM users WHERE id < 3
SELECT writing_sum(id) OVER (ORDER BY id) FROM users WHERE id < 3
SELECT plain_sum(id) FROM users
SELECT plain_sum(id) OVER (ORDER BY id) FROM users
SELECT my_nextval('seq')
SELECT my_upper('x')
SELECT "Mixed Case"()
SELECT "delete from"()
SELECT * FROM "select"
SELECT "for update" FROM "select"
SELECT s."for update" AS "insert into" FROM "select" AS s
SELECT * FROM "insert into"
SELECT 'INSERT INTO users VALUES (1)' AS text
SELECT $$DELETE FROM users$$
SELECT $tag$ UPDATE users SET x = 1; $tag$
SELECT E'\'; DROP TABLE users; --'
SELECT 1 -- ; DELETE FROM users
SELECT 1 /* ; DELETE FROM users; */
SELECT assigns_row()
SELECT assigns_rowtype()
SELECT writes_rowtype()
SELECT runs_text('SELECT count(*)::int FROM users')
SELECT runs_text('SELECT touch_int(1)')
SELECT runs_text('SELECT nextval(''seq'')::int')
SELECT (i).touch_inner FROM holds_inner
SELECT holds_inner.i.touch_inner FROM holds_inner
SELECT (h.i).x, (h.i).touch_inner FROM holds_inner h
SELECT (h.i).x FROM holds_inner h
SELECT u.touch_record FROM users u WHERE id = 1
SELECT u.touch_any FROM users u WHERE id = 1
SELECT x.touch_record FROM (SELECT 1 AS a) x
SELECT (1).touch_any
SELECT ('a'::text).touch_text
SELECT (u.name).touch_text FROM users u WHERE id = 1
SELECT (1::bigint).pg_advisory_xact_lock
SELECT max(name COLLATE "C") FROM users
SELECT u.* FROM users u WHERE (u.*) = (u.*) AND id = 1
SELECT g FROM generate_series(1, 2) g
SELECT float8 '1', int8 '5', interval '1' year, timestamp(3) with time zone '2024-01-01 00:00+00'
SELECT point(1, 2), float8(3), text(5), "numeric"(5), date('2024-01-01')
SELECT calls_proc()
SELECT * FROM writes_in_query_execute()
SELECT writes_in_dynamic_loop()
SELECT writes_in_open()
SELECT writes_in_else(1)
SELECT writes_in_while()
SELECT writes_in_foreach()
SELECT writes_in_case_else(1)
SELECT writes_in_exit()
SELECT writes_in_raise_option()
SELECT writes_in_cursor_argument()
SELECT writes_in_subscript()
SELECT writes_by_domain()
SELECT writes_in_using()
SELECT writes_in_return_next()
SELECT writes_in_bounds()
SELECT writes_in_nested_block()
SELECT writes_second()
SELECT writes_atomic()
SELECT reads_atomic(1)
SELECT lying_dynamic()
SELECT f.touch FROM (SELECT u AS f FROM users u LIMIT 1) AS x(f)
SELECT (x.u).touch FROM (SELECT u FROM users u LIMIT 1) x
SELECT u.polymorphic IS NOT NULL FROM users u WHERE id = 1
SELECT public.users.touch FROM public.users WHERE id = 1
SELECT u.tags, u.data, u.age FROM users u, touchable t WHERE u.id = t.id
SELECT id FROM policy_free
SELECT id FROM last_value_view WHERE id = 1
SELECT n FROM last_value_view WHERE id = 1
SELECT * FROM with_unlogged_leaf
SELECT NOT (1 <~> 2)
SELECT 1 <~> 2
SELECT id FROM users WHERE NOT (id <~> 3)
SELECT id FROM users WHERE id = ANY (ARRAY(SELECT touch_int(1)))
SELECT * FROM unnest(ARRAY[touch_int(1), 2]) WITH ORDINALITY
SELECT * FROM generate_series(1, touch_int(2))
SELECT * FROM xmltable('/a' PASSING touch_text('<a/>')::xml COLUMNS v text PATH '.')
SELECT * FROM json_table(touch_text('{}')::json, '$' COLUMNS (a int PATH '$.a')) j
SELECT extract(year FROM date '2024-01-01' + touch_int(1))
SELECT 'a' LIKE touch_text('a')
SELECT overlay(touch_text('abc') placing 'x' from 1)
SELECT touch_text('a') COLLATE "C"
SELECT json_build_object('a', touch_int(1))
SELECT json_object('a' VALUE touch_int(1))
SELECT json_arrayagg(touch_int(1))
SELECT xmlelement(name a, touch_text('b'))
SELECT (SELECT max(x) FROM (SELECT touch_int(id) AS x FROM tree) q)
SELECT string_agg(touch_text(label), ',' ORDER BY id) FROM tree
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY touch_int(id)) FROM tree
SELECT max(id) FILTER (WHERE touch_bool(id)) FROM tree
SELECT id FROM tree GROUP BY ROLLUP (id, touch_int(id))
SELECT ROW(touch_int(1), 2) = ROW(1, 2)
SELECT touch_int(1) IS DISTINCT FROM 2
SELECT NOT touch_bool(1)
SELECT id, lead(touch_int(id)) OVER (ORDER BY id) FROM tree
SELECT * FROM tree ORDER BY touch_int(id) USING <
SELECT id FROM tree LIMIT touch_int(1)
SELECT -touch_int(1)
SELECT touch_int(1)::text::int
SELECT (touch_text('a'))::varchar(3)
SELECT COALESCE((SELECT 1), touch_int(1))
SELECT CASE touch_int(1) WHEN 1 THEN 2 END
SELECT upper('x' || 'y')
SELECT lower('ABC')
SELECT max(id), min(name) FROM users
-- texts that a call completes
SELECT plan_of('SELECT id FROM users')
SELECT * FROM plan_of('SELECT touch_int(1)')
SELECT plan_of(query => 'SELECT id FROM users')
SELECT plan_of('SELECT lying_immutable()')
SELECT plan_of('SELECT * FROM scratch')
SELECT plan_of('DELETE FROM log')
SELECT runs_given('SELECT count(*) FROM orders')
SELECT runs_given($q$ SELECT count(*) FROM orders WHERE note <> 'DELETE FROM log' $q$)
SELECT runs_given(E'SELECT count(*)\nFROM orders')
SELECT runs_given('SELECT runs_given(''SELECT count(*) FROM orders'')')
SELECT runs_given('SELECT runs_given(''SELECT nextval(''''seq'''')'')')
SELECT runs_given('SELECT nextval(''seq'')')
SELECT runs_given('INSERT INTO log (what) VALUES (''given'') RETURNING id')
SELECT runs_given('SELECT id FROM users WHERE id = 1 FOR UPDATE')
SELECT runs_given(note) FROM (VALUES ('SELECT nextval(''seq'')')) AS v(note)
SELECT runs_given((SELECT 'SELECT nextval(''seq'')'))
SELECT runs_given('SELECT 1; DELETE FROM log')
SELECT counts_rows('tree')
SELECT counts_rows('tree', 'id > 1')
SELECT counts_rows(condition => 'id > 1', which => 'tree')
SELECT counts_rows(condition => 'touch_bool(id)', which => 'tree')
SELECT counts_rows('tree', condition => 'touch_bool(id)')
SELECT counts_rows(which => 'scratch')
SELECT counts_rows('tree'::name, 'id > 1')
SELECT counts_rows('tree', 'touch_bool(id)')
SELECT counts_rows('scratch', 'true')
SELECT counts_rows('insert into', 'true')
SELECT counts_rows('tree', 'true; DELETE FROM log')
SELECT counts_label('it''s; DELETE FROM log')
SELECT counts_label('back\slash''; DELETE FROM log')
SELECT rows_of('tree')
SELECT rows_of('tree WHERE touch_bool(id)')
SELECT runs_assigned('SELECT 1')
SELECT runs_assigned_by_number('SELECT 1')
SELECT runs_selected('SELECT 1')
SELECT runs_alias('SELECT 1')
SELECT runs_alias_of_number('SELECT 1')
SELECT runs_shadowed('SELECT 1')
SELECT runs_looped('SELECT 1')
SELECT runs_fetched('SELECT 1')
SELECT runs_called('SELECT 1')
SELECT runs_second('SELECT 1')
SELECT runs_short('1')
SELECT runs_shortened('touch_int(1)')
SELECT counts_safely('id > 1')
SELECT counts_safely()
-- settings that change what later names mean
SELECT set_config('search_path', 'hidden, pg_catalog, public', true), lowers('A')
SELECT pg_catalog.set_config('SEARCH_PATH', 'hidden, pg_catalog, public', true), lowers('A')
SELECT set_config('search_path', 'pg_temp', true), current_schema()
SELECT set_config(n, 'hidden, pg_catalog, public', true), lowers('A') FROM (VALUES ('search_path')) AS v(n)
SELECT set_config('app.tenant', '5', true), lowers('A')
SELECT current_schema, current_schema(), current_schemas(true)
-- operators, casts, domains
SELECT 1 === 2
SELECT 1 OPERATOR(public.===) 2
SELECT 'a' OPERATOR(hidden.===) 'b'
SELECT id FROM users WHERE id === 1
SELECT id FROM users ORDER BY id === 1 LIMIT 1
SELECT 1 === ANY (ARRAY[1, 2])
SELECT 1 === ALL (SELECT id FROM users WHERE id < 3)
SELECT (1, 2) = (1, 2)
SELECT !!! 'a'
SELECT 1 ==== 2
SELECT 1 OPERATOR(pg_catalog.=) 2
SELECT 5::writing_domain
SELECT CAST(5 AS writing_domain)
SELECT writing_domain '5'
SELECT 5::nested_domain
SELECT '{5}'::writing_domain[]
SELECT ARRAY[1,2]::writing_domain[]
SELECT (1, 2)::pair_with_domain
SELECT '(1,2)'::pair_with_domain
SELECT (ROW(1, 2)::pair_with_domain).w
SELECT 5::plain_domain
SELECT NULL::pair
SELECT (ROW(1, 'b')::pair).b
SELECT pg_input_is_valid('5', 'writing_domain')
SELECT pg_input_is_valid('5', 'integer'), pg_input_is_valid('x', 'numeric(10,2)'), pg_input_is_valid('{1}', 'int4[]')
SELECT pg_input_is_valid('{5}', 'writing_domain[]')
SELECT pg_input_is_valid(name, note) FROM users u JOIN orders o ON o.user_id = u.id WHERE false
SELECT writing_domain(5)
SELECT json_populate_record(NULL::pair_with_domain, '{"a":1,"w":2}')
SELECT jsonb_populate_record(NULL::pair, '{"a":1,"b":"x"}')
SELECT * FROM json_to_record('{"a":1,"w":2}') AS x(a int, w writing_domain)
SELECT * FROM json_to_recordset('[{"a":1}]') AS x(a int, b text)
SELECT * FROM jsonb_to_record('{"d":1}') AS x(d plain_domain)
SELECT xmlserialize(CONTENT '<a/>' AS text)
SELECT takes_domain(5)
SELECT gives_domain()
SELECT takes_bigint(m) FROM amounts
SELECT takes_bigint(5)
SELECT m + 1 FROM amounts
SELECT m FROM amounts
SELECT ROW(1, 2)::money_pair + 1::bigint
SELECT m::bigint FROM amounts
SELECT m::int FROM moods
SELECT CAST(m AS int) FROM moods
SELECT 'ok'::mood::int
SELECT m, p, d FROM moods
SELECT m FROM moods WHERE m > 'sad'
SELECT (p).a FROM moods
SELECT enum_range(NULL::mood)
SELECT cast_write((1, 'x'))
-- views, policies, relations that a standby can't read
SELECT * FROM plain_view ORDER BY id
SELECT * FROM writing_view
SELECT * FROM nested_view
SELECT id FROM nested_view
SELECT count(*) FROM writing_view
SELECT * FROM locking_view
SELECT * FROM nextval_view
SELECT * FROM operator_view
SELECT * FROM cast_view
SELECT * FROM domain_view
SELECT * FROM cte_view
SELECT * FROM harmless_view
SELECT * FROM aggregate_view
SELECT * FROM writing_aggregate_view
SELECT * FROM txid_view
SELECT * FROM totals ORDER BY user_id
SELECT * FROM materialized_nextval
TABLE writing_view
TABLE plain_view
SELECT * FROM users WHERE id IN (SELECT id FROM writing_view)
SELECT * FROM guarded
SELECT * FROM guarded_plain
SELECT count(*) FROM guarded g JOIN users u USING (id)
SELECT * FROM scratch
SELECT * FROM scratch_view
SELECT 1 FROM scratch WHERE false
SELECT * FROM parent_plain
SELECT * FROM ONLY parent_plain
SELECT * FROM child_unlogged
SELECT count(*) FROM events
SELECT * FROM users u WHERE EXISTS (SELECT 1 FROM scratch)
SELECT * FROM no_such_table
SELECT no_such_function(1)
SELECT 1 ~~~~~ 2
SELECT 1::no_such_type
-- locks, writes in disguise
SELECT * FROM users FOR UPDATE
SELECT * FROM users FOR NO KEY UPDATE
SELECT * FROM users FOR SHARE
SELECT * FROM users FOR KEY SHARE
SELECT * FROM users WHERE id = 1 FOR UPDATE SKIP LOCKED
SELECT * FROM users WHERE id = 1 FOR UPDATE NOWAIT
SELECT * FROM users u, orders o WHERE u.id = o.user_id FOR UPDATE OF u
SELECT * FROM (SELECT * FROM users FOR UPDATE) x
SELECT (SELECT id FROM users WHERE id = 1 FOR UPDATE)
WITH x AS (SELECT * FROM users FOR SHARE) SELECT * FROM x
SELECT id FROM users WHERE id IN (SELECT user_id FROM orders FOR UPDATE)
SELECT * FROM users FOR READ ONLY
SELECT id FROM users ORDER BY id FETCH FIRST 3 ROWS ONLY
SELECT id FROM users ORDER BY age FETCH FIRST 3 ROWS WITH TIES
SELECT * FROM users LIMIT 1 FOR UPDATE
SELECT 1 FOR UPDATE
SELECT * INTO copied FROM users
SELECT id INTO TABLE copied FROM users
SELECT id INTO UNLOGGED copied FROM users
WITH x AS (SELECT 1 AS a) SELECT a INTO copied FROM x
CREATE TABLE copied AS SELECT 1 AS a
CREATE TABLE copied AS TABLE users
WITH x AS (INSERT INTO log (what) VALUES ('a') RETURNING id) SELECT count(*) FROM x
WITH x AS (DELETE FROM log RETURNING id) SELECT * FROM x
WITH x AS (UPDATE users SET age = 1 RETURNING id) SELECT count(*) FROM x
WITH x AS (DELETE FROM log) SELECT 1
WITH a AS (SELECT 1), b AS (INSERT INTO log (what) VALUES ('b')) SELECT * FROM a
WITH x AS (SELECT 1 AS id) INSERT INTO log (what) SELECT id::text FROM x
WITH x AS (SELECT 1 AS id) DELETE FROM log USING x WHERE log.id = x.id
SELECT * FROM users; DELETE FROM log
SELECT 1; SELECT 2
SELECT 1; SELECT nextval('seq')
;SELECT 1;
-- EXPLAIN, COPY, SHOW
EXPLAIN SELECT * FROM users
EXPLAIN (COSTS OFF) SELECT * FROM users
EXPLAIN (COSTS OFF) INSERT INTO log (what) VALUES ('a')
EXPLAIN (COSTS OFF) UPDATE users SET age = 1
EXPLAIN (COSTS OFF) DELETE FROM log
EXPLAIN (COSTS OFF) MERGE INTO log USING users ON log.id = users.id WHEN MATCHED THEN DELETE
EXPLAIN (COSTS OFF) SELECT nextval('seq')
EXPLAIN (COSTS OFF) SELECT touch_int(1)
EXPLAIN (COSTS OFF) SELECT lying_immutable()
EXPLAIN (COSTS OFF) SELECT 1 WHERE lying_immutable() > 0
EXPLAIN (COSTS OFF) SELECT lying_nested(3)
EXPLAIN (COSTS OFF) SELECT pg_walfile_name('0/1')
EXPLAIN (COSTS OFF) SELECT * FROM users WHERE id = txid_current()::text::int
EXPLAIN (COSTS OFF) SELECT * FROM users FOR UPDATE
EXPLAIN (COSTS OFF) SELECT * FROM writing_view
EXPLAIN (COSTS OFF) SELECT * FROM scratch
EXPLAIN (COSTS OFF) DELETE FROM scratch
EXPLAIN (COSTS OFF) CREATE TABLE copied AS SELECT * FROM users
EXPLAIN (COSTS OFF) CREATE MATERIALIZED VIEW copied AS SELECT * FROM users
EXPLAIN (COSTS OFF) REFRESH MATERIALIZED VIEW totals
EXPLAIN (COSTS OFF) WITH x AS (DELETE FROM log RETURNING id) SELECT * FROM x
EXPLAIN (COSTS OFF) INSERT INTO with_lying_default (b) VALUES (1)
EXPLAIN (COSTS OFF) INSERT INTO with_rule VALUES (1)
EXPLAIN (COSTS OFF) SELECT * FROM seq
EXPLAIN (COSTS OFF, VERBOSE) SELECT nextval('seq')
EXPLAIN VERBOSE SELECT 1
EXPLAIN ANALYZE INSERT INTO log (what) VALUES ('a')
EXPLAIN (ANALYZE) DELETE FROM log
EXPLAIN (ANALYZE ON) DELETE FROM log
EXPLAIN (ANALYZE 1) DELETE FROM log
EXPLAIN (ANALYZE true, COSTS OFF) SELECT nextval('seq')
EXPLAIN (ANALYZE, COSTS OFF) SELECT touch_int(1)
EXPLAIN (ANALYZE false) DELETE FROM log
EXPLAIN (ANALYZE off) DELETE FROM log
EXPLAIN (ANALYZE 0) DELETE FROM log
EXPLAIN (ANALYZE 'false') DELETE FROM log
EXPLAIN (ANALYZE, ANALYZE false) DELETE FROM log
EXPLAIN (ANALYZE false, ANALYZE) DELETE FROM log
EXPLAIN (analyze false, "analyze" true) DELETE FROM log
EXPLAIN ANALYZE CREATE TABLE copied AS SELECT 1
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) SELECT count(*) FROM users
EXPLAIN ANALYZE SELECT * FROM users FOR UPDATE
COPY users TO STDOUT
COPY users (id, name) TO STDOUT (FORMAT csv)
COPY (SELECT * FROM users) TO STDOUT
COPY (SELECT nextval('seq')) TO STDOUT
COPY (SELECT touch_int(1)) TO STDOUT
COPY (INSERT INTO log (what) VALUES ('a') RETURNING id) TO STDOUT
COPY (DELETE FROM log RETURNING id) TO STDOUT
COPY (SELECT * FROM users FOR UPDATE) TO STDOUT
COPY scratch TO STDOUT
COPY (VALUES (1), (2)) TO STDOUT
COPY (TABLE users) TO STDOUT WITH CSV HEADER
SHOW server_version
SHOW search_path
SHOW ALL -- node
SHOW TIME ZONE
SHOW transaction_isolation
SHOW transaction_read_only
-- built-in functions
SELECT txid_current()
SELECT pg_current_xact_id()
SELECT txid_current_if_assigned()
SELECT pg_current_xact_id_if_assigned()
SELECT txid_current_snapshot() IS NULL
SELECT pg_current_snapshot() IS NULL
SELECT pg_walfile_name('0/1000000')
SELECT pg_walfile_name_offset('0/1000000')
SELECT pg_current_wal_lsn()
SELECT pg_current_wal_insert_lsn() IS NULL
SELECT pg_wal_lsn_diff('0/2', '0/1')
SELECT pg_export_snapshot() IS NULL
SELECT pg_notify('channel', 'x')
SELECT pg_logical_emit_message(true, 'a', 'b')
SELECT random()
SELECT random() < 2
SELECT * FROM users ORDER BY random() LIMIT 5
SELECT gen_random_uuid()
SELECT uuid_generate_v4() IS NULL
SELECT gen_random_bytes(4) IS NULL
SELECT gen_salt('md5') IS NULL
SELECT digest('a', 'sha256')
SELECT clock_timestamp() > now()
SELECT timeofday() IS NULL
SELECT statement_timestamp() IS NULL, transaction_timestamp() IS NULL, now() IS NULL
SELECT current_date IS NULL, current_timestamp IS NULL, localtime IS NULL, current_user, session_user
SELECT pg_relation_size('users')
SELECT pg_total_relation_size('users'), pg_table_size('users'), pg_indexes_size('users')
SELECT pg_size_pretty(pg_database_size(current_database())) -- node
SELECT pg_sleep(0)
SELECT pg_sleep_for('0')
SELECT pg_is_in_recovery() -- node
SELECT inet_server_port() -- node
SELECT pg_backend_pid() -- node
SELECT pg_postmaster_start_time() -- node
SELECT current_setting('server_version')
SELECT current_setting('work_mem')
SELECT name, setting FROM pg_settings WHERE name = 'work_mem'
SELECT set_config('work_mem', '4MB', true)
SELECT lo_get(424242)
SELECT lo_get(424242, 0, 2)
SELECT lo_put(424242, 0, 'x')
SELECT lo_create(0) > 0
SELECT lo_unlink(424242)
SELECT lo_from_bytea(0, 'x') > 0
SELECT pg_advisory_xact_lock(1)
SELECT pg_try_advisory_xact_lock(1)
SELECT query_to_xml('SELECT 1', true, false, '')
SELECT query_to_xml('SELECT nextval(''seq'')', true, false, '')
SELECT query_to_xml('DELETE FROM log', true, false, '')
SELECT query_to_xml('SELECT touch_int(' || 1 || ')', true, false, '')
SELECT table_to_xml('tree', true, false, '')
SELECT table_to_xml('seq', true, false, '')
SELECT table_to_xml('writing_view', true, false, '')
SELECT schema_to_xml('hidden', true, false, '')
SELECT query_to_xml_and_xmlschema('TABLE tree', true, false, '')
SELECT table_to_xml(targetns => 'tree', tbl => 'writing_view', nulls => true, tableforest => false)
SELECT query_to_xml(targetns => 'SELECT 1', query => 'SELECT nextval(''seq'')', nulls => true, tableforest => false)
SELECT query_to_xml(targetns => 'SELECT 1', query => 'DELETE FROM log', nulls => true, tableforest => false)
SELECT schema_to_xml(targetns => 'nope', schema => 'public', nulls => true, tableforest => false)
SELECT * FROM ts_stat('SELECT search FROM documents')
SELECT * FROM ts_stat('SELECT ''a''::tsvector FROM (SELECT touch_int(1)) x')
SELECT ts_rewrite('a & b'::tsquery, 'a'::tsquery, 'c'::tsquery)
SELECT ts_rewrite('a & b'::tsquery, 'SELECT ''a''::tsquery, ''c''::tsquery')
SELECT ts_rewrite('a & b'::tsquery, 'SELECT ''a''::tsquery, ''c''::tsquery FROM (SELECT touch_int(1)) x')
SELECT * FROM crosstab('SELECT 1, ''a'', 2') AS x(a int, b int)
SELECT * FROM crosstab('SELECT touch_int(1), ''a'', 2') AS x(a int, b int)
SELECT pg_get_viewdef('writing_view')
SELECT pg_get_functiondef('touch_int'::regproc) IS NULL
SELECT to_regclass('seq'), 'seq'::regclass, 'touch_int'::regproc
SELECT obj_description('users'::regclass)
SELECT has_table_privilege('users', 'SELECT'), has_sequence_privilege('seq', 'USAGE')
SELECT relname, relpages >= 0 FROM pg_class WHERE relname = 'seq'
SELECT xmin, ctid FROM users WHERE id = 1
SELECT age(xmin) >= 0 FROM users WHERE id = 1
SELECT * FROM pg_indexes WHERE tablename = 'users'
SELECT count(*) FROM pg_stats WHERE tablename = 'users'
SELECT column_name FROM information_schema.columns WHERE table_name = 'users' ORDER BY 1
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1
SELECT count(*) > 0 FROM pg_timezone_names
SELECT pg_partition_root('events_2024')
SELECT relid FROM pg_partition_tree('events')
SELECT pg_typeof(1), pg_column_size(1)
SELECT pg_column_compression(name) FROM users WHERE id = 1
SELECT pg_try_advisory_lock_shared(5), touch_int(1)
SELECT pg_xact_status('3'::xid8)
SELECT setseed(0.5), random()
-- comments, parentheses, letters
/* read */ SELECT 1
/* a /* nested */ comment */ SELECT id FROM users WHERE id = 1
/* SELECT */ DELETE FROM log
/*+ IndexScan(users) */ SELECT id FROM users WHERE id = 1
((((SELECT 1))))
sElEcT 1
(SELECT 1) UNION (SELECT 2) ORDER BY 1
(VALUES (1)) UNION ALL TABLE "insert into"
TABLE users
TABLE ONLY users
VALUES (1), (2)
VALUES (touch_int(1))
VALUES (1) ORDER BY 1 LIMIT 1
SELECT
SELECT FROM users
DELETE FROM log WHERE false
UPDATE users SET age = age WHERE false
INSERT INTO log (what) SELECT 'x' WHERE false
SELECT * FROM hosts -- node
SELECT count(*) > 0 FROM hosts -- node
NOTIFY channel
TRUNCATE log
LOCK TABLE users IN ROW EXCLUSIVE MODE -- session
SELECT pg_advisory_lock(1) -- session
SELECT pg_advisory_unlock(1) -- session
-- blocks
DO $$ BEGIN INSERT INTO log (what) VALUES ('do'); END $$
DO $$ BEGIN END $$
DO 'BEGIN PERFORM 1; END'
DO LANGUAGE plpgsql $$ BEGIN PERFORM count(*) FROM users; END $$
DO 'BEGIN RAISE DEBUG ''it''''s \ %'', 1; END' LANGUAGE 'plpgsql'
DO $$ DECLARE n int := 1; m n%TYPE; BEGIN n := n + 1; m := n; IF n > 5 THEN RAISE EXCEPTION 'never'; END IF; END $$
DO $$ DECLARE r record; BEGIN FOR r IN SELECT id, name FROM users LOOP RAISE DEBUG '% %', r.id, r.name; END LOOP; END $$
DO $$ BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN PERFORM 2; END $$
DO $$ BEGIN EXECUTE 'SELECT count(*) FROM users'; END $$
DO $$ BEGIN EXECUTE $x$ DO 'BEGIN PERFORM 1; END' $x$; END $$
DO $$ BEGIN EXECUTE $x$ DO 'BEGIN PERFORM touch_int(1); END' $x$; END $$
DO $$ BEGIN EXECUTE 'DELETE FROM log'; END $$
DO $$ BEGIN EXECUTE 'DELETE ' || 'FROM log'; END $$
DO $$ DECLARE q text := 'DELETE FROM log'; BEGIN EXECUTE q; END $$
DO $$ DECLARE r record; q text := 'SELECT touch_int(1)'; BEGIN FOR r IN EXECUTE q LOOP NULL; END LOOP; END $$
DO $$ DECLARE c refcursor; q text := 'SELECT touch_int(1)'; x int; BEGIN OPEN c FOR EXECUTE q; FETCH c INTO x; END $$
DO $$ BEGIN PERFORM touch_int(1); END $$
DO $$ BEGIN PERFORM writes_in_loop(1); END $$
DO $$ BEGIN PERFORM 1 === 2; END $$
DO $$ BEGIN PERFORM 5::writing_domain; END $$
DO $$ DECLARE d writing_domain := 5; BEGIN END $$
DO $$ DECLARE v holder.w%TYPE := 5; BEGIN END $$
DO $$ DECLARE h holder%ROWTYPE; BEGIN h.w := 5; END $$
DO $$ DECLARE h record; BEGIN SELECT * INTO h FROM holder; h.w := 5; END $$
DO $$ DECLARE u users%ROWTYPE; BEGIN SELECT * INTO u FROM users WHERE id = 1; END $$
DO $$ DECLARE u users; n int; BEGIN SELECT * INTO u FROM users WHERE id = 1; n := u.touch; END $$
DO $$ BEGIN ASSERT touch_int(7) = 7; END $$
DO $$ BEGIN RAISE DEBUG '%', nextval('seq'); END $$
DO $$ BEGIN PERFORM id FROM users WHERE id = 1 FOR UPDATE; END $$
DO $$ BEGIN PERFORM pg_notify('channel', 'x'); END $$
DO $$ BEGIN PERFORM * FROM scratch; END $$
DO $$ BEGIN CREATE TEMP TABLE made (a int) ON COMMIT DROP; END $$
DO $$ BEGIN SET LOCAL work_mem = '2MB'; PERFORM 1; END $$
DO $$ BEGIN SET work_mem = '2MB'; END $$ -- session
DO $$ BEGIN PERFORM set_config('work_mem', '2MB', false); END $$ -- session
DO $$ BEGIN LISTEN heard; END $$ -- session
DO $$ BEGIN SET LOCAL search_path = hidden, pg_catalog, public; PERFORM lowers('A'); END $$
DO $$ BEGIN PERFORM pg_advisory_lock(9); END $$
DO $$ BEGIN COMMIT; END $$
DO $$ BEGIN CALL proc(); END $$
DO $$ BEGIN CALL proc_plain(); END $$
DO $$ BEGIN CALL commits(); END $$
DO $$ BEGIN PERFORM no_such_function(1); EXCEPTION WHEN undefined_function THEN NULL; END $$
SELECT 1; DO $$ BEGIN PERFORM touch_int(1); END $$
SELECT 1; DO $$ BEGIN PERFORM 1; END $$
SELECT runs_given('DO $x$ BEGIN PERFORM touch_int(1); END $x$')
-- procedures
CALL proc()
CALL proc_plain()
CALL public.proc_plain()
CALL hidden.proc_plain()
CALL reads_only(NULL)
CALL reads_only(touch_int(1))
CALL reads_only(n => 1)
CALL reads_in_sql(1, NULL)
CALL reads_in_sql(nextval('seq')::int, NULL)
CALL reads_atomically()
CALL writes_atomically()
CALL commits()
CALL rolls_back_to()
CALL calls_a_writer()
CALL calls_a_reader()
CALL writes_by_default()
CALL writes_by_default(1)
CALL numbers_by_default(NULL, 1)
CALL numbers_by_default(NULL, 1, 2)
CALL overloaded('a')
CALL overloaded('a'::text)
CALL overloaded(1)
CALL overloaded(NULL)
CALL counted(NULL::text, 1, 1)
CALL counted(1, 1, 1)
CALL runs_out_of_place('SELECT 1', 'SELECT touch_int(1)')
CALL runs_out_of_place(NULL, 'SELECT 1')
SELECT runs_first_given('SELECT 1')
SELECT runs_second_given('SELECT 1')
CALL runs_text_called('SELECT 1')
CALL runs_text_called('DELETE FROM log')
CALL looks_elsewhere('A')
CALL as_its_owner()
CALL variadic_writer(1, 2)
CALL takes_written(5)
CALL sets_everything() -- session
CALL no_such_procedure()
CALL touch_int(1)
SELECT proc_plain()
-- types and settings that a body names in passing
SELECT types_by_column()
SELECT types_by_row()
SELECT types_by_plain_column()
SELECT sets_field()
SELECT reads_otherwise()
SELECT plans_otherwise()
SELECT asks_to_write()
SELECT sets_to_write()
SELECT sets_isolation()
SELECT sets_locally()
SELECT sets_path_locally('A')
SELECT sets_schema_locally('A')
SELECT sets_for_good() -- session
SELECT listens() -- session
-- MERGE that does nothing
MERGE INTO tree t USING users u ON t.id = u.id WHEN MATCHED THEN DO NOTHING
MERGE INTO tree t USING users u ON t.id = u.id WHEN NOT MATCHED THEN DO NOTHING
MERGE INTO tree t USING users u ON t.id = u.id WHEN MATCHED AND touch_bool(t.id) THEN DO NOTHING
MERGE INTO tree t USING writing_view u ON t.id = u.id WHEN MATCHED THEN DO NOTHING
MERGE INTO tree t USING (SELECT touch_int(1) AS id) u ON t.id = u.id WHEN MATCHED THEN DO NOTHING
MERGE INTO scratch t USING users u ON t.a = u.id WHEN MATCHED THEN DO NOTHING
MERGE INTO parent_plain t USING users u ON t.a = u.id WHEN MATCHED THEN DO NOTHING
MERGE INTO guarded t USING users u ON t.id = u.id WHEN MATCHED THEN DO NOTHING
MERGE INTO with_rule t USING users u ON t.a = u.id WHEN MATCHED THEN DO NOTHING
MERGE INTO tree t USING users u ON t.id = u.id WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (9, 9, 'x')
MERGE INTO tree t USING users u ON t.id = u.id WHEN MATCHED AND false THEN DELETE
MERGE INTO seq t USING users u ON t.last_value = u.id WHEN MATCHED THEN DO NOTHING
WITH x AS (DELETE FROM log RETURNING id) MERGE INTO tree t USING x ON t.id = x.id WHEN MATCHED THEN DO NOTHING
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) MERGE INTO tree t USING users u ON t.id = u.id WHEN MATCHED THEN DO NOTHING
-- large objects by descriptors
SELECT loread(lo_open(424242, x'40000'::int), 10)
SELECT loread(lo_open(424242, 262144), 10)
SELECT lo_open(424242, 393216)
SELECT lo_open(424242, x'20000'::int)
SELECT lo_open(424242, x'60000'::int)
SELECT lo_open(424242, id) FROM tree WHERE id = 1
SELECT lo_lseek(lo_open(424242, 262144), 1, 0)
SELECT lo_tell64(lo_open(424242, 262144))
SELECT lo_close(lo_open(424242, 262144))
SELECT lowrite(lo_open(424242, 131072), 'x')
SELECT lo_truncate(lo_open(424242, 131072), 1)
-- versions of a row
SELECT currtid2('tree', '(0,1)'::tid)
SELECT currtid2('public.tree'::text, '(0,1)'::tid)
SELECT currtid2('scratch', '(0,1)'::tid)
SELECT currtid2('scra' || 'tch', '(0,1)'::tid)
-- where names are looked for goes on into what a function calls
SELECT path_of_its_caller('A')
SELECT path_for_another('A')
SELECT path_for_a_view()
SELECT l FROM path_view WHERE l = 'user 1'
SELECT plain_path('A')
SELECT path_reset('A')
SELECT path_for_a_domain()
SELECT path_for_an_argument(5)
SELECT 5::path_domain
EXPLAIN (COSTS OFF) SELECT path_for_another('A')
SELECT whose()
SELECT whose_by_path()
SELECT whose_of_owner()
SELECT whose_of_owner_by_path()
-- texts that are joined, or cast without a change
SELECT upper(name || ' <' || email || '>') FROM users WHERE id = 1
SELECT upper('x' || 'y'::varchar)
SELECT upper('x' || touch_text('y'))
SELECT upper(2 + 3)
SELECT upper(length('x' || 'y'))
SELECT joins_as_number()
SELECT joins_texts()
SELECT runs_given('SELECT count(*) FROM orders'::text)
SELECT runs_given(CAST('SELECT count(*) FROM orders' AS varchar))
SELECT runs_given('SELECT nextval(''seq'')'::text)
SELECT counts_rows('tree'::varchar, condition => 'id > 1'::text)
SELECT counts_rows('tree'::varchar(3))
SELECT counts_rows('scratch'::name)
SELECT runs_given('SELECT count(*) FROM cut_off_cut_off_cut_off_cut_off_cut_off_cut_off')
SELECT runs_given('SELECT count(*) FROM cut_off_cut_off_cut_off_cut_off_cut_off_cut_off'::name)
SELECT query_to_xml('SELECT count(*) FROM tree'::text, true, false, '')
SELECT query_to_xml('SELECT a FROM tree'::varchar(17), true, false, '')
SELECT set_config('search_paths'::varchar(11), 'hidden, pg_catalog, public', true), lowers('A')
SELECT pg_input_is_valid('5', 'plain_domain'::text)
SELECT pg_input_is_valid('5', 'writing_domains'::varchar(14))
SELECT cuts_by_domain()
SELECT cuts_nothing()
-- a sequence that nobody looks into
SELECT 1 FROM seq
SELECT EXISTS (SELECT FROM seq)
SELECT (SELECT last_value FROM seq), (SELECT count(*) FROM seq)
-- fields that are no columns
SELECT (5).writing_domain
SELECT ('5').writing_domain
SELECT (u.id).writing_domain FROM users u WHERE id = 1
SELECT g.writing_domain FROM generate_series(1, 2) g
SELECT g.touch_int FROM generate_series(1, 2) g
SELECT u.touch_row FROM users u WHERE id = 1
SELECT calls_by_field(1)
SELECT casts_by_field(1)
SELECT (5).plain_domain
SELECT g.plain_volatile, g.plain_domain FROM generate_series(1, 2) g
SELECT reads_by_field(1)
SELECT n.writing_domain FROM named_as_type n
SELECT (n).writing_domain FROM named_as_type n
SELECT writing_domain FROM named_as_type
-- literals that become a domain unseen
SELECT COALESCE(h, '(1,5)') FROM holds_domains
SELECT COALESCE(ws, '{5}') FROM holds_domains
SELECT array_append(ws, '5') FROM holds_domains
SELECT lag(w, 1, '5') OVER () FROM holds_domains
SELECT jsonb_populate_record(h, '{"w": 5}') FROM holds_domains h
SELECT jsonb_populate_record(h, '{"w": 5}') FROM holder h
SELECT ARRAY(SELECT w FROM holder) || '{5}'
SELECT w FROM holds_domains
SELECT COALESCE(d, '3'), ARRAY[d] || '{4}', lag(d, 1, '5') OVER (ORDER BY id) FROM moods
SELECT jsonb_populate_record(m, '{"d": 5}') FROM moods m
-- what the planner folds, though no statement says it
SELECT * FROM folded_check WHERE a > 1
SELECT * FROM folded_index WHERE a > 1
SELECT * FROM folded_expression WHERE a > 1
SELECT * FROM folded_statistics WHERE a > 1
SELECT * FROM folded_partition WHERE a > 1
EXPLAIN (COSTS OFF) SELECT * FROM folded_index WHERE a > 1
SELECT * FROM plain_expressions WHERE a > 1
SELECT * FROM plain_partition WHERE a > 1
EXPLAIN (COSTS OFF) SELECT * FROM plain_expressions WHERE op_plain(a, 1)
-- settings that are others by the role of the node
SELECT current_setting('transaction_read_only')
SELECT current_setting('IN_HOT_STANDBY', true)
SELECT current_setting('default_transaction_read_only') -- session
SELECT current_setting(name) FROM pg_settings WHERE name = 'transaction_read_only'
SELECT current_setting(n) FROM (VALUES ('in_hot_standby')) AS v(n)
SELECT setting FROM pg_settings WHERE name = 'transaction_read_only'
SELECT current_setting('transaction_isolation'), current_setting('TimeZone'::text)
SELECT current_setting('app.tenant', true), current_setting(E'work_mem')
-- casts that an assignment implies
SELECT assigns_tone()
SELECT selects_tone()
SELECT returns_tone()
DO $$ DECLARE n int; BEGIN SELECT t INTO n FROM tones; END $$
-- columns that a function gives
SELECT * FROM gives_domain_column()
SELECT id FROM gives_domain_column() g
SELECT gives_domain_out()
SELECT * FROM gives_plain_columns()
