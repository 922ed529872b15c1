/** The seconds of a receipt as a small chart: what reached the fan, and the charge growing. */

import { RECORD } from "../receipt/document.js";
import { clock, coinsExactly, duration } from "../format.js";
import { coinSign, h } from "../dom.js";
import { seconds } from "../receipt/seconds.js";
import { t } from "../i18n.js";

/** More than a phone can show as single bars. */
const COLUMNS_MAX = 90;
/** Fewer would make a short call's bars as broad as doors. */
const COLUMNS_MIN = 24;
const COLUMN = 10;
const BAR = 7;
const HEIGHT = 100;

const SVG = "http://www.w3.org/2000/svg";

/** The chart, or nothing for a call that never carried anything. */
export function secondsChart(receipt) {
  const columns = seconds(receipt, COLUMNS_MAX);
  if (columns.length === 0) return null;
  const last = receipt.records.at(-1);
  const kinds = { carried: "check.chart.carried", free: "check.chart.free", silent: "check.chart.silent", frozen: "check.chart.frozen", missing: "check.chart.missing" };
  const drawing = draw(columns);
  const shown = Object.keys(kinds).filter((kind) => drawing.querySelector(`.${kind}`));
  const legend = shown.map((kind) => h("li", { class: kind }, t(kinds[kind])));
  return h(
    "figure",
    { class: "card seconds", testid: "seconds" },
    h("figcaption", {}, h("h2", {}, t("check.chart.title"))),
    h("div", { class: "seconds-drawing", role: "img", "aria-label": summary(receipt) }, drawing),
    h("div", { class: "seconds-axis" }, h("span", {}, clock(0)), h("span", {}, clock(last[RECORD.at]))),
    h("ul", { class: "legend" }, legend, h("li", { class: "charge" }, t("check.chart.charge"), " ", coinSign(), coinsExactly(last[RECORD.charged]))),
  );
}

function summary({ bill, records }) {
  return t("check.chart.summary", { proven: duration(bill.proven_ms), all: duration(records.at(-1)[RECORD.at]) });
}

function draw(columns) {
  const width = Math.max(columns.length, COLUMNS_MIN) * COLUMN;
  const svg = shape("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const [at, column] of columns.entries()) svg.append(...bars(column, at * COLUMN));
  const most = columns.at(-1).charged;
  if (most > 0) {
    const points = columns.map(({ charged }, at) => `${at * COLUMN + BAR / 2},${HEIGHT - (charged / most) * (HEIGHT - 4) - 2}`);
    svg.append(shape("polyline", { points: points.join(" "), class: "charge" }));
  }
  return svg;
}

/** From below: what was carried, then its silent and frozen parts, then what is missing. */
function bars({ span, proven, silent, frozen, free }, x) {
  const whole = Math.max(span, proven, 1);
  const still = Math.min(frozen, proven);
  const quiet = Math.min(silent, proven - still);
  const parts = [[free ? "free" : "carried", proven - still - quiet], ["silent", quiet], ["frozen", still], ["missing", whole - proven]];
  let from = HEIGHT;
  return parts.filter(([, ms]) => ms > 0).map(([kind, ms]) => {
    const height = (ms / whole) * HEIGHT;
    from -= height;
    return shape("rect", { x, y: from, width: BAR, height, class: kind });
  });
}

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
