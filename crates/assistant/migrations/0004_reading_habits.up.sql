CREATE TABLE reading_habits (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    lesson TEXT NOT NULL,
    learned_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, subject)) STRICT;
