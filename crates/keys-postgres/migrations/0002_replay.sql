-- Nonces of messages that are being worked on or were completed, by group of consumers.
CREATE TABLE replay_nonces (
    consumer_group text COLLATE "C" NOT NULL,
    nonce          bytea NOT NULL,
    phase          text NOT NULL CHECK (phase IN ('free', 'reserved', 'committed')),
    identity       text NOT NULL,
    lease_until    timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (consumer_group, nonce)
);
CREATE INDEX replay_nonces_expiry ON replay_nonces (expires_at);
