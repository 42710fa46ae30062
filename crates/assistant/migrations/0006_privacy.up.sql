ALTER TABLE sessions ADD COLUMN id TEXT;
ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN address TEXT NOT NULL DEFAULT '';
UPDATE sessions SET id = lower(hex(randomblob(16)));
CREATE UNIQUE INDEX sessions_id ON sessions (id);
CREATE TRIGGER sessions_named AFTER INSERT ON sessions WHEN new.id IS NULL BEGIN
    UPDATE sessions SET id = lower(hex(randomblob(16))) WHERE token_hash = new.token_hash;
END;

DELETE FROM login_failures;

CREATE TABLE audit (
    n INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL) STRICT;

CREATE TABLE attachments (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    entry_id TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    media TEXT,
    digest TEXT,
    created_at INTEGER NOT NULL,
    orphan_since INTEGER) STRICT;
CREATE INDEX attachments_entry ON attachments (account_id, entry_id);
CREATE INDEX attachments_digest ON attachments (account_id, digest);

CREATE TABLE erasures (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    asked_at INTEGER NOT NULL,
    erase_at INTEGER NOT NULL) STRICT;

CREATE TABLE scrubs (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    asked_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL) STRICT;

INSERT INTO journal_search (journal_search, rank) VALUES ('secure-delete', 1);
