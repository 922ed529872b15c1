/** Pieces that several views share. */

import { avatar, coinSign, h, icon, mark, put } from "./dom.js";
import { clock, coins, coinsExactly } from "./format.js";
import { t } from "./i18n.js";

/** An amount of coins. `data-micro` holds it exactly. */
export function money(testid, rounding = "down") {
  const text = h("span", { class: "amount" });
  const node = h("span", { class: "money", testid }, coinSign(), text);
  const set = (micro) => {
    if (micro === null || micro === undefined) {
      mark(node, { "data-micro": null });
      put(text, "–");
      return;
    }
    mark(node, { "data-micro": micro });
    put(text, rounding === "exact" ? coinsExactly(micro) : coins(micro, rounding));
  };
  return { node, set };
}

/** A running time. `data-ms` holds it exactly. */
export function running(testid) {
  const node = h("span", { class: "amount", testid });
  const set = (ms) => {
    mark(node, { "data-ms": ms ?? null });
    put(node, ms === null || ms === undefined ? "–" : clock(ms));
  };
  return { node, set };
}

/** A button with an icon, a text, or both; without a text, `label` names it. */
export function button({ testid, kind = "quiet", glyph, text, label, onclick, type = "button" }) {
  return h(
    "button",
    { type, class: `button ${kind}`, testid, "aria-label": label, title: text ? null : label, onclick },
    glyph ? icon(glyph) : null,
    text ? h("span", { class: "button-text" }, text) : null,
  );
}

/** Runs `act` for a tap: the button is busy meanwhile, and a failure is told by `onError`. */
export function during(node, act, onError) {
  return async (event) => {
    event?.preventDefault();
    if (node.getAttribute("aria-busy") === "true") return;
    mark(node, { "aria-busy": "true" });
    try {
      await act();
    } catch (error) {
      onError(error);
    } finally {
      mark(node, { "aria-busy": null });
    }
  };
}

/** A person with picture, name and a line below. */
export function personLine(person, below) {
  return [avatar(person), h("span", { class: "person-text" }, h("span", { class: "person-name" }, person.name), below)];
}

/** What stands where a list would be. */
export function emptyState(glyph, title, lead, action = null) {
  return h("div", { class: "empty" }, h("span", { class: "empty-sign" }, icon(glyph)), h("h2", {}, title), h("p", {}, lead), action);
}

/** An amount to the last micro-coin. `data-micro` holds it exactly. */
export function exactAmount(micro, testid) {
  return h("span", { class: "money", testid, "data-micro": micro }, h("span", { class: "amount" }, coinsExactly(micro)));
}

/** A line of a bill: what, and how much. */
export function line(label, ...values) {
  return h("div", { class: "line" }, h("dt", {}, label), h("dd", {}, values));
}

/** The "/ min" behind a price. */
export function perMinute() {
  return h("span", { class: "per" }, t("app.per_min"));
}

/** The heading of a view; takes the focus when the view appears. */
export function heading(text, attributes = {}) {
  return h("h1", { tabindex: "-1", ...attributes }, text);
}
