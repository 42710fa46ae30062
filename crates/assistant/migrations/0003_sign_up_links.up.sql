CREATE TABLE sign_up_links (
    token_hash TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL) STRICT;
