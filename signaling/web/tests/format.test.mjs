import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import * as format from "../format.js";

beforeEach(() => format.setFormatLocale("en"));

test("coins are exact integers, rounded only in the direction asked for", () => {
  const table = [
    [0, "0.00", "0.00", "0.00"],
    [1, "0.00", "0.01", "0.000001"],
    [8_133_333, "8.13", "8.14", "8.133333"],
    [9_999, "0.00", "0.01", "0.009999"],
    [10_000, "0.01", "0.01", "0.01"],
    [1_234_567_890_000, "1,234,567.89", "1,234,567.89", "1,234,567.89"],
    [2_500_000, "2.50", "2.50", "2.50"],
    // The largest wallet: a float of coins would lose its last digits.
    [2 ** 53 - 1, "9,007,199,254.74", "9,007,199,254.75", "9,007,199,254.740991"],
  ];
  for (const [micro, down, up, exact] of table) {
    assert.equal(format.coins(micro), down);
    assert.equal(format.coins(micro, "up"), up);
    assert.equal(format.coinsExactly(micro), exact);
  }
});

test("what is spent and what is left add up to a whole balance", () => {
  const cents = (text) => Number(text.replace(".", ""));
  for (let spent = 0; spent < 3_000_000; spent += 13_337) {
    const shown = cents(format.coins(spent, "up")) + cents(format.coins(3_000_000 - spent));
    assert.equal(shown, 300);
  }
});

test("a typed price is read exactly, in any digits, or not at all", () => {
  const table = [
    ["5", 5_000_000], ["5.", 5_000_000], [" 5.5 ", 5_500_000], ["5,25", 5_250_000], ["0.000001", 1],
    ["12.345678", 12_345_678], ["٥٫٥٠", 5_500_000], ["۱۲", 12_000_000],
    ["", null], [".", null], ["-1", null], ["1e3", null], ["5.0000001", null], ["abc", null],
    ["1.2.3", null], ["9999999999", null],
  ];
  for (const [text, micro] of table) assert.equal(format.parseCoins(text), micro, text);
});

test("what is offered for editing is read back unchanged in both languages", () => {
  for (const locale of ["en", "ar-EG", "de"]) {
    format.setFormatLocale(locale);
    for (const micro of [0, 1, 1_000_000, 4_990_000, 12_345_678, 1_234_500_000]) {
      assert.equal(format.parseCoins(format.coinsToEdit(micro)), micro, `${locale} ${micro}`);
    }
  }
});

test("a share is rounded down to the micro-coin", () => {
  assert.equal(format.share(5_000_000, 7_000), 3_500_000);
  assert.equal(format.share(1, 7_000), 0);
  assert.equal(format.share(2 ** 53 - 1, 9_999), 9_006_298_534_815_516);
});

test("how long a balance lasts is rounded down", () => {
  assert.equal(format.lastsMs(100_000_000, 8_000_000), 750_000);
  assert.equal(format.lastsMs(1_999_999, 6_000_000), 19_999);
  assert.equal(format.lastsMs(5, 0), null);
});

test("clocks and durations don't count a second that is not over", () => {
  assert.equal(format.clock(0), "0:00");
  assert.equal(format.clock(59_999), "0:59");
  assert.equal(format.clock(61_000), "1:01");
  assert.equal(format.clock(3_723_000), "1:02:03");
  assert.equal(format.duration(59_999), "59 sec");
  assert.equal(format.duration(187_500), "3 min, 7 sec");
  assert.equal(format.duration(750_000), "12 min");
  assert.equal(format.duration(12_000_000), "3 hr, 20 min");
  assert.equal(format.duration(0), "0 sec");
  assert.equal(format.secondsExactly(61_002), "61.002 sec");
});

test("Arabic has its own digits", () => {
  format.setFormatLocale("ar-EG");
  assert.equal(format.coins(8_130_000), "٨٫١٣");
  assert.equal(format.clock(61_000), "١:٠١");
  assert.equal(format.whole(1_234), "١٬٢٣٤");
});
