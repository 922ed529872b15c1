-- Amounts are micro-coins, 0 to 2^53; times are milliseconds. Totals only grow: a wallet's funds
-- are credited - settled - what its open calls were charged. Ids are UUIDs in 16 bytes.

-- Who may write a shard's wallets, and until when. The epoch counts owners.
CREATE TABLE shard (
    shard         INTEGER NOT NULL PRIMARY KEY CHECK (shard BETWEEN 0 AND 1023),
    epoch         INTEGER NOT NULL,
    owner         BLOB,
    until_unix_ms INTEGER NOT NULL
) STRICT;

WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 1023)
INSERT INTO shard SELECT n, 0, NULL, 0 FROM n;

CREATE TRIGGER epoch_never_falls BEFORE UPDATE ON shard WHEN new.epoch < old.epoch
BEGIN SELECT raise(ABORT, 'an epoch never falls'); END;

-- Who asked for shards, and until when it counts as an owner.
CREATE TABLE meter (
    id            BLOB    NOT NULL PRIMARY KEY,
    until_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE wallet (
    user_id        TEXT    NOT NULL PRIMARY KEY,
    shard          INTEGER NOT NULL,
    credited_paid  INTEGER NOT NULL CHECK (credited_paid >= 0),
    credited_promo INTEGER NOT NULL CHECK (credited_promo >= 0),
    settled_paid   INTEGER NOT NULL CHECK (settled_paid BETWEEN 0 AND credited_paid),
    settled_promo  INTEGER NOT NULL CHECK (settled_promo BETWEEN 0 AND credited_promo),
    owed           INTEGER NOT NULL CHECK (owed BETWEEN 0 AND 9007199254740992),
    CHECK (credited_paid + credited_promo <= 9007199254740992)
) STRICT, WITHOUT ROWID;

CREATE INDEX wallet_by_shard ON wallet (shard);

CREATE TRIGGER wallet_totals_never_fall BEFORE UPDATE ON wallet
WHEN new.credited_paid < old.credited_paid OR new.credited_promo < old.credited_promo
    OR new.settled_paid < old.settled_paid OR new.settled_promo < old.settled_promo
BEGIN SELECT raise(ABORT, 'a wallet''s totals never fall'); END;

-- `paid` and `promo` are what it put into the wallet; what of a purchase is missing in them paid off
-- what was owed. `call_id`, `payer` and `reason` are a refund's.
CREATE TABLE credit (
    id         TEXT    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL REFERENCES wallet (user_id),
    shard      INTEGER NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 9007199254740992),
    paid       INTEGER NOT NULL CHECK (paid >= 0),
    promo      INTEGER NOT NULL CHECK (promo >= 0),
    kind       TEXT    NOT NULL CHECK (kind IN ('purchase', 'promo', 'refund')),
    call_id    BLOB,
    payer      TEXT,
    reason     TEXT,
    at_unix_ms INTEGER NOT NULL CHECK (at_unix_ms >= 0),
    CHECK (paid + promo = amount OR (kind = 'purchase' AND paid + promo < amount)),
    CHECK ((kind = 'refund') = (call_id IS NOT NULL AND payer IS NOT NULL AND reason IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX credit_by_shard ON credit (shard);
CREATE INDEX credit_by_call ON credit (call_id) WHERE call_id IS NOT NULL;

CREATE TRIGGER credit_is_final_on_update BEFORE UPDATE ON credit
BEGIN SELECT raise(ABORT, 'a credit never changes'); END;
CREATE TRIGGER credit_is_final_on_delete BEFORE DELETE ON credit
BEGIN SELECT raise(ABORT, 'a credit never goes away'); END;

-- `host` and `host_share_bps` are a gift's. `outcome` is null while it is under way.
CREATE TABLE spend (
    id             BLOB    NOT NULL PRIMARY KEY,
    fan            TEXT    NOT NULL REFERENCES wallet (user_id),
    shard          INTEGER NOT NULL,
    amount         INTEGER NOT NULL CHECK (amount BETWEEN 0 AND 9007199254740992),
    kind           TEXT    NOT NULL CHECK (kind IN ('gift', 'chargeback')),
    host           TEXT,
    host_share_bps INTEGER CHECK (host_share_bps BETWEEN 0 AND 10000),
    at_unix_ms     INTEGER NOT NULL CHECK (at_unix_ms >= 0),
    outcome        TEXT CHECK (outcome IN ('taken', 'no_funds')),
    taken_paid     INTEGER CHECK (taken_paid >= 0),
    taken_promo    INTEGER CHECK (taken_promo >= 0),
    CHECK (taken_paid + taken_promo <= amount),
    CHECK ((kind = 'gift') = (host IS NOT NULL AND host_share_bps IS NOT NULL)),
    CHECK ((outcome IS 'taken') = (taken_paid IS NOT NULL AND taken_promo IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX spend_by_shard ON spend (shard);
CREATE INDEX spend_under_way ON spend (shard) WHERE outcome IS NULL;

CREATE TRIGGER spend_is_final BEFORE UPDATE ON spend
WHEN old.outcome IS NOT NULL OR new.fan <> old.fan OR new.amount <> old.amount
    OR new.kind <> old.kind OR new.host IS NOT old.host
BEGIN SELECT raise(ABORT, 'a gift or chargeback changes only by its outcome, once'); END;

-- The terms are locked when the call is opened; `changes` is a JSON array of tariff changes. What
-- it was charged, what was proven and how many records of evidence there are stand in `progress`
-- while it is open, and here once it has ended; then `reason` and `ended_at_unix_ms` are not null.
CREATE TABLE call (
    id                BLOB    NOT NULL PRIMARY KEY,
    shard             INTEGER NOT NULL,
    fan               TEXT    NOT NULL REFERENCES wallet (user_id),
    host              TEXT    NOT NULL,
    medium            TEXT    NOT NULL CHECK (medium IN ('voice', 'video')),
    voice_per_minute  INTEGER NOT NULL CHECK (voice_per_minute BETWEEN 0 AND 100000000000),
    video_per_minute  INTEGER NOT NULL CHECK (video_per_minute BETWEEN 0 AND 100000000000),
    free_ms           INTEGER NOT NULL CHECK (free_ms >= 0),
    pulse_ms          INTEGER NOT NULL CHECK (pulse_ms >= 0),
    minimum_ms        INTEGER NOT NULL CHECK (minimum_ms >= 0),
    connect_fee       INTEGER NOT NULL CHECK (connect_fee BETWEEN 0 AND 9007199254740992),
    host_share_bps    INTEGER NOT NULL CHECK (host_share_bps BETWEEN 0 AND 10000),
    changes           TEXT    NOT NULL,
    opened_at_unix_ms INTEGER NOT NULL CHECK (opened_at_unix_ms >= 0),
    seen_at_unix_ms   INTEGER NOT NULL CHECK (seen_at_unix_ms >= 0),
    media_ms          INTEGER NOT NULL CHECK (media_ms >= 0),
    video_ms          INTEGER NOT NULL CHECK (video_ms >= 0),
    charged_paid      INTEGER NOT NULL CHECK (charged_paid BETWEEN 0 AND 9007199254740992),
    charged_promo     INTEGER NOT NULL CHECK (charged_promo BETWEEN 0 AND 9007199254740992),
    posted_paid       INTEGER NOT NULL CHECK (posted_paid BETWEEN 0 AND 9007199254740992),
    posted_promo      INTEGER NOT NULL CHECK (posted_promo BETWEEN 0 AND 9007199254740992),
    settlements       INTEGER NOT NULL CHECK (settlements >= 0),
    evidence_n        INTEGER NOT NULL CHECK (evidence_n >= 0),
    ended_at_unix_ms  INTEGER,
    reason            TEXT,
    CHECK ((reason IS NULL) = (ended_at_unix_ms IS NULL)),
    CHECK (reason IS NULL OR (posted_paid = charged_paid AND posted_promo = charged_promo))
) STRICT, WITHOUT ROWID;

CREATE INDEX call_by_shard ON call (shard);

CREATE TRIGGER receipt_is_final BEFORE UPDATE ON call WHEN old.reason IS NOT NULL
BEGIN SELECT raise(ABORT, 'a settled call never changes'); END;
CREATE TRIGGER call_never_goes_away BEFORE DELETE ON call
BEGIN SELECT raise(ABORT, 'a call never goes away'); END;

CREATE TRIGGER terms_are_locked BEFORE UPDATE ON call
WHEN new.fan <> old.fan OR new.host <> old.host OR new.medium <> old.medium
    OR new.voice_per_minute <> old.voice_per_minute OR new.video_per_minute <> old.video_per_minute
    OR new.free_ms <> old.free_ms OR new.pulse_ms <> old.pulse_ms
    OR new.minimum_ms <> old.minimum_ms OR new.connect_fee <> old.connect_fee
    OR new.host_share_bps <> old.host_share_bps
BEGIN SELECT raise(ABORT, 'a call''s terms never change'); END;

CREATE TRIGGER posted_never_falls BEFORE UPDATE ON call
WHEN new.posted_paid < old.posted_paid OR new.posted_promo < old.posted_promo
BEGIN SELECT raise(ABORT, 'what is posted never falls'); END;

-- The calls that are open. Their progress is found by `n`, which is cheaper than by id;
-- AUTOINCREMENT never uses one again, so that whoever remembers that of a call that has ended
-- finds nothing.
CREATE TABLE live_call (
    n     INTEGER PRIMARY KEY AUTOINCREMENT,
    id    BLOB    NOT NULL UNIQUE REFERENCES call (id),
    shard INTEGER NOT NULL,
    fan   TEXT    NOT NULL
) STRICT;

CREATE INDEX live_call_by_fan ON live_call (fan);
CREATE INDEX live_call_by_shard ON live_call (shard);

-- What is written every second of every open call, and nothing else, so that a page holds many. A
-- reference is looked up only where a row is new: it keeps out calls that are not open.
CREATE TABLE progress (
    n               INTEGER PRIMARY KEY REFERENCES live_call (n) ON DELETE CASCADE,
    seen_at_unix_ms INTEGER NOT NULL,
    media_ms        INTEGER NOT NULL CHECK (media_ms >= 0),
    video_ms        INTEGER NOT NULL CHECK (video_ms >= 0),
    charged_paid    INTEGER NOT NULL CHECK (charged_paid BETWEEN 0 AND 9007199254740992),
    charged_promo   INTEGER NOT NULL CHECK (charged_promo BETWEEN 0 AND 9007199254740992),
    evidence_n      INTEGER NOT NULL CHECK (evidence_n >= 0)
) STRICT;

CREATE TRIGGER charge_never_falls BEFORE UPDATE ON progress
WHEN new.charged_paid < old.charged_paid OR new.charged_promo < old.charged_promo
    OR new.media_ms < old.media_ms OR new.video_ms < old.video_ms
BEGIN SELECT raise(ABORT, 'a charge never falls'); END;

-- The records of one checkpoint, packed; the first is number `first_n`.
CREATE TABLE evidence (
    call_id BLOB    NOT NULL,
    first_n INTEGER NOT NULL,
    records BLOB    NOT NULL,
    PRIMARY KEY (call_id, first_n)
) STRICT, WITHOUT ROWID;

-- Signed receipts, byte by byte as they were signed.
CREATE TABLE document (
    call_id  BLOB NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER document_is_final_on_update BEFORE UPDATE ON document
BEGIN SELECT raise(ABORT, 'a signed receipt never changes'); END;
CREATE TRIGGER document_is_final_on_delete BEFORE DELETE ON document
BEGIN SELECT raise(ABORT, 'a signed receipt never goes away'); END;

CREATE TABLE host_month (
    host        TEXT    NOT NULL,
    month       TEXT    NOT NULL,
    shard       INTEGER NOT NULL,
    gross       INTEGER NOT NULL CHECK (gross >= 0),
    earned      INTEGER NOT NULL CHECK (earned >= 0),
    adjustments INTEGER NOT NULL CHECK (adjustments >= 0),
    PRIMARY KEY (host, month)
) STRICT, WITHOUT ROWID;

CREATE INDEX host_month_by_shard ON host_month (shard);

-- Each row moves one amount from one account to another, so the books balance by construction. The
-- shard is the fan's, or without one the host's.
CREATE TABLE posting (
    entry        TEXT    NOT NULL,
    n            INTEGER NOT NULL,
    shard        INTEGER NOT NULL,
    from_account TEXT    NOT NULL,
    to_account   TEXT    NOT NULL CHECK (to_account <> from_account),
    amount       INTEGER NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740992),
    PRIMARY KEY (entry, n)
) STRICT, WITHOUT ROWID;

CREATE INDEX posting_by_shard ON posting (shard);

CREATE TRIGGER posting_is_final_on_update BEFORE UPDATE ON posting
BEGIN SELECT raise(ABORT, 'a posting never changes'); END;
CREATE TRIGGER posting_is_final_on_delete BEFORE DELETE ON posting
BEGIN SELECT raise(ABORT, 'a posting never goes away'); END;
