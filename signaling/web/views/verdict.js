/** What checking a receipt came to: the verdict, the seconds, the bill, and each check. */

import { CHECKS } from "../receipt/verify.js";
import { RECORD } from "../receipt/document.js";
import { h, icon } from "../dom.js";
import { clock, moment, percent, secondsExactly } from "../format.js";
import { exactAmount, line, perMinute } from "../parts.js";
import { t } from "../i18n.js";
import { secondsChart } from "./seconds.js";

/** Nodes for the page's result. */
export function verdictView(result) {
  switch (result.state) {
    case "waiting": return [];
    case "busy": return [h("p", { class: "loading" }, t("check.busy"))];
    case "failed": return [verdict("failed", t("check.failed"), result.text)];
    case "invalid": return [invalid(result), checks(result.check, null)];
    default: return valid(result.verified);
  }
}

function verdict(kind, title, text) {
  return h(
    "article",
    { class: "card verdict", testid: "verdict", "data-verdict": kind },
    h("span", { class: "verdict-sign" }, icon(kind === "valid" ? "check" : "close")),
    h("div", {}, h("h2", {}, title), h("p", {}, text)),
  );
}

function invalid({ check }) {
  return verdict("invalid", t("check.invalid"), t(`check.why.${check}`));
}

function valid({ document, charged, owed, keyCompared }) {
  const { terms, bill } = document;
  const text = t(keyCompared ? "check.valid_here" : "check.valid_unknown");
  return [
    verdict(keyCompared ? "valid" : "unknown", t(keyCompared ? "check.valid" : "check.whole"), text),
    secondsChart(document),
    h("article", { class: "card bill", testid: "bill" }, who(terms), h("dl", { class: "lines" }, time(document), money(terms, bill, charged, owed))),
    checks(null, keyCompared),
    h("dl", { class: "lines card numbers" }, code("receipt.number", terms.call), code("check.key", document.key)),
  ];
}

function who(terms) {
  return h("h2", { class: "bill-who" }, h("bdi", {}, terms.fan), h("span", { class: "bill-to" }, t("check.called")), h("bdi", {}, terms.host));
}

function time({ terms, bill, records }) {
  const last = records.at(-1);
  const part = (key, name) => (last?.[RECORD[name]] > 0 ? line(t(key), span(last[RECORD[name]])) : null);
  const video = terms.medium === "video";
  return [
    line(t("receipt.medium"), t(`incoming.${terms.medium}`)),
    line(t("receipt.started"), moment(terms.opened_at_unix_ms)),
    line(t("receipt.ended"), moment(bill.ended_at_unix_ms)),
    line(t("receipt.proven"), span(bill.proven_ms, "bill-proven")),
    video ? line(t("receipt.with_picture"), span(bill.video_ms)) : null,
    part("receipt.silent", "silent"),
    part("receipt.frozen", "frozen"),
  ];
}

function money(terms, bill, charged, owed) {
  const video = terms.medium === "video";
  const price = (micro) => [exactAmount(micro), perMinute()];
  const some = (key, micro) => (micro > 0 ? line(t(key), exactAmount(micro)) : null);
  const long = (key, ms) => (ms > 0 ? line(t(key), span(ms)) : null);
  const share = terms.host_share_bps;
  return [
    line(t("receipt.rate"), ...price(video ? terms.video_rate : terms.voice_rate)),
    video && terms.voice_rate !== terms.video_rate ? line(t("receipt.voice_rate"), ...price(terms.voice_rate)) : null,
    ...bill.changes.map(([, from, , voice, picture]) => line(t("check.price_from", { time: clock(from) }), ...price(video ? picture : voice))),
    long("quote.free", terms.free_ms),
    long("check.minimum", terms.minimum_ms),
    terms.pulse_ms > 1 ? line(t("check.pulse"), span(terms.pulse_ms)) : null,
    some("check.fee", terms.connect_fee),
    h("div", { class: "line strong" }, h("dt", {}, t("receipt.charged")), h("dd", {}, exactAmount(charged, "bill-charged"))),
    some("receipt.promo", bill.promo),
    owed > charged ? line(t("check.not_charged"), exactAmount(owed - charged)) : null,
    line(t("receipt.host", { percent: percent(share) }), exactAmount(bill.host)),
    line(t("receipt.platform", { percent: percent(10_000 - share) }), exactAmount(bill.platform)),
  ];
}

/** Each check: passed, failed, or not reached. */
function checks(failed, keyCompared) {
  const reached = failed === null ? CHECKS.length : CHECKS.indexOf(failed);
  const state = (name, at) => {
    if (name === failed) return "failed";
    if (at > reached || (name === "key" && keyCompared === false)) return "open";
    return "passed";
  };
  const sign = { passed: "check", failed: "close", open: "minus" };
  const item = (name, at) => {
    const is = state(name, at);
    const said = h("span", { class: "hidden-visually" }, ` ${t(`check.state.${is}`)}`);
    return h("li", { "data-check": name, "data-is": is }, icon(sign[is]), h("span", {}, t(`check.what.${name}`), said));
  };
  return h("ul", { class: "card checks", testid: "checks" }, CHECKS.map(item));
}

function span(ms, testid) {
  return h("span", { testid, "data-ms": ms }, `${clock(ms)} `, h("small", {}, `(${secondsExactly(ms)})`));
}

function code(label, value) {
  return h("div", { class: "line number" }, h("dt", {}, t(label)), h("dd", { dir: "ltr" }, value));
}

