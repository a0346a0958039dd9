-- What only a superuser can make; app_user makes the rest (schema.sql).
CREATE EXTENSION file_fdw;
CREATE EXTENSION pgcrypto;
CREATE EXTENSION "uuid-ossp";
CREATE EXTENSION tablefunc;
CREATE EXTENSION hstore;
CREATE EXTENSION pg_trgm;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE hosts (line text) SERVER files OPTIONS (filename '/etc/hostname');
GRANT SELECT ON hosts TO PUBLIC;
GRANT pg_read_all_stats, pg_read_server_files TO app_user;
CREATE FUNCTION my_nextval(regclass) RETURNS bigint LANGUAGE internal AS 'nextval_oid';
CREATE FUNCTION my_upper(text) RETURNS text LANGUAGE internal STRICT AS 'upper';
GRANT ALL ON SCHEMA public TO app_user;
