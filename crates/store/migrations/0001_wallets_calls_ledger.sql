-- Amounts are micro-coins, 0 to 2^53; times are milliseconds. Totals only grow: a wallet's balance
-- is credited - spent.

CREATE TABLE wallet (
    user     TEXT    NOT NULL PRIMARY KEY,
    credited INTEGER NOT NULL CHECK (credited BETWEEN 0 AND 9007199254740992),
    spent    INTEGER NOT NULL CHECK (spent BETWEEN 0 AND credited)
) STRICT, WITHOUT ROWID;

CREATE TABLE credit (
    id         TEXT    NOT NULL PRIMARY KEY,
    user       TEXT    NOT NULL REFERENCES wallet (user),
    amount     INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 9007199254740992),
    at_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX credit_by_user ON credit (user);

-- The terms are locked when the call is opened. `reason` and `ended_at_unix_ms` are null until it
-- is settled.
CREATE TABLE call (
    id                TEXT    NOT NULL PRIMARY KEY,
    fan               TEXT    NOT NULL REFERENCES wallet (user),
    host              TEXT    NOT NULL,
    medium            TEXT    NOT NULL CHECK (medium IN ('voice', 'video')),
    rate_per_minute   INTEGER NOT NULL CHECK (rate_per_minute BETWEEN 0 AND 100000000000),
    free_ms           INTEGER NOT NULL CHECK (free_ms >= 0),
    host_share_bps    INTEGER NOT NULL CHECK (host_share_bps BETWEEN 0 AND 10000),
    opened_at_unix_ms INTEGER NOT NULL,
    seen_at_unix_ms   INTEGER NOT NULL,
    media_ms          INTEGER NOT NULL CHECK (media_ms >= 0),
    charged           INTEGER NOT NULL CHECK (charged BETWEEN 0 AND 9007199254740992),
    ended_at_unix_ms  INTEGER,
    reason            TEXT,
    CHECK ((reason IS NULL) = (ended_at_unix_ms IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX call_by_fan ON call (fan);
CREATE INDEX call_open ON call (id) WHERE reason IS NULL;

CREATE TRIGGER charge_never_falls BEFORE UPDATE ON call
WHEN new.charged < old.charged OR new.media_ms < old.media_ms
BEGIN SELECT raise(ABORT, 'a charge never falls'); END;

CREATE TRIGGER receipt_is_final BEFORE UPDATE ON call WHEN old.reason IS NOT NULL
BEGIN SELECT raise(ABORT, 'a settled call never changes'); END;

-- Each row moves one amount from one account to another.
CREATE TABLE posting (
    entry        TEXT    NOT NULL,
    n            INTEGER NOT NULL,
    from_account TEXT    NOT NULL,
    to_account   TEXT    NOT NULL CHECK (to_account <> from_account),
    amount       INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740992),
    PRIMARY KEY (entry, n)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER posting_is_final_on_update BEFORE UPDATE ON posting
BEGIN SELECT raise(ABORT, 'a posting never changes'); END;

CREATE TRIGGER posting_is_final_on_delete BEFORE DELETE ON posting
BEGIN SELECT raise(ABORT, 'a posting never goes away'); END;
