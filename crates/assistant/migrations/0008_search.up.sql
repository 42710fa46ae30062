-- One row for each text that can be found: an entry, a task's title, a conversation's title, a message, a file's name.
CREATE TABLE search_rows (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    text TEXT NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (kind, id)) STRICT;
CREATE INDEX search_rows_account ON search_rows (account_id);

INSERT INTO search_rows (account_id, kind, id, parent_id, text, at)
    SELECT account_id, kind, id, parent_id, text, at FROM (
        SELECT account_id, 'entry' AS kind, id, '' AS parent_id, text, created_at AS at FROM journal_entries
        UNION ALL SELECT account_id, 'task', id, '', title, created_at FROM tasks
        UNION ALL SELECT account_id, 'conversation', id, '', title, created_at FROM conversations
        UNION ALL SELECT account_id, 'message', id, conversation_id, text, created_at FROM messages
        UNION ALL SELECT account_id, 'attachment', id, entry_id, name, created_at FROM attachments WHERE digest IS NOT NULL)
    ORDER BY at;

-- Whose it is and its kind are words of the index too, so that nobody's search reads the places of another's words.
CREATE VIEW search_texts AS SELECT n, account_id || ' ' || kind AS scope, text FROM search_rows;
CREATE VIRTUAL TABLE search USING fts5 (
    scope, text, content = 'search_texts', content_rowid = 'n', prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
INSERT INTO search (search) VALUES ('rebuild');

CREATE TRIGGER search_rows_insert AFTER INSERT ON search_rows BEGIN
    INSERT INTO search (rowid, scope, text) VALUES (new.n, new.account_id || ' ' || new.kind, new.text);
END;
CREATE TRIGGER search_rows_delete AFTER DELETE ON search_rows BEGIN
    INSERT INTO search (search, rowid, scope, text) VALUES ('delete', old.n, old.account_id || ' ' || old.kind, old.text);
END;
CREATE TRIGGER search_rows_update AFTER UPDATE OF text ON search_rows BEGIN
    INSERT INTO search (search, rowid, scope, text) VALUES ('delete', old.n, old.account_id || ' ' || old.kind, old.text);
    INSERT INTO search (rowid, scope, text) VALUES (new.n, new.account_id || ' ' || new.kind, new.text);
END;

CREATE TRIGGER search_entry_insert AFTER INSERT ON journal_entries BEGIN
    INSERT INTO search_rows (account_id, kind, id, parent_id, text, at) VALUES (new.account_id, 'entry', new.id, '', new.text, new.created_at);
END;
CREATE TRIGGER search_entry_update AFTER UPDATE OF text ON journal_entries BEGIN
    UPDATE search_rows SET text = new.text WHERE kind = 'entry' AND id = new.id;
END;
CREATE TRIGGER search_entry_delete AFTER DELETE ON journal_entries BEGIN
    DELETE FROM search_rows WHERE kind = 'entry' AND id = old.id;
END;
CREATE TRIGGER search_task_insert AFTER INSERT ON tasks BEGIN
    INSERT INTO search_rows (account_id, kind, id, parent_id, text, at) VALUES (new.account_id, 'task', new.id, '', new.title, new.created_at);
END;
CREATE TRIGGER search_task_update AFTER UPDATE OF title ON tasks WHEN new.title <> old.title BEGIN
    UPDATE search_rows SET text = new.title WHERE kind = 'task' AND id = new.id;
END;
CREATE TRIGGER search_task_delete AFTER DELETE ON tasks BEGIN
    DELETE FROM search_rows WHERE kind = 'task' AND id = old.id;
END;
CREATE TRIGGER search_conversation_insert AFTER INSERT ON conversations BEGIN
    INSERT INTO search_rows (account_id, kind, id, parent_id, text, at) VALUES (new.account_id, 'conversation', new.id, '', new.title, new.created_at);
END;
CREATE TRIGGER search_conversation_update AFTER UPDATE OF title ON conversations WHEN new.title <> old.title BEGIN
    UPDATE search_rows SET text = new.title WHERE kind = 'conversation' AND id = new.id;
END;
CREATE TRIGGER search_conversation_delete AFTER DELETE ON conversations BEGIN
    DELETE FROM search_rows WHERE kind = 'conversation' AND id = old.id;
END;
CREATE TRIGGER search_message_insert AFTER INSERT ON messages BEGIN
    INSERT INTO search_rows (account_id, kind, id, parent_id, text, at) VALUES (new.account_id, 'message', new.id, new.conversation_id, new.text, new.created_at);
END;
CREATE TRIGGER search_message_update AFTER UPDATE OF text ON messages WHEN new.text <> old.text BEGIN
    UPDATE search_rows SET text = new.text WHERE kind = 'message' AND id = new.id;
END;
CREATE TRIGGER search_message_delete AFTER DELETE ON messages BEGIN
    DELETE FROM search_rows WHERE kind = 'message' AND id = old.id;
END;
-- A file can be found once it is whole.
CREATE TRIGGER search_attachment_insert AFTER INSERT ON attachments WHEN new.digest IS NOT NULL BEGIN
    INSERT INTO search_rows (account_id, kind, id, parent_id, text, at) VALUES (new.account_id, 'attachment', new.id, new.entry_id, new.name, new.created_at);
END;
CREATE TRIGGER search_attachment_whole AFTER UPDATE OF digest ON attachments WHEN old.digest IS NULL AND new.digest IS NOT NULL BEGIN
    INSERT INTO search_rows (account_id, kind, id, parent_id, text, at) VALUES (new.account_id, 'attachment', new.id, new.entry_id, new.name, new.created_at);
END;
CREATE TRIGGER search_attachment_delete AFTER DELETE ON attachments BEGIN
    DELETE FROM search_rows WHERE kind = 'attachment' AND id = old.id;
END;
