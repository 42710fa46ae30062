CREATE TABLE questions (
    message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    choices TEXT NOT NULL,
    answered_by TEXT) STRICT;
