-- Files that no upload has any more, until they are removed.
CREATE TABLE unused_files (
    sha256 TEXT NOT NULL PRIMARY KEY,
    -- Removed from then on.
    due BIGINT NOT NULL
);
CREATE INDEX unused_files_by_due ON unused_files (due);
CREATE INDEX uploads_by_content ON uploads (sha256);
CREATE INDEX uploads_by_age ON uploads (at);
