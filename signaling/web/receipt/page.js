/**
 * The page that checks receipts: choose or drop a file, or come from the end of a call. Everything
 * is computed here; once the page is loaded, it needs no network.
 */

import { signedReceipt, storedPerson } from "./fetch.js";
import { InvalidReceipt, canVerify, verify } from "./verify.js";
import { button, heading } from "../parts.js";
import { currentLanguage, errorText, preferredLanguage, setLanguage, t } from "../i18n.js";
import { h, icon, mark, put } from "../dom.js";
import { verdictView } from "../views/verdict.js";

/** Two days of a call are some 25 MB; what is far larger is no receipt. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;

const byId = (id) => document.getElementById(id);

class Page {
  /** The key that this server publishes, or null if it could not be asked. */
  key = null;
  /** `{state: "waiting" | "busy" | "valid" | "invalid" | "failed", ...}` */
  result = { state: "waiting" };

  async start() {
    setLanguage(preferredLanguage(new URLSearchParams(location.search)));
    byId("language").addEventListener("click", () => {
      setLanguage(currentLanguage() === "en" ? "ar" : "en");
      this.draw();
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => this.#dropped(event));
    addEventListener("hashchange", () => this.#arrived());
    this.draw();
    this.key = await publishedKey();
    await this.#arrived();
  }

  draw() {
    const title = t("check.title");
    document.title = `${title} · ${t("title.app")}`;
    put(byId("tagline"), t("app.tagline"));
    put(byId("language"), t("app.switch_language"));
    mark(byId("language"), { lang: currentLanguage() === "en" ? "ar" : "en" });
    byId("main").replaceChildren(
      h(
        "section",
        { class: "page check-page", testid: "check", "data-state": this.result.state, "data-check": this.result.check },
        heading(title),
        h("p", { class: "lead" }, t("check.lead")),
        this.#chooser(),
        verdictView(this.result),
      ),
    );
  }

  #chooser() {
    const input = h("input", { type: "file", accept: ".json,application/json", class: "hidden-visually", testid: "check-file", tabindex: "-1", "aria-hidden": "true" });
    input.addEventListener("change", () => this.#read(input.files[0]));
    const choose = button({ kind: "primary", glyph: "file", text: t("check.choose"), testid: "check-choose", onclick: () => input.click() });
    return h("div", { class: "card drop" }, h("span", { class: "empty-sign" }, icon("check")), choose, h("p", { class: "fine" }, t("check.drop")), input);
  }

  #dropped(event) {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) this.#read(file);
  }

  /** Comes from the end of a call: `#call=ID`, with the person of the tab that opened this one. */
  async #arrived() {
    const call = new URLSearchParams(location.hash.slice(1)).get("call");
    if (!call) return;
    this.#show({ state: "busy" });
    try {
      await this.check(await signedReceipt(call, storedPerson()?.token));
    } catch (error) {
      this.#show({ state: "failed", text: errorText(error) });
    }
  }

  async #read(file) {
    if (!file) return;
    this.#show({ state: "busy" });
    const text = file.size > FILE_BYTES_MAX ? null : await file.text().catch(() => null);
    if (text === null) this.#show({ state: "failed", text: t("check.unreadable") });
    else await this.check(text);
  }

  /** Checks a text and shows what came of it. */
  async check(text) {
    this.#show({ state: "busy" });
    if (!(await canVerify())) {
      this.#show({ state: "failed", text: t("check.unsupported") });
      return;
    }
    try {
      this.#show({ state: "valid", verified: await verify(text, this.key) });
    } catch (error) {
      if (!(error instanceof InvalidReceipt)) throw error;
      this.#show({ state: "invalid", check: error.check, detail: error.message });
    }
  }

  #show(result) {
    this.result = result;
    this.draw();
    const said = document.querySelector(".verdict h2")?.textContent;
    if (said) put(byId("polite"), said);
  }
}

async function publishedKey() {
  try {
    const answer = await fetch("/v1/receipts/key");
    return answer.ok ? (await answer.json()).key : null;
  } catch {
    return null;
  }
}

new Page().start();
