-- Devices that are told of notifications by Web Push.
CREATE TABLE push_subscriptions (
    -- Where the device's push service takes messages; nobody else knows it.
    endpoint TEXT NOT NULL PRIMARY KEY,
    sub TEXT NOT NULL,
    -- The device's public key and secret, base64url.
    p256dh TEXT NOT NULL,
    auth TEXT NOT NULL,
    at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX push_subscriptions_by_user ON push_subscriptions (sub, at);
