CREATE VIRTUAL TABLE journal_search USING fts5 (
    text, content = 'journal_entries', content_rowid = 'n', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO journal_search (journal_search) VALUES ('rebuild');
CREATE TRIGGER journal_search_insert AFTER INSERT ON journal_entries BEGIN
    INSERT INTO journal_search (rowid, text) VALUES (new.n, new.text);
END;
CREATE TRIGGER journal_search_delete AFTER DELETE ON journal_entries BEGIN
    INSERT INTO journal_search (journal_search, rowid, text) VALUES ('delete', old.n, old.text);
END;
CREATE TRIGGER journal_search_update AFTER UPDATE OF text ON journal_entries BEGIN
    INSERT INTO journal_search (journal_search, rowid, text) VALUES ('delete', old.n, old.text);
    INSERT INTO journal_search (rowid, text) VALUES (new.n, new.text);
END;
