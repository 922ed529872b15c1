/** After a call: what it cost, to the micro-coin, and why it ended. */

import { avatar, h, icon, mark } from "../dom.js";
import { clock, moment, percent, secondsExactly } from "../format.js";
import { saveReceipt, signedReceipt } from "../receipt/fetch.js";
import { t } from "../i18n.js";
import { button, during, exactAmount as amount, heading, line, money, perMinute } from "../parts.js";

export function receiptView(app) {
  const { session } = app;
  const node = h("section", { class: "page receipt-page" });
  let shown = null;
  let balance = null;
  let title = "";
  const update = () => {
    // The bill may come after the word that the call is over.
    if (session.ended && session.ended !== shown) {
      shown = session.ended;
      const focused = node.contains(document.activeElement);
      ({ balance, title } = fill(node, app));
      if (focused) node.querySelector("h1")?.focus({ preventScroll: true });
    }
    balance.set(session.balance);
  };
  update();
  return { node, update, title: () => title };
}

function fill(node, app) {
  const { session } = app;
  const { call, reason, receipt, credits = [] } = session.ended;
  const host = call.you === "host";
  // A call that ended unseen has no receipt here, and yet may have cost something.
  const unseen = reason === "gone";
  const total = money(host ? null : "receipt-charged", "exact");
  total.set(receipt ? (host ? receipt.host_micro : receipt.charged_micro) : 0);
  const title = receipt ? t("receipt.title") : unseen ? t("reason.other") : reasonText(call, reason);
  const headline = receipt ? t(host ? "receipt.you_earned" : "receipt.you_paid") : t("receipt.nothing");
  const balance = money("balance");
  const close = button({ kind: "primary wide", text: t("receipt.close"), testid: "receipt-close", onclick: () => session.putReceiptAway() });
  node.replaceChildren(
    h(
      "article",
      { class: "card receipt", testid: "receipt", "data-reason": reason },
      avatar(call.peer, "large"),
      heading(title, { class: "receipt-title" }),
      h("p", { class: "receipt-with" }, t("receipt.with", { name: call.peer.name })),
      unseen ? null : h("p", { class: "receipt-total" }, h("span", { class: "receipt-headline" }, headline), total.node),
      h("p", { class: "receipt-reason", testid: "receipt-reason", "data-reason": reason }, reasonText(call, reason)),
      receipt ? lines(call, receipt, host) : null,
      credits.length > 0 ? givenBack(credits) : null,
      receipt ? h("p", { class: "fine" }, t("receipt.fine_print")) : null,
    ),
    ...(receipt ? [keeping(app, receipt.call)] : []),
    ...(host ? [] : [h("p", { class: "receipt-balance" }, t("receipt.balance"), " ", balance.node)]),
    close,
  );
  // Without a receipt the reason is the heading already.
  if (!receipt && !unseen) mark(node.querySelector(".receipt-reason"), { class: "hidden-visually" });
  return { balance, title };
}

function lines(call, receipt, host) {
  const { host_share_bps: bps } = receipt;
  const cameraOff = receipt.medium === "video" && receipt.video_ms < receipt.proven_ms;
  return h(
    "dl",
    { class: "lines" },
    line(t("receipt.medium"), t(`incoming.${receipt.medium}`)),
    line(t("receipt.rate"), amount(receipt.rate_micro_per_min), perMinute()),
    ...(cameraOff ? [line(t("receipt.voice_rate"), amount(receipt.voice_rate_micro_per_min), perMinute())] : []),
    line(t("receipt.proven"), length(receipt.proven_ms, "receipt-proven")),
    ...(cameraOff ? [line(t("receipt.with_picture"), length(receipt.video_ms))] : []),
    receipt.silent_ms > 0 ? line(t("receipt.silent"), length(receipt.silent_ms)) : null,
    receipt.frozen_ms > 0 ? line(t("receipt.frozen"), length(receipt.frozen_ms)) : null,
    receipt.free_ms > 0 ? line(t("quote.free"), clock(receipt.free_ms)) : null,
    host ? line(t("receipt.charged"), amount(receipt.charged_micro, "receipt-charged")) : null,
    !host && receipt.promo_micro > 0 ? line(t("receipt.promo"), amount(receipt.promo_micro, "receipt-promo")) : null,
    line(t("receipt.host", { percent: percent(bps) }), amount(receipt.host_micro, "receipt-host")),
    line(t("receipt.platform", { percent: percent(10_000 - bps) }), amount(receipt.platform_micro, "receipt-platform")),
    line(t("receipt.started"), moment(receipt.accepted_at_unix_ms)),
    line(t("receipt.ended"), moment(receipt.ended_at_unix_ms)),
    h("div", { class: "line number" }, h("dt", {}, t("receipt.number")), h("dd", { dir: "ltr" }, receipt.call)),
  );
}

function length(ms, testid) {
  return h("span", { testid, "data-ms": ms }, `${clock(ms)} `, h("small", {}, `(${secondsExactly(ms)})`));
}

/** What the call gave back by itself. */
function givenBack(credits) {
  const credit = ({ reason, amount_micro: micro }) => line(t(`credit.${reason}`), amount(micro, "receipt-credit"));
  return [h("h2", { class: "receipt-credits" }, t("credit.title")), h("dl", { class: "lines" }, credits.map(credit))];
}

/** The signed receipt, to keep and to check. */
function keeping(app, call) {
  const save = button({ glyph: "save", text: t("receipt.save"), testid: "receipt-save" });
  const keep = async () => saveReceipt(call, await signedReceipt(call, app.session.person.token));
  save.addEventListener("click", during(save, keep, (error) => app.tell(error)));
  // The new tab gets a copy of this one's session storage, and with it who may have the receipt.
  const check = h("a", { class: "button quiet", href: `/receipt#call=${call}`, target: "_blank", rel: "opener", testid: "receipt-check" }, icon("check"), h("span", { class: "button-text" }, t("receipt.check")));
  return h("div", { class: "receipt-keeping" }, save, check);
}

function reasonText(call, reason) {
  const host = call.you === "host";
  const byYou = reason === (host ? "hung_up_by_host" : "hung_up_by_fan");
  const lostYou = reason === (host ? "host_lost" : "fan_lost");
  const key = {
    cancelled: "reason.cancelled",
    declined: "reason.declined",
    unanswered: "reason.unanswered",
    hung_up_by_fan: byYou ? "reason.hung_up_by_you" : "reason.hung_up_by_peer",
    hung_up_by_host: byYou ? "reason.hung_up_by_you" : "reason.hung_up_by_peer",
    funds_exhausted: host ? "reason.funds_exhausted_host" : "reason.funds_exhausted",
    fan_lost: lostYou ? "reason.lost_you" : "reason.lost_peer",
    host_lost: lostYou ? "reason.lost_you" : "reason.lost_peer",
    not_connected: "reason.not_connected",
    interrupted: "reason.interrupted",
    unconfirmed: "reason.unconfirmed",
    gone: "reason.gone",
  }[reason];
  return t(key ?? "reason.other", { name: call.peer.name });
}
