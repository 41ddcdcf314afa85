-- What this Worker knows of each account: `last_id` is the newest event that it has taken in.
CREATE TABLE accounts (
  guid TEXT PRIMARY KEY,
  last_id INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'open'
);

-- The sessions that are open, as far as their events tell: one that expires has none.
CREATE TABLE sessions (
  sid TEXT PRIMARY KEY,
  guid TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  country TEXT
);
CREATE INDEX sessions_guid ON sessions (guid);
