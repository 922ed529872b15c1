-- Amounts are micro-coins, 0 to 2^53; times are milliseconds. Totals only grow: a wallet's funds
-- are credited - settled - what its open calls were charged. Names sort by byte, as in the code.

CREATE DOMAIN micro_coins AS BIGINT NOT NULL CHECK (VALUE BETWEEN 0 AND 9007199254740992);
CREATE DOMAIN span_ms AS BIGINT NOT NULL CHECK (VALUE >= 0);
CREATE DOMAIN label AS TEXT COLLATE "C" NOT NULL;

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', MESSAGE = TG_ARGV[0]; END $$;

-- Who may write a shard's wallets, until when by this database's clock. The epoch counts owners.
CREATE TABLE shard (
    shard      SMALLINT    NOT NULL PRIMARY KEY CHECK (shard BETWEEN 0 AND 1023),
    epoch      BIGINT      NOT NULL,
    owner      UUID,
    expires_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

INSERT INTO shard SELECT n, 0, NULL, '-infinity' FROM generate_series(0, 1023) AS n;

CREATE TRIGGER epoch_never_falls BEFORE UPDATE ON shard FOR EACH ROW
WHEN (new.epoch < old.epoch) EXECUTE FUNCTION refuse('an epoch never falls');

-- Servers that want shards: each counts as one until it has not renewed for as long as a lease.
CREATE TABLE meter (
    id         UUID        NOT NULL PRIMARY KEY,
    expires_at TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE wallet (
    user_id        label PRIMARY KEY,
    shard          SMALLINT NOT NULL,
    credited_paid  micro_coins,
    credited_promo micro_coins,
    settled_paid   micro_coins,
    settled_promo  micro_coins,
    owed           micro_coins,
    CONSTRAINT wallet_is_never_negative
        CHECK (settled_paid <= credited_paid AND settled_promo <= credited_promo),
    CHECK (credited_paid + credited_promo <= 9007199254740992)
) WITH (fillfactor = 70);

CREATE INDEX wallet_by_shard ON wallet (shard);

CREATE TRIGGER wallet_totals_never_fall BEFORE UPDATE ON wallet FOR EACH ROW
WHEN (new.credited_paid < old.credited_paid OR new.credited_promo < old.credited_promo
    OR new.settled_paid < old.settled_paid OR new.settled_promo < old.settled_promo)
EXECUTE FUNCTION refuse('a wallet''s totals never fall');

-- `paid` and `promo` are what it put into the wallet; what of a purchase is missing in them paid off
-- what was owed. `call_id`, `payer` and `reason` are a refund's.
CREATE TABLE credit (
    id         label PRIMARY KEY,
    user_id    label,
    shard      SMALLINT NOT NULL,
    amount     micro_coins,
    paid       micro_coins,
    promo      micro_coins,
    kind       TEXT NOT NULL CHECK (kind IN ('purchase', 'promo', 'refund')),
    call_id    UUID,
    payer      TEXT,
    reason     TEXT,
    at_unix_ms span_ms,
    CHECK (paid + promo = amount OR (kind = 'purchase' AND paid + promo < amount)),
    CHECK ((kind = 'refund') = (call_id IS NOT NULL AND payer IS NOT NULL AND reason IS NOT NULL))
);

CREATE INDEX credit_by_user ON credit (shard, user_id);
CREATE INDEX credit_by_call ON credit (call_id) WHERE call_id IS NOT NULL;

CREATE TRIGGER credit_is_final BEFORE UPDATE OR DELETE ON credit FOR EACH ROW
EXECUTE FUNCTION refuse('a credit never changes');

-- `host` and `host_share_bps` are a gift's. `outcome` is null while it is under way.
CREATE TABLE spend (
    id             UUID NOT NULL PRIMARY KEY,
    fan            label,
    shard          SMALLINT NOT NULL,
    amount         micro_coins,
    kind           TEXT NOT NULL CHECK (kind IN ('gift', 'chargeback')),
    host           TEXT COLLATE "C",
    host_share_bps SMALLINT CHECK (host_share_bps BETWEEN 0 AND 10000),
    at_unix_ms     span_ms,
    outcome        TEXT CHECK (outcome IN ('taken', 'no_funds')),
    taken_paid     BIGINT CHECK (taken_paid >= 0),
    taken_promo    BIGINT CHECK (taken_promo >= 0),
    CHECK (taken_paid + taken_promo <= amount),
    CHECK ((kind = 'gift') = (host IS NOT NULL AND host_share_bps IS NOT NULL)),
    CHECK ((outcome IS NOT DISTINCT FROM 'taken')
        = (taken_paid IS NOT NULL AND taken_promo IS NOT NULL))
);

CREATE INDEX spend_by_fan ON spend (shard, fan);
CREATE INDEX spend_under_way ON spend (shard) WHERE outcome IS NULL;

CREATE TRIGGER spend_is_final BEFORE UPDATE ON spend FOR EACH ROW
WHEN (old.outcome IS NOT NULL OR new.fan <> old.fan OR new.amount <> old.amount
    OR new.kind <> old.kind OR new.host IS DISTINCT FROM old.host)
EXECUTE FUNCTION refuse('a gift or chargeback changes only by its outcome, once');

-- The terms are locked when the call is opened; `changes` is a JSON array of tariff changes. What
-- it was charged, what was proven and how many records of evidence there are stand in `live_call`
-- while it is open, and here once it has ended; then `reason` and `ended_at_unix_ms` are not null.
CREATE TABLE call (
    id                UUID NOT NULL PRIMARY KEY,
    shard             SMALLINT NOT NULL,
    fan               label,
    host              label,
    medium            TEXT NOT NULL CHECK (medium IN ('voice', 'video')),
    voice_per_minute  BIGINT NOT NULL CHECK (voice_per_minute BETWEEN 0 AND 100000000000),
    video_per_minute  BIGINT NOT NULL CHECK (video_per_minute BETWEEN 0 AND 100000000000),
    free_ms           span_ms,
    pulse_ms          span_ms,
    minimum_ms        span_ms,
    connect_fee       micro_coins,
    host_share_bps    SMALLINT NOT NULL CHECK (host_share_bps BETWEEN 0 AND 10000),
    changes           JSONB NOT NULL,
    opened_at_unix_ms span_ms,
    seen_at_unix_ms   span_ms,
    media_ms          span_ms,
    video_ms          span_ms,
    charged_paid      micro_coins,
    charged_promo     micro_coins,
    posted_paid       micro_coins,
    posted_promo      micro_coins,
    settlements       BIGINT NOT NULL CHECK (settlements >= 0),
    evidence_n        BIGINT NOT NULL,
    ended_at_unix_ms  BIGINT,
    reason            TEXT,
    CHECK ((reason IS NULL) = (ended_at_unix_ms IS NULL)),
    CHECK (reason IS NULL OR (posted_paid = charged_paid AND posted_promo = charged_promo))
) WITH (fillfactor = 80);

CREATE INDEX call_by_fan ON call (shard, fan);

CREATE TRIGGER receipt_is_final BEFORE UPDATE OR DELETE ON call FOR EACH ROW
WHEN (old.reason IS NOT NULL) EXECUTE FUNCTION refuse('a settled call never changes');

CREATE TRIGGER terms_are_locked BEFORE UPDATE ON call FOR EACH ROW
WHEN (new.fan <> old.fan OR new.host <> old.host OR new.medium <> old.medium
    OR new.voice_per_minute <> old.voice_per_minute OR new.video_per_minute <> old.video_per_minute
    OR new.free_ms <> old.free_ms OR new.pulse_ms <> old.pulse_ms
    OR new.minimum_ms <> old.minimum_ms OR new.connect_fee <> old.connect_fee
    OR new.host_share_bps <> old.host_share_bps)
EXECUTE FUNCTION refuse('a call''s terms never change');

CREATE TRIGGER posted_never_falls BEFORE UPDATE ON call FOR EACH ROW
WHEN (new.posted_paid < old.posted_paid OR new.posted_promo < old.posted_promo)
EXECUTE FUNCTION refuse('what is posted never falls');

-- Progress of the calls that are open, apart from their terms: it is written every few seconds, so
-- the rows are narrow, none of their indexes ever changes, and each page has room for a second
-- version of every row.
CREATE TABLE live_call (
    id              UUID NOT NULL PRIMARY KEY,
    shard           SMALLINT NOT NULL,
    fan             label,
    seen_at_unix_ms span_ms,
    media_ms        span_ms,
    video_ms        span_ms,
    charged_paid    micro_coins,
    charged_promo   micro_coins,
    evidence_n      BIGINT NOT NULL
) WITH (fillfactor = 45);

CREATE INDEX live_call_by_fan ON live_call (shard, fan);

CREATE TRIGGER charge_never_falls BEFORE UPDATE ON live_call FOR EACH ROW
WHEN (new.charged_paid < old.charged_paid OR new.charged_promo < old.charged_promo
    OR new.media_ms < old.media_ms OR new.video_ms < old.video_ms)
EXECUTE FUNCTION refuse('a charge never falls');

-- The records of one checkpoint, packed; the first is number `first_n`.
CREATE TABLE evidence (
    call_id UUID   NOT NULL,
    first_n BIGINT NOT NULL,
    records BYTEA  NOT NULL,
    PRIMARY KEY (call_id, first_n)
);

-- Signed receipts, byte by byte as they were signed.
CREATE TABLE document (
    call_id  UUID NOT NULL PRIMARY KEY,
    document TEXT NOT NULL
);

CREATE TRIGGER document_is_final BEFORE UPDATE OR DELETE ON document FOR EACH ROW
EXECUTE FUNCTION refuse('a signed receipt never changes');

CREATE TABLE host_month (
    host        label,
    month       label,
    shard       SMALLINT NOT NULL,
    gross       micro_coins,
    earned      micro_coins,
    adjustments BIGINT NOT NULL,
    PRIMARY KEY (host, month)
) WITH (fillfactor = 70);

CREATE INDEX host_month_by_shard ON host_month (shard);

-- Each row moves one amount from one account to another, so the books balance by construction. The
-- shard is the fan's, or without one the host's.
CREATE TABLE posting (
    entry        label,
    n            BIGINT NOT NULL,
    shard        SMALLINT NOT NULL,
    from_account label,
    to_account   label CHECK (to_account <> from_account),
    amount       BIGINT NOT NULL CHECK (amount BETWEEN 1 AND 9007199254740992),
    PRIMARY KEY (entry, n)
);

CREATE INDEX posting_by_shard ON posting (shard);

CREATE TRIGGER posting_is_final BEFORE UPDATE OR DELETE ON posting FOR EACH ROW
EXECUTE FUNCTION refuse('a posting never changes');
CREATE TRIGGER postings_are_not_emptied BEFORE TRUNCATE ON posting FOR EACH STATEMENT
EXECUTE FUNCTION refuse('a posting never goes away');
