DROP TRIGGER journal_search_update;
DROP TRIGGER journal_search_delete;
DROP TRIGGER journal_search_insert;
DROP TABLE journal_search;
