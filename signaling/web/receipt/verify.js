/**
 * Checks a signed receipt without the server: everything in it is computed anew, with the browser's
 * own SHA-256 and Ed25519. No DOM.
 */

import { InvalidReceipt, RECORD, fail, readDocument } from "./document.js";
import { price, split } from "./price.js";

/** What is checked, in this order; the names are those of `coinline receipt verify`. */
export const CHECKS = [
  "format", "canonical", "chain", "records", "changes", "charge", "totals", "split", "signature", "key",
];

const TERMS_DOMAIN = "coinline receipt terms\n";
const SIGNED_DOMAIN = "coinline receipt\n";
const SIGNATURE_FIELD = ',"signature":"';

const bytesOf = (text) => new TextEncoder().encode(text);

/**
 * Resolves to `{document, charged, owed, keyCompared}` (amounts in BigInt micro-coins), or rejects
 * with an InvalidReceipt. Without `expectedKey`, the signature shows that the text is whole, not
 * who wrote it.
 */
export async function verify(text, expectedKey = null) {
  const document = readDocument(text);
  if ((await chainHead(document)) !== document.chain) {
    fail("chain", "the records are not those that were hashed");
  }
  checkRecords(document.records);
  checkChanges(document.bill.changes);
  checkCharges(document);
  const charged = checkTotals(document);
  const right = split(document);
  if (BigInt(document.bill.host) !== right.host || BigInt(document.bill.platform) !== right.platform) {
    fail("split", "the shares are not those that were agreed");
  }
  if (!(await isSigned(document, text))) fail("signature", "the signature is not of this text");
  if (expectedKey !== null && expectedKey !== document.key) fail("key", "signed by another key");
  const owed = price(document, document.bill.proven_ms, document.bill.video_ms);
  return { document, charged, owed, keyCompared: expectedKey !== null };
}

/** Whether this browser has what checking needs; pages that came by plain HTTP have not. */
export async function canVerify() {
  try {
    await importKey("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    return true;
  } catch {
    return false;
  }
}

async function chainHead({ terms, records }) {
  const hash = async (before, value) => {
    const text = bytesOf(JSON.stringify(value));
    const whole = new Uint8Array(before.length + text.length);
    whole.set(before);
    whole.set(text, before.length);
    return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
  };
  let head = await hash(bytesOf(TERMS_DOMAIN), terms);
  for (const record of records) head = await hash(head, record);
  return Array.from(head, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function checkRecords(records) {
  let before = null;
  for (const [n, record] of records.entries()) {
    const wrong = (what) => fail("records", `record ${n}: ${what}`);
    if (record[RECORD.n] !== n) wrong(`its number is ${record[RECORD.n]}`);
    if (before?.some((value, at) => value > record[at])) wrong("something that only grows has fallen");
    if (record[RECORD.proven] > record[RECORD.sent]) wrong("more was proven than sent");
    for (const part of ["video", "silent", "frozen"]) {
      if (record[RECORD[part]] > record[RECORD.proven]) wrong("a part is longer than the proven time");
    }
    before = record;
  }
}

function checkChanges(changes) {
  let [mediaBefore, videoBefore] = [0, 0];
  for (const [at, [n, media, video]] of changes.entries()) {
    if (n !== at + 1 || media < mediaBefore || video < videoBefore || video > media) {
      fail("changes", `change ${at + 1} does not follow the one before it`);
    }
    [mediaBefore, videoBefore] = [media, video];
  }
}

function checkCharges(document) {
  for (const record of document.records) {
    const right = price(document, record[RECORD.proven], record[RECORD.video]);
    if (BigInt(record[RECORD.charged]) > right) {
      fail("charge", `record ${record[RECORD.n]}: more was charged than its time costs`);
    }
  }
}

function checkTotals({ bill, records }) {
  const last = records.at(-1) ?? Array(18).fill(0);
  if (bill.proven_ms !== last[RECORD.proven] || bill.video_ms !== last[RECORD.video]) {
    fail("totals", "the billed time is not that of the last record");
  }
  const charged = BigInt(bill.paid) + BigInt(bill.promo);
  if (charged !== BigInt(last[RECORD.charged])) {
    fail("totals", "the charge is not that of the last record");
  }
  return charged;
}

async function isSigned({ key, signature }, text) {
  const signed = bytesOf(SIGNED_DOMAIN + text.slice(0, text.lastIndexOf(SIGNATURE_FIELD)));
  try {
    return await crypto.subtle.verify({ name: "Ed25519" }, await importKey(key), fromHex(signature), signed);
  } catch (error) {
    // Some digits are no key at all.
    if (await canVerify()) return false;
    throw error;
  }
}

function importKey(digits) {
  return crypto.subtle.importKey("raw", fromHex(digits), { name: "Ed25519" }, false, ["verify"]);
}

function fromHex(digits) {
  return Uint8Array.from(digits.match(/../g), (pair) => Number.parseInt(pair, 16));
}

export { InvalidReceipt };
