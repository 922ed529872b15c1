/**
 * Money and time as people read them. Money stays in integers to the last digit: micro-coins are
 * split as BigInt, and only digits and separators come from Intl.
 */

const MICRO = 1_000_000n;
const DIGITS = 6;

let locale = "en";
let digits = [..."0123456789"];
let point = ".";
/** Arabic has one-letter short units that few would read as minutes. */
let unitDisplay = "short";

/** Sets the locale of everything below. */
export function setFormatLocale(tag) {
  locale = tag;
  unitDisplay = tag.startsWith("ar") ? "long" : "short";
  const plain = new Intl.NumberFormat(tag, { useGrouping: false });
  digits = Array.from({ length: 10 }, (_, digit) => plain.format(digit));
  point = new Intl.NumberFormat(tag, { minimumFractionDigits: 1 })
    .formatToParts(1.5)
    .find((part) => part.type === "decimal").value;
}

const localized = (ascii) => ascii.replace(/\d/g, (digit) => digits[Number(digit)]);

/**
 * Coins with two decimals. `rounding` is `down` (what one has or earns is never overstated) or `up`
 * (what one spends is never understated); a whole of whole cents then splits into two that add up.
 */
export function coins(micro, rounding = "down") {
  const cent = MICRO / 100n;
  const value = BigInt(micro);
  const cents = rounding === "up" ? (value + cent - 1n) / cent : value / cent;
  const fraction = String(cents % 100n).padStart(2, "0");
  return new Intl.NumberFormat(locale).format(cents / 100n) + point + localized(fraction);
}

/** Coins to the last micro-coin, with at least two decimals. */
export function coinsExactly(micro) {
  const value = BigInt(micro);
  const fraction = String(value % MICRO).padStart(DIGITS, "0").replace(/0{1,4}$/, "");
  return new Intl.NumberFormat(locale).format(value / MICRO) + point + localized(fraction);
}

/** Coins as one would type them: exact, no grouping. `parseCoins` reads it back. */
export function coinsToEdit(micro) {
  const value = BigInt(micro);
  const fraction = String(value % MICRO).padStart(DIGITS, "0").replace(/0{1,4}$/, "");
  return localized(String(value / MICRO)) + point + localized(fraction);
}

/** Reads an amount typed with any of Latin, Arabic or Persian digits; null if it is none. */
export function parseCoins(text) {
  const ascii = text
    .trim()
    .replace(/[\u0660-\u0669]/g, (digit) => digit.charCodeAt(0) - 0x660)
    .replace(/[\u06f0-\u06f9]/g, (digit) => digit.charCodeAt(0) - 0x6f0)
    .replace(/[,\u066b]/g, ".");
  const match = /^(\d{1,9})(?:\.(\d{0,6}))?$/.exec(ascii);
  if (!match) return null;
  return Number(match[1]) * Number(MICRO) + Number((match[2] ?? "").padEnd(DIGITS, "0"));
}

/** The part of `micro` that `bps` basis points are, rounded down as the meter rounds. */
export function share(micro, bps) {
  return Number((BigInt(micro) * BigInt(bps)) / 10_000n);
}

/** How long a balance lasts at a price per minute, or null if it costs nothing. */
export function lastsMs(balanceMicro, rateMicroPerMin) {
  return rateMicroPerMin === 0 ? null : Number((BigInt(balanceMicro) * 60_000n) / BigInt(rateMicroPerMin));
}

/** A share as a percentage. */
export function percent(bps) {
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 2 }).format(bps / 10_000);
}

/** A running clock: 0:07, 12:30, 1:02:03. Begun seconds don't count. */
export function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  const two = (value) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const tail = `${hours ? two(minutes) : minutes}:${two(seconds % 60)}`;
  return localized(hours ? `${hours}:${tail}` : tail);
}

/** A length of time in words, to what matters: `45 sec`, `12 min`, `3 hr 20 min`. */
export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    ["hour", Math.floor(seconds / 3600)],
    ["minute", Math.floor(seconds / 60) % 60],
    ["second", seconds % 60],
  ];
  const first = parts.findIndex(([, value]) => value > 0);
  if (first < 0) return unit("second", 0);
  // From five minutes on, seconds are noise.
  const last = seconds >= 300 ? 2 : 3;
  const shown = parts.slice(first, last).filter(([, value]) => value > 0);
  const list = new Intl.ListFormat(locale, { type: "unit", style: unitDisplay });
  return list.format(shown.map(([name, value]) => unit(name, value)));
}

/** A length of time to the millisecond, in seconds: `61.000 sec`. */
export function secondsExactly(ms) {
  return new Intl.NumberFormat(locale, {
    style: "unit", unit: "second", minimumFractionDigits: 3, maximumFractionDigits: 3,
  }).format(ms / 1000);
}

/** A moment, in the reader's time zone. */
export function moment(unixMs) {
  return new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(unixMs);
}

/** A whole number. */
export function whole(value) {
  return new Intl.NumberFormat(locale).format(value);
}

function unit(name, value) {
  return new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay }).format(value);
}
