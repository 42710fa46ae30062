ALTER TABLE tasks ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tasks ADD COLUMN recurrence TEXT;

CREATE TABLE reminders (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    task_id TEXT NOT NULL,
    title TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    told_at INTEGER NOT NULL,
    shown_at INTEGER,
    seen_at INTEGER,
    UNIQUE (task_id, due_at)) STRICT;
CREATE INDEX reminders_unseen ON reminders (account_id, told_at) WHERE seen_at IS NULL;

CREATE TABLE mornings (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    at TEXT NOT NULL) STRICT;

CREATE TABLE summaries (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    text TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, day)) STRICT;
