CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password TEXT NOT NULL,
    zone TEXT NOT NULL,
    created_at INTEGER NOT NULL) STRICT;

CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL) STRICT;
CREATE INDEX sessions_account ON sessions (account_id);

CREATE TABLE login_failures (
    who TEXT NOT NULL,
    at INTEGER NOT NULL) STRICT;
CREATE INDEX login_failures_who ON login_failures (who, at);

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'done')),
    due_day TEXT,
    due_time TEXT,
    zone TEXT,
    due_at INTEGER,
    created_at INTEGER NOT NULL,
    done_at INTEGER,
    rev INTEGER NOT NULL) STRICT;
CREATE INDEX tasks_open ON tasks (account_id, state, due_day);

CREATE TABLE journal_entries (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    rev INTEGER NOT NULL) STRICT;
CREATE INDEX journal_day ON journal_entries (account_id, day);

CREATE TABLE conversations (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL) STRICT;
CREATE INDEX conversations_recent ON conversations (account_id, updated_at);

CREATE TABLE messages (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    text TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'running', 'done', 'stopped', 'failed')),
    attempt INTEGER NOT NULL DEFAULT 0,
    answered_by TEXT,
    created_at INTEGER NOT NULL) STRICT;
CREATE INDEX messages_conversation ON messages (conversation_id, n);

CREATE TABLE commands (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    command TEXT NOT NULL,
    understood TEXT NOT NULL,
    reply TEXT NOT NULL,
    inverse TEXT NOT NULL,
    undone_at INTEGER) STRICT;
CREATE INDEX commands_recent ON commands (account_id, n);

CREATE TABLE answered (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (account_id, key)) STRICT;
