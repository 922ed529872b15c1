/** The second implementation of receipts against the vectors of the first (crates/billing-core). */

import assert from "node:assert/strict";
import { test } from "node:test";
import { webcrypto } from "node:crypto";
import { read } from "./page.mjs";

globalThis.crypto ??= webcrypto;
const { CHECKS, canVerify, verify } = await import("../receipt/verify.js");
const { seconds } = await import("../receipt/seconds.js");

const vector = (name) => read(`../../../crates/billing-core/tests/receipts/${name}`);
const { key, ...outcomes } = JSON.parse(vector("outcomes.json"));

async function outcome(text, expected = key) {
  try {
    const { document, charged, owed } = await verify(text, expected);
    return `ok charged ${charged} owed ${owed} records ${document.records.length}`;
  } catch (error) {
    if (error.name !== "InvalidReceipt") throw error;
    return error.check;
  }
}

test("this machine has the means", async () => {
  assert.equal(await canVerify(), true);
});

test("both implementations judge every receipt alike", async () => {
  assert.ok(Object.keys(outcomes).length >= 30);
  for (const [name, expected] of Object.entries(outcomes)) {
    assert.equal(await outcome(vector(name)), expected, name);
  }
  const met = new Set(Object.values(outcomes).map((each) => each.split(" ")[0]));
  assert.deepEqual([...met].filter((each) => each !== "ok").sort(), [...CHECKS].sort());
});

test("without an expected key, another key passes and shows", async () => {
  const { document, keyCompared } = await verify(vector("another_key.json"));
  assert.equal(keyCompared, false);
  assert.notEqual(document.key, key);
});

test("one flipped bit fails", async () => {
  const text = vector("never_connected.json");
  assert.match(await outcome(text, null), /^ok/);
  const whole = new TextEncoder().encode(text);
  for (let at = 0; at < whole.length; at += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const bytes = whole.slice();
      bytes[at] ^= 1 << bit;
      const flipped = new TextDecoder().decode(bytes);
      assert.doesNotMatch(await outcome(flipped, null), /^ok/, `bit ${bit} of byte ${at}`);
    }
  }
});

test("one changed digit of a longer receipt fails", async () => {
  const text = vector("video_with_a_price_change.json");
  assert.match(await outcome(text, null), /^ok/);
  const places = [...text.matchAll(/[0-9a-f]/g)].map(({ index }) => index);
  for (const at of places) {
    const digit = text[at] === "7" ? "8" : "7";
    assert.doesNotMatch(await outcome(text.slice(0, at) + digit + text.slice(at + 1), null), /^ok/, `byte ${at}`);
  }
});

test("the chart's columns add up to the bill, however many there are", async () => {
  for (const name of ["voice.json", "free_time_pulse_minimum_fee.json", "video_with_a_price_change.json"]) {
    const { document } = await verify(vector(name));
    const { records, bill } = document;
    for (const most of [1, 2, 3, 100]) {
      const columns = seconds(document, most);
      assert.ok(columns.length <= Math.min(most, records.length));
      const sum = (part) => columns.reduce((total, column) => total + column[part], 0);
      assert.equal(sum("proven"), bill.proven_ms);
      assert.equal(sum("span"), records.at(-1)[1]);
      assert.equal(columns.at(-1).charged, bill.paid + bill.promo);
    }
  }
  const { document } = await verify(vector("free_time_pulse_minimum_fee.json"));
  assert.deepEqual(seconds(document, 9).map(({ free }) => free), [true, false, false, false, false]);
  assert.deepEqual(seconds((await verify(vector("never_connected.json"))).document, 9), []);
});
