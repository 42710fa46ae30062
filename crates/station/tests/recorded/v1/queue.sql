CREATE TABLE cursor (keeper TEXT NOT NULL, after INTEGER NOT NULL);
CREATE TABLE known (id TEXT PRIMARY KEY, keeper TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE event (id TEXT PRIMARY KEY, name TEXT NOT NULL, site TEXT, body TEXT NOT NULL);
CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY, event TEXT NOT NULL REFERENCES event, hook TEXT NOT NULL,
    tries INTEGER NOT NULL, next_ms INTEGER NOT NULL, delay_ms INTEGER NOT NULL, UNIQUE (event, hook)
);
CREATE INDEX due ON delivery (hook, next_ms);
CREATE TABLE hook (
    key TEXT PRIMARY KEY, delivered INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
    last_delivery TEXT, last_error TEXT
);
CREATE TABLE dead (seq INTEGER PRIMARY KEY, told TEXT NOT NULL);
INSERT INTO cursor VALUES ('K1', 7);
INSERT INTO known VALUES ('evt_1', 'K1');
INSERT INTO event VALUES ('evt_1', 'deploy.served', 'shop/production', '{"type":"deploy.served","data":{"n":1}}');
INSERT INTO delivery VALUES (1, 'evt_1', 'HOOK', 3, 0, 4000);
PRAGMA user_version = 1;
