-- What is said beside the sound. Times are microseconds since the Unix epoch.
-- Both databases hold the same tables; only keys that count by themselves,
-- the clustering of rows and full-text search differ.

CREATE TABLE users (
    sub TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    last_seen BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

-- A series of durable events: the id of a room, or `inbox:` and a user.
CREATE TABLE channels (
    name TEXT NOT NULL PRIMARY KEY,
    epoch TEXT NOT NULL,
    -- The offset of the newest event.
    last_seq BIGINT NOT NULL DEFAULT 0,
    -- Events up to this offset are gone; older positions cannot be resumed.
    trimmed BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE events (
    channel TEXT NOT NULL,
    seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (channel, seq)
);
CREATE INDEX events_by_age ON events (at);

CREATE TABLE rooms (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    topic TEXT NOT NULL DEFAULT '',
    owner TEXT,
    -- Of a station's room.
    station TEXT UNIQUE,
    -- Of a direct conversation: both users in order, so that there is one for any two.
    pair TEXT UNIQUE,
    slow_mode_s BIGINT NOT NULL DEFAULT 0,
    followers_only BIGINT NOT NULL DEFAULT 0,
    transient BIGINT NOT NULL DEFAULT 0,
    members BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL DEFAULT 1,
    -- When a conversation was last written to.
    last_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX rooms_by_name ON rooms (kind, name, id);

CREATE TABLE members (
    room TEXT NOT NULL,
    sub TEXT NOT NULL,
    -- 1 member, 2 moderator, 3 owner.
    role BIGINT NOT NULL,
    delivered BIGINT NOT NULL DEFAULT 0,
    read BIGINT NOT NULL DEFAULT 0,
    -- Kept for conversations only; rooms count when asked.
    unread BIGINT NOT NULL DEFAULT 0,
    -- A direct conversation the user removed from the list, until the next message.
    hidden BIGINT NOT NULL DEFAULT 0,
    last_sent_at BIGINT NOT NULL DEFAULT 0,
    joined_at BIGINT NOT NULL,
    PRIMARY KEY (room, sub)
);
CREATE INDEX members_by_user ON members (sub, room);

CREATE TABLE invitations (
    room TEXT NOT NULL,
    sub TEXT NOT NULL,
    by TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (room, sub)
);

CREATE TABLE messages (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room TEXT NOT NULL,
    seq BIGINT NOT NULL,
    -- Empty for what the server says.
    sender TEXT NOT NULL,
    sender_name TEXT,
    client_id TEXT,
    -- JSON; empty once deleted.
    content TEXT NOT NULL,
    -- What full-text search finds it by.
    words TEXT NOT NULL,
    search TSVECTOR GENERATED ALWAYS AS (to_tsvector('simple', words)) STORED,
    reply_to BIGINT,
    thread BIGINT,
    replies BIGINT NOT NULL DEFAULT 0,
    mentions TEXT NOT NULL DEFAULT '[]',
    reactions TEXT NOT NULL DEFAULT '{}',
    version BIGINT NOT NULL DEFAULT 1,
    at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX messages_by_seq ON messages (room, seq);
CREATE UNIQUE INDEX messages_by_client_id ON messages (sender, client_id);
CREATE INDEX messages_by_thread ON messages (room, thread, seq) WHERE thread IS NOT NULL;
CREATE INDEX messages_by_age ON messages (at);

CREATE INDEX messages_by_words ON messages USING gin (search);

-- What a message said before it was edited or deleted, for moderators.
CREATE TABLE message_versions (
    room TEXT NOT NULL,
    seq BIGINT NOT NULL,
    version BIGINT NOT NULL,
    content TEXT NOT NULL,
    by TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (room, seq, version)
);

CREATE TABLE reactions (
    room TEXT NOT NULL,
    seq BIGINT NOT NULL,
    reaction TEXT NOT NULL,
    sub TEXT NOT NULL,
    PRIMARY KEY (room, seq, reaction, sub)
);

CREATE TABLE notifications (
    sub TEXT NOT NULL,
    seq BIGINT NOT NULL,
    -- JSON.
    event TEXT NOT NULL,
    -- What reading it elsewhere marks it read by; a conversation's id.
    about TEXT,
    read BIGINT NOT NULL DEFAULT 0,
    at BIGINT NOT NULL,
    PRIMARY KEY (sub, seq)
);
CREATE INDEX notifications_unread ON notifications (sub, about) WHERE read = 0;
CREATE INDEX notifications_by_age ON notifications (at);

CREATE TABLE sanctions (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind TEXT NOT NULL,
    -- Empty is everywhere.
    room TEXT NOT NULL,
    sub TEXT,
    -- First and last address, IPv4 mapped into IPv6, as 32 hexadecimal digits.
    first_address TEXT,
    last_address TEXT,
    network TEXT,
    reason TEXT,
    by TEXT NOT NULL,
    at BIGINT NOT NULL,
    until BIGINT
);
CREATE INDEX sanctions_by_room ON sanctions (room, sub);

CREATE TABLE blocked_words (
    room TEXT NOT NULL,
    word TEXT NOT NULL,
    PRIMARY KEY (room, word)
);

CREATE TABLE reports (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room TEXT NOT NULL,
    seq BIGINT NOT NULL,
    author TEXT NOT NULL,
    words TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    at BIGINT NOT NULL,
    resolved_by TEXT,
    resolved_at BIGINT,
    UNIQUE (room, seq, by)
);
CREATE INDEX reports_open ON reports (room, id) WHERE resolved_at IS NULL;

CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room TEXT NOT NULL,
    by TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX audit_by_room ON audit (room, id);

CREATE TABLE interactions (
    station TEXT NOT NULL,
    kind TEXT NOT NULL,
    sub TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (station, kind, sub)
);
CREATE INDEX interactions_by_user ON interactions (sub, kind, station);

CREATE TABLE interaction_counts (
    station TEXT NOT NULL PRIMARY KEY,
    likes BIGINT NOT NULL DEFAULT 0,
    favourites BIGINT NOT NULL DEFAULT 0,
    followers BIGINT NOT NULL DEFAULT 0,
    shares BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE uploads (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    content_type TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX uploads_by_owner ON uploads (owner, at);

-- Where an upload is shown: who may read the room may fetch it.
CREATE TABLE upload_uses (
    upload TEXT NOT NULL,
    room TEXT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (upload, room, seq)
);
