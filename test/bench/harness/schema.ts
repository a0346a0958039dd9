/** Rows of `account`. */
export const ROWS = 100_000;

export const READ = 'SELECT id, owner, balance FROM account WHERE id = $1';
export const WRITE = 'INSERT INTO entry (account, note) VALUES ($1, $2)';

/** `held` is what a lock is taken on; nothing else reads it. */
export const SCHEMA = `
  CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance int NOT NULL);
  INSERT INTO account SELECT id, 'owner of ' || id, id % 1000 FROM generate_series(1, ${ROWS}) AS id;
  CREATE TABLE entry (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account int NOT NULL, note text NOT NULL);
  CREATE TABLE held (id int PRIMARY KEY);
`;
