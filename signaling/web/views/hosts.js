/** A fan's home: the balance, and the hosts one can call. */

import { avatar, h, mark, put, show } from "../dom.js";
import { coins, duration, lastsMs } from "../format.js";
import { t } from "../i18n.js";
import { button, during, emptyState, heading, money, perMinute } from "../parts.js";
import { openQuote } from "./quote.js";

const ORDER = { online: 0, busy: 1, offline: 2 };

export function hostsView(app) {
  const { session } = app;
  const balance = money("balance");
  const topUp = app.topUpButton("hosts.add");
  const count = h("span", { class: "count" });
  const list = h("ul", { class: "hosts" });
  const empty = emptyState("phone", t("hosts.empty"), t("hosts.empty_lead"));
  const waiting = h("p", { class: "loading", role: "status" }, t("app.loading"));
  const node = h(
    "section",
    { class: "page" },
    heading(t("hosts.hello", { name: session.person.name })),
    h("div", { class: "card wallet" }, h("div", {}, h("p", { class: "wallet-label" }, t("hosts.balance")), h("p", { class: "wallet-balance" }, balance.node)), topUp),
    h("div", { class: "section-head" }, h("h2", {}, t("hosts.title")), count),
    waiting,
    empty,
    list,
  );

  const rows = new Map();
  const update = () => {
    balance.set(session.balance);
    const hosts = [...(session.hosts?.values() ?? [])].sort(
      (a, b) => ORDER[a.state] - ORDER[b.state] || a.name.localeCompare(b.name),
    );
    const online = hosts.filter((host) => host.state !== "offline").length;
    put(count, t("hosts.online_count", { count: online }));
    show(count, online > 0);
    show(waiting, session.hosts === null);
    show(empty, session.hosts !== null && online === 0);
    for (const host of hosts) {
      if (!rows.has(host.user)) rows.set(host.user, hostRow(app, host));
      rows.get(host.user).update(host);
    }
    const wanted = hosts.map((host) => rows.get(host.user).node);
    // Moving nodes would take the focus away, so only if the order changed.
    if (wanted.some((row, index) => list.children[index] !== row)) list.replaceChildren(...wanted);
  };
  return { node, update, title: () => t("title.app") };
}

function hostRow(app, { user, name }) {
  const state = h("span", { class: "host-state" });
  const buttons = ["voice", "video"].map((medium) => callButton(app, { user, name }, medium));
  const node = h(
    "li",
    { class: "card host", testid: `host-${user}` },
    h("div", { class: "host-head" }, avatar({ user, name }), h("div", { class: "person-text" }, h("span", { class: "person-name" }, name), state)),
    h("div", { class: "host-calls" }, buttons.map((each) => each.node)),
  );
  const update = (host) => {
    mark(node, { "data-state": host.state });
    put(state, t(`hosts.state.${host.state}`));
    for (const each of buttons) each.update(host);
  };
  return { node, update };
}

function callButton(app, { user, name }, medium) {
  const price = h("span", { class: "price" });
  const lasts = h("span", { class: "lasts" });
  const node = button({ kind: "call-button", glyph: medium === "voice" ? "phone" : "video", testid: `call-${medium}-${user}` });
  node.append(h("span", { class: "call-button-text" }, h("span", { class: "price-line" }, price, perMinute()), lasts));
  const open = during(node, () => openQuote(app, { user, name }, medium), (error) => app.tell(error));
  node.addEventListener("click", open);
  const update = (host) => {
    const rate = host.prices[medium];
    show(node, rate !== undefined);
    node.disabled = host.state !== "online" || app.session.connection.state !== "open";
    if (rate === undefined) return;
    put(price, coins(rate, "up"));
    const time = app.session.balance === null ? null : lastsMs(app.session.balance, rate);
    put(lasts, time === null ? "" : time < 1000 ? t("hosts.lasts_not") : t("hosts.lasts", { time: duration(time) }));
    mark(node, { "aria-label": t(`hosts.call_${medium}`, { name, price: coins(rate, "up") }) });
  };
  return { node, update };
}
