-- KEKs of tenants, each encrypted under a master key. A destroyed row stays: it is the tombstone
-- that keeps a shredded tenant from being created anew.
CREATE TABLE kms_keys (
    tenant_id        text COLLATE "C" NOT NULL,
    key_version      bigint NOT NULL CHECK (key_version BETWEEN 1 AND 4294967295),
    encrypted_key    bytea,
    master_key_id    text COLLATE "C" NOT NULL,
    master_algorithm text NOT NULL,
    key_algorithm    text NOT NULL,
    status           text NOT NULL
        CHECK (status IN ('active', 'decrypt_only', 'pending_deletion', 'destroyed')),
    created_at       timestamptz NOT NULL DEFAULT now(),
    rotated_at       timestamptz,
    expires_at       timestamptz,
    PRIMARY KEY (tenant_id, key_version),
    CHECK ((status = 'destroyed') = (encrypted_key IS NULL)),
    CHECK (status <> 'pending_deletion' OR expires_at IS NOT NULL)
);
CREATE UNIQUE INDEX kms_keys_one_active ON kms_keys (tenant_id) WHERE status = 'active';
CREATE INDEX kms_keys_pending ON kms_keys (expires_at) WHERE status = 'pending_deletion';

-- Named DEKs, each wrapped by a version of its tenant's KEK. A retired row stays, so that no other
-- key takes its id.
CREATE TABLE kms_deks (
    tenant_id   text COLLATE "C" NOT NULL,
    ring        text COLLATE "C" NOT NULL,
    key_id      text COLLATE "C" NOT NULL,
    wrapped_dek bytea,
    kek_version bigint NOT NULL,
    status      text NOT NULL CHECK (status IN ('current', 'valid', 'retired')),
    created_at  timestamptz NOT NULL DEFAULT now(),
    retired_at  timestamptz,
    PRIMARY KEY (tenant_id, ring, key_id),
    CHECK ((status = 'retired') = (wrapped_dek IS NULL))
);
CREATE UNIQUE INDEX kms_deks_one_current ON kms_deks (tenant_id, ring) WHERE status = 'current';

-- How far a re-wrapping got: position is the primary key of the last row of the last batch.
CREATE TABLE re_encryption_jobs (
    job_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('master_key', 'stored_deks')),
    target       text COLLATE "C" NOT NULL,
    status       text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'finished', 'incomplete')),
    position     text[],
    rows_done    bigint NOT NULL DEFAULT 0,
    pass_done    bigint NOT NULL DEFAULT 0,
    pass_refused bigint NOT NULL DEFAULT 0,
    started_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);
CREATE UNIQUE INDEX re_encryption_jobs_running
    ON re_encryption_jobs (kind, target) WHERE status = 'running';
