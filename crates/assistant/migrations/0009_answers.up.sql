CREATE TABLE answers (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    sentence TEXT NOT NULL,
    said TEXT NOT NULL,
    back TEXT NOT NULL,
    at INTEGER NOT NULL,
    chosen TEXT) STRICT;
CREATE INDEX answers_at ON answers (at);
