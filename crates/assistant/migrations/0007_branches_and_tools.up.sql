ALTER TABLE messages ADD COLUMN parent_id TEXT;
ALTER TABLE messages ADD COLUMN interrupted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN tainted_by TEXT;
ALTER TABLE conversations ADD COLUMN leaf_id TEXT;
ALTER TABLE conversations ADD COLUMN deleted_at INTEGER;

UPDATE messages SET parent_id = coalesce(
    (SELECT before.id FROM messages AS before
     WHERE before.conversation_id = messages.conversation_id AND before.n < messages.n ORDER BY before.n DESC LIMIT 1), '');
UPDATE conversations SET leaf_id =
    (SELECT id FROM messages WHERE conversation_id = conversations.id ORDER BY n DESC LIMIT 1);
CREATE INDEX messages_parent ON messages (conversation_id, parent_id);

-- A release that knows no branches goes on where the conversation is.
CREATE TRIGGER messages_follow AFTER INSERT ON messages BEGIN
    UPDATE messages SET parent_id = coalesce((SELECT leaf_id FROM conversations WHERE id = new.conversation_id), '')
        WHERE n = new.n AND parent_id IS NULL;
    UPDATE conversations SET leaf_id = new.id WHERE id = new.conversation_id;
END;

CREATE TABLE message_sources (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    origin TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message_id, position)) STRICT;

CREATE TABLE foreign_rows (
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    origin TEXT NOT NULL,
    PRIMARY KEY (account_id, kind, id)) STRICT;

CREATE TABLE tool_calls (
    id TEXT PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    round INTEGER NOT NULL,
    call INTEGER NOT NULL,
    said TEXT NOT NULL,
    call_id TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'asked', 'accepted', 'declined')),
    result TEXT NOT NULL DEFAULT '',
    UNIQUE (message_id, round, call)) STRICT;

CREATE TABLE model_spending (
    id TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    money_micros INTEGER NOT NULL,
    is_settled INTEGER NOT NULL) STRICT;
CREATE INDEX model_spending_day ON model_spending (account_id, day);
