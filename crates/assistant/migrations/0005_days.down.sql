DELETE FROM jobs WHERE queue = 'day';
DROP TABLE summaries;
DROP TABLE mornings;
DROP TABLE reminders;
ALTER TABLE tasks DROP COLUMN recurrence;
ALTER TABLE tasks DROP COLUMN tags;
