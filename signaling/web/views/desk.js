/** A host's home: prices, going online, waiting for calls. */

import { h, mark, put, show } from "../dom.js";
import { coins, coinsToEdit, parseCoins, percent, share } from "../format.js";
import { t } from "../i18n.js";
import { button, during, heading, perMinute } from "../parts.js";

const STEP_MICRO = 500_000;
const SUGGESTED = { voice: 5_000_000, video: 8_000_000 };

export function deskView(app) {
  const { session } = app;
  const prices = ["voice", "video"].map((medium) => new PriceField(session, medium));
  const [voice, video] = prices;
  const title = heading("");
  const lead = h("p", { class: "lead" });
  const problem = h("p", { class: "problem", role: "alert", testid: "desk-problem" });
  const goOnline = button({ kind: "primary wide", text: t("desk.go_online"), testid: "go-online", type: "submit" });
  const goOffline = button({ kind: "quiet wide", text: t("desk.go_offline"), testid: "go-offline" });
  const waiting = h("div", { class: "waiting", testid: "waiting" }, h("span", { class: "waiting-dot", "aria-hidden": "true" }), t("desk.waiting"));
  const form = h("form", { class: "stack", novalidate: true }, h("div", { class: "prices" }, voice.node, video.node), problem, goOnline, goOffline);
  const node = h("section", { class: "page desk" }, title, lead, waiting, form);

  const publish = during(goOnline, async () => {
    const wanted = Object.fromEntries(prices.filter((field) => field.offered).map((field) => [field.medium, field.micro]));
    const wrong = prices.find((field) => field.offered && !field.valid);
    put(problem, Object.keys(wanted).length === 0 ? t("desk.nothing_offered") : "");
    if (wrong) {
      // Its own line says what would be right.
      wrong.input.focus();
      app.announce(wrong.rule(), "assertive");
    }
    if (wrong || problem.textContent) return;
    const change = session.online;
    await session.goOnline(wanted);
    if (change) app.notify("desk.updated");
    else title.focus();
  }, (error) => app.tell(error));
  form.addEventListener("submit", publish);
  goOffline.addEventListener("click", during(goOffline, () => session.goOffline(), (error) => app.tell(error)));

  const update = () => {
    const phase = session.online ? "online" : "offline";
    mark(node, { "data-online": session.online });
    put(title, t(`desk.title.${phase}`));
    put(lead, t(`desk.lead.${phase}`));
    show(waiting, session.online);
    show(goOffline, session.online);
    const connected = session.connection.state === "open";
    goOffline.disabled = !connected;
    for (const field of prices) field.update();
    const changed = prices.some((field) => (field.offered ? field.micro : undefined) !== session.prices?.[field.medium]);
    goOnline.disabled = !connected || (session.online && !changed);
    put(goOnline.querySelector(".button-text"), t(session.online ? "desk.update" : "desk.go_online"));
  };
  form.addEventListener("input", () => {
    put(problem, "");
    update();
  });
  return { node, update, title: () => (session.online ? t("title.online") : t("title.app")) };
}

/** One medium's price: offered or not, an amount within the operator's band, what is left of it. */
class PriceField {
  #session;

  constructor(session, medium) {
    this.#session = session;
    this.medium = medium;
    const known = session.prices;
    const start = known ? known[medium] : SUGGESTED[medium];
    this.toggle = h("input", { type: "checkbox", class: "switch", id: `offer-${medium}`, testid: `offer-${medium}` });
    this.toggle.checked = start !== undefined;
    this.input = h("input", {
      class: "price-input", inputmode: "decimal", autocomplete: "off", enterkeyhint: "done", size: "6",
      testid: `price-${medium}`, "aria-label": t(`desk.price_${medium}`), "aria-describedby": `net-${medium}`,
      value: coinsToEdit(start ?? SUGGESTED[medium]),
    });
    this.net = h("p", { class: "net", id: `net-${medium}`, testid: `net-${medium}` });
    this.less = button({ kind: "round", glyph: "minus", label: t("desk.less"), onclick: () => this.#step(-STEP_MICRO) });
    this.more = button({ kind: "round", glyph: "plus", label: t("desk.more"), onclick: () => this.#step(STEP_MICRO) });
    this.amount = h("div", { class: "price-row" }, this.less, h("span", { class: "price-box" }, this.input, perMinute()), this.more);
    this.node = h(
      "div",
      { class: "card price-card" },
      h("div", { class: "price-head" }, h("label", { for: `offer-${medium}` }, t(`desk.${medium}`)), this.toggle),
      this.amount,
      this.net,
    );
  }

  get offered() {
    return this.toggle.checked;
  }

  /** The typed price in micro-coins per minute, or null. */
  get micro() {
    return parseCoins(this.input.value);
  }

  get valid() {
    const { micro } = this;
    const band = this.#band();
    return micro !== null && (!band || (micro >= band.min_micro_per_min && micro <= band.max_micro_per_min));
  }

  /** What would be valid, in words. */
  rule() {
    const band = this.#band();
    return t("desk.invalid", { min: coins(band?.min_micro_per_min ?? 0), max: coins(band?.max_micro_per_min ?? 0) });
  }

  update() {
    const { offered, valid, micro } = this;
    for (const each of [this.input, this.less, this.more]) each.disabled = !offered;
    mark(this.node, { "data-offered": offered });
    mark(this.input, { "aria-invalid": offered && !valid ? "true" : null });
    const bps = this.#session.welcome?.host_share_bps;
    if (!offered) put(this.net, t("desk.not_offered"));
    else if (!valid) put(this.net, this.rule());
    else if (bps !== undefined) put(this.net, t("desk.net", { amount: coins(share(micro, bps)), percent: percent(bps) }));
    else put(this.net, "");
  }

  #band() {
    return this.#session.welcome?.price_bands?.[this.medium];
  }

  #step(by) {
    const band = this.#band();
    const next = (this.micro ?? SUGGESTED[this.medium]) + by;
    this.input.value = coinsToEdit(Math.min(band?.max_micro_per_min ?? next, Math.max(band?.min_micro_per_min ?? 0, next)));
    this.input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
