/**
 * Reading a signed receipt (crates/protocol/PROTOCOL.md, "Signed receipts"). Strict: every field,
 * no other, and only the one text that the content has. Touches no DOM.
 */

export const FORMAT = "coinline.receipt.1";

/** Larger numbers are not exact in JavaScript; amounts end exactly there. */
const NUMBER_MAX = 2 ** 53;
const RATE_MAX = 100_000_000_000;
const COUNT_MAX = 2 ** 32 - 1;
const SHARE_MAX = 10_000;

/** A receipt that is not as it should be: `check` names the first check that failed. */
export class InvalidReceipt extends Error {
  constructor(check, detail) {
    super(detail);
    this.name = "InvalidReceipt";
    this.check = check;
  }
}

/** Ends the checking: `check` failed. */
export function fail(check, detail) {
  throw new InvalidReceipt(check, detail);
}

const malformed = (what) => fail("format", `not a receipt: ${what}`);

const matching = (pattern) => (value, name) => {
  if (typeof value !== "string" || !pattern.test(value)) malformed(name);
  return value;
};

const upTo = (most) => (value, name) => {
  if (!Number.isInteger(value) || Object.is(value, -0) || value < 0 || value > most) malformed(name);
  return value;
};

const number = upTo(NUMBER_MAX);
const rate = upTo(RATE_MAX);
const count = upTo(COUNT_MAX);
const user = matching(/^[A-Za-z0-9._:@-]{1,64}$/);
const word = matching(/^[a-z_]{1,40}$/);
const hex = (bytes) => matching(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));

/** An object with exactly these fields, in their order. */
const object = (fields) => (value, name) => {
  if (value === null || typeof value !== "object" || Array.isArray(value)) malformed(name);
  const given = Object.keys(value);
  for (const key of given) if (!Object.hasOwn(fields, key)) malformed(`${key} is unknown`);
  // What is missing is undefined, and no field may be that.
  return Object.fromEntries(Object.entries(fields).map(([key, read]) => [key, read(value[key], key)]));
};

/** An array of just these. */
const tuple = (...reads) => (value, name) => {
  if (!Array.isArray(value) || value.length !== reads.length) malformed(name);
  return value.map((each, at) => reads[at](each, name));
};

const list = (read) => (value, name) => {
  if (!Array.isArray(value)) malformed(name);
  return value.map((each) => read(each, name));
};

/** Where each number of a record stands. */
export const RECORD = {
  n: 0, at: 1, sent: 2, proven: 3, lost: 4, packets: 5, bytes: 6, packets_lost: 7, sent_to_host: 8,
  video: 14, silent: 15, frozen: 16, charged: 17,
};

const record = tuple(count, ...Array(16).fill(number), number);
const change = tuple(count, number, number, rate, rate);

const FIELDS = {
  format: matching(/^[^"\\]*$/),
  terms: object({
    call: matching(/^[0-9a-fA-F-]{32,36}$/),
    fan: user,
    host: user,
    medium: matching(/^(voice|video)$/),
    voice_rate: rate,
    video_rate: rate,
    free_ms: number,
    pulse_ms: number,
    minimum_ms: number,
    connect_fee: number,
    host_share_bps: upTo(SHARE_MAX),
    opened_at_unix_ms: number,
  }),
  records: list(record),
  bill: object({
    changes: list(change),
    reason: word,
    ended_at_unix_ms: number,
    proven_ms: number,
    video_ms: number,
    paid: number,
    promo: number,
    host: number,
    platform: number,
  }),
  chain: hex(32),
  key: hex(32),
  signature: hex(64),
};

/** Reads a receipt, or throws an InvalidReceipt of `format` or `canonical`. */
export function readDocument(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    malformed("no JSON");
  }
  const document = object(FIELDS)(value, "the text");
  if (document.format !== FORMAT) malformed(`the format is not ${FORMAT}`);
  const canonical = JSON.stringify(document);
  // JSON.parse keeps the last of two fields of one name, and tells nobody.
  if (fieldCount(text) !== fieldCount(canonical)) malformed("a field stands twice");
  if (canonical !== text) fail("canonical", "the text is not written as receipts are");
  return document;
}

const fieldCount = (text) => text.match(/"[a-z_]+"\s*:/g)?.length;
