/** The sheet before a call: what it costs, how long the balance lasts, and the button that rings. */

import { avatar, h, mark, put, show } from "../dom.js";
import { duration } from "../format.js";
import { errorText, t } from "../i18n.js";
import { button, during, line, money, perMinute } from "../parts.js";

/** Asks for a quote and opens the sheet. Rejects if there is no quote to be had. */
export async function openQuote(app, host, medium) {
  const sheet = new QuoteSheet(app, host, medium, await app.session.client.quote(host.user, medium));
  sheet.open();
}

class QuoteSheet {
  constructor(app, host, medium, quote) {
    this.app = app;
    this.host = host;
    this.medium = medium;
    this.rate = money("quote-rate", "up");
    this.minimum = money(null, "up");
    this.balance = money();
    this.free = h("dd", {});
    this.lasts = h("dd", { testid: "quote-lasts" });
    this.freeLine = h("div", { class: "line" }, h("dt", {}, t("quote.free")), this.free);
    this.minimumLine = line(t("quote.minimum"), this.minimum.node);
    this.problem = h("p", { class: "problem", role: "alert", testid: "quote-problem" });
    this.topUp = app.topUpButton("hosts.add", () => this.renew());
    this.confirm = button({ kind: "primary wide", glyph: medium === "voice" ? "phone" : "video", text: t("quote.confirm"), testid: "quote-confirm" });
    this.confirm.addEventListener("click", during(this.confirm, () => this.ring(), (error) => this.failed(error)));
    this.dialog = this.#draw();
    this.show(quote);
  }

  #draw() {
    const { host, medium } = this;
    const close = button({ kind: "round", glyph: "close", label: t("app.close"), testid: "quote-close", onclick: () => dialog.close() });
    const dialog = h(
      "dialog",
      { class: "sheet", "aria-labelledby": "quote-title", onclose: () => dialog.remove() },
      h(
        "div",
        { class: "sheet-body" },
        h("div", { class: "sheet-head" }, avatar(host), h("h2", { id: "quote-title" }, t(`quote.title.${medium}`, { name: host.name })), close),
        h(
          "dl",
          { class: "lines" },
          line(t("quote.rate"), this.rate.node, perMinute()),
          this.freeLine,
          line(t("quote.balance"), this.balance.node),
          h("div", { class: "line strong" }, h("dt", {}, t("quote.lasts")), this.lasts),
          this.minimumLine,
        ),
        h("p", { class: "fine" }, t("quote.promise", { name: host.name })),
        this.problem,
        this.topUp,
        this.confirm,
      ),
    );
    // A tap beside the sheet closes it, as Escape does.
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    return dialog;
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.confirm.focus();
  }

  show(quote) {
    this.quote = quote;
    this.rate.set(quote.rate_micro_per_min);
    this.balance.set(quote.balance_micro);
    this.minimum.set(quote.minimum_micro);
    put(this.lasts, duration(quote.lasts_ms));
    mark(this.lasts, { "data-ms": quote.lasts_ms });
    put(this.free, duration(quote.free_ms));
    show(this.freeLine, quote.free_ms > 0);
    const short = quote.balance_micro < quote.minimum_micro;
    show(this.minimumLine, short);
    show(this.topUp, short && this.app.canTopUp);
    this.confirm.disabled = short;
    put(this.problem, short ? errorText({ code: "billing.no_funds" }) : "");
  }

  async renew() {
    this.show(await this.app.session.client.quote(this.host.user, this.medium));
  }

  async ring() {
    put(this.problem, "");
    const text = this.confirm.querySelector(".button-text");
    // The browser may be asking for permission meanwhile, above or beside this sheet.
    put(text, t("quote.asking_devices"));
    try {
      await this.app.session.ring(this.quote);
      this.dialog.close();
    } finally {
      put(text, t("quote.confirm"));
    }
  }

  async failed(error) {
    if (["price.changed", "billing.no_funds"].includes(error.code)) await this.renew().catch(() => {});
    put(this.problem, errorText(error));
    mark(this.problem, { "data-code": error.code });
  }
}
