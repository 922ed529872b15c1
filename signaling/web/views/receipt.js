/** After a call: what it cost, to the micro-coin, and why it ended. */

import { avatar, h, mark } from "../dom.js";
import { clock, coinsExactly, moment, percent, secondsExactly } from "../format.js";
import { t } from "../i18n.js";
import { button, heading, money, perMinute } from "../parts.js";

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
      ({ balance, title } = fill(node, session));
      if (focused) node.querySelector("h1")?.focus({ preventScroll: true });
    }
    balance.set(session.balance);
  };
  update();
  return { node, update, title: () => title };
}

function fill(node, session) {
  const { call, reason, receipt } = session.ended;
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
      receipt ? h("p", { class: "fine" }, t("receipt.fine_print")) : null,
    ),
    ...(host ? [] : [h("p", { class: "receipt-balance" }, t("receipt.balance"), " ", balance.node)]),
    close,
  );
  // Without a receipt the reason is the heading already.
  if (!receipt && !unseen) mark(node.querySelector(".receipt-reason"), { class: "hidden-visually" });
  return { balance, title };
}

function lines(call, receipt, host) {
  const { host_share_bps: bps } = receipt;
  return h(
    "dl",
    { class: "lines" },
    line(t("receipt.medium"), t(`incoming.${receipt.medium}`)),
    line(t("receipt.rate"), amount(receipt.rate_micro_per_min), perMinute()),
    line(t("receipt.proven"), h("span", { testid: "receipt-proven", "data-ms": receipt.proven_ms }, `${clock(receipt.proven_ms)} `, h("small", {}, `(${secondsExactly(receipt.proven_ms)})`))),
    receipt.free_ms > 0 ? line(t("quote.free"), clock(receipt.free_ms)) : null,
    host ? line(t("receipt.charged"), amount(receipt.charged_micro, "receipt-charged")) : null,
    line(t("receipt.host", { percent: percent(bps) }), amount(receipt.host_micro, "receipt-host")),
    line(t("receipt.platform", { percent: percent(10_000 - bps) }), amount(receipt.platform_micro, "receipt-platform")),
    line(t("receipt.started"), moment(receipt.accepted_at_unix_ms)),
    line(t("receipt.ended"), moment(receipt.ended_at_unix_ms)),
    h("div", { class: "line number" }, h("dt", {}, t("receipt.number")), h("dd", { dir: "ltr" }, receipt.call)),
  );
}

function amount(micro, testid) {
  return h("span", { class: "money", testid, "data-micro": micro }, h("span", { class: "amount" }, coinsExactly(micro)));
}

function line(label, ...values) {
  return h("div", { class: "line" }, h("dt", {}, label), h("dd", {}, values));
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
    gone: "reason.gone",
  }[reason];
  return t(key ?? "reason.other", { name: call.peer.name });
}
