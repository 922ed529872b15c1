/** The page: who is signed in, which view is shown, notices, language. */

import { whole } from "./format.js";
import { currentLanguage, errorText, preferredLanguage, setLanguage, t } from "./i18n.js";
import { TOP_UP, demoPeople } from "./demo.js";
import { avatar, h, mark, put, show } from "./dom.js";
import { button, during } from "./parts.js";
import { Session } from "./session.js";
import { allowSounds, play } from "./sounds.js";
import { blockedView, loadingView } from "./views/notices.js";
import { callView } from "./views/call.js";
import { deskView } from "./views/desk.js";
import { hostsView } from "./views/hosts.js";
import { incomingView } from "./views/incoming.js";
import { peopleView } from "./views/people.js";
import { receiptView } from "./views/receipt.js";

const PERSON = "coinline.person";
const DESK = "coinline.desk";
const NOTICE_MS = 6_000;
/** A socket that comes back sooner than this is nobody's concern. */
const PATIENCE_MS = 1_200;

const VIEWS = {
  loading: loadingView, people: peopleView, blocked: blockedView, incoming: incomingView,
  call: callView, receipt: receiptView, desk: deskView, hosts: hostsView,
};

const query = new URLSearchParams(location.search);
const byId = (id) => document.getElementById(id);

class App {
  /** Demo people, null until known, "failed" if the server can't be reached. */
  people = null;
  session = null;
  #view = null;
  #viewName = null;
  #drawing = false;
  #noticeTimer = null;
  #patience = null;
  #renewed = false;

  async start() {
    setLanguage(preferredLanguage(query));
    allowSounds();
    byId("language").addEventListener("click", () => this.#switchLanguage());
    byId("leave").addEventListener("click", () => this.signOut());
    byId("notice-close").addEventListener("click", () => this.#hideNotice());
    this.draw();
    const known = this.#knownPerson();
    if (known) this.signIn(known);
    else await this.loadPeople();
  }

  async loadPeople() {
    this.people = null;
    this.draw();
    this.people = await demoPeople().catch(() => "failed");
    if (Array.isArray(this.people)) this.people = this.people.map((person) => ({ ...person, demo: true }));
    const wanted = this.session ? null : this.#wantedPerson();
    if (wanted) this.signIn(wanted);
    this.draw();
  }

  signIn(person) {
    this.session?.stop();
    stored(sessionStorage, PERSON, person);
    const session = new Session(person, { camera: cameraOf(query), desk: this.#storedDesk(person) });
    this.session = session;
    session.addEventListener("change", () => this.#changed());
    session.addEventListener("desk", () => this.#keepDesk(session));
    session.addEventListener("warning", () => this.#warn(session));
    session.addEventListener("notice", ({ detail }) => this.notify(detail.key, detail));
    session.start();
    this.draw();
  }

  signOut() {
    this.session?.stop();
    this.session = null;
    stored(sessionStorage, PERSON, null);
    // A deep link would sign the same person in again.
    history.replaceState(null, "", location.pathname);
    query.delete("as");
    this.#hideNotice();
    this.loadPeople();
  }

  get canTopUp() {
    return this.session?.person.demo === true;
  }

  /** A button that adds demo coins, hidden where coins are not for play. */
  topUpButton(key, then = async () => {}) {
    const amount = whole(TOP_UP.coins);
    const node = button({ kind: "coins", glyph: "plus", text: t(key, { amount }), testid: "top-up" });
    node.addEventListener("click", during(node, async () => {
      await this.session.topUp();
      this.notify("hosts.added", { values: { amount } });
      await then();
    }, (error) => this.tell(error)));
    show(node, this.canTopUp);
    return node;
  }

  /** Tells what went wrong. */
  tell(error) {
    if (error.code === undefined) globalThis.console.error(error);
    this.notify(null, { error });
  }

  /** A passing note: a text, an error, or both. */
  notify(key, { error = null, values = {} } = {}) {
    const text = [error && errorText(error), key && t(key, values)].filter(Boolean).join(" ");
    // With a text of its own, an error is a remark: something else was done instead.
    this.#showNotice(text, error?.code ?? key, error !== null && key === null);
    this.#noticeTimer = setTimeout(() => this.#hideNotice(), NOTICE_MS);
  }

  /** Says something to screen readers only. */
  announce(text, region = "polite") {
    put(byId(region), text);
  }

  /** Draws once after everything that happens at the same time. */
  draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const name = this.#choose();
    if (name !== this.#viewName) this.#mount(name, true);
    this.#view.update();
    document.title = this.#pageTitle();
    this.#drawHeader(name);
  }

  #choose() {
    const { session } = this;
    if (!session) return this.people === null ? "loading" : "people";
    if (session.connection.state === "closed") return "blocked";
    if (session.call) return session.call.state === "ringing" && session.call.you === "host" ? "incoming" : "call";
    if (session.ended) return "receipt";
    if (!session.welcome) return "loading";
    return session.role === "host" ? "desk" : "hosts";
  }

  #mount(name, moveFocus) {
    const first = this.#viewName === null;
    this.#view?.destroy?.();
    if (name === "blocked") this.#hideNotice();
    for (const sheet of document.querySelectorAll("dialog")) sheet.close();
    this.#view = VIEWS[name](this);
    this.#viewName = name;
    mark(document.body, { "data-view": name });
    byId("main").replaceChildren(this.#view.node);
    this.#view.update();
    scrollTo(0, 0);
    if (moveFocus && !first) this.#view.node.querySelector("h1")?.focus({ preventScroll: true });
  }

  #pageTitle() {
    const title = this.#view.title();
    return title === t("title.app") ? title : `${title} · ${t("title.app")}`;
  }

  #drawHeader(name) {
    const person = this.session?.person;
    const other = currentLanguage() === "en" ? "ar" : "en";
    put(byId("language"), t("app.switch_language"));
    mark(byId("language"), { lang: other });
    put(byId("tagline"), t("app.tagline"));
    show(byId("leave"), Boolean(person));
    mark(byId("leave"), { "aria-label": t("app.switch_person"), title: t("app.switch_person") });
    mark(byId("notice-close"), { "aria-label": t("app.close") });
    if (person && byId("me").dataset.person !== person.id) {
      mark(byId("me"), { "data-person": person.id });
      byId("me").replaceChildren(avatar(person, "tiny"), h("span", {}, person.name));
    }
    show(byId("header"), name !== "call" && name !== "incoming");
  }

  #changed() {
    const { state, reason } = this.session.connection;
    if (state === "open") {
      this.#renewed = false;
      clearTimeout(this.#patience);
      this.#patience = null;
      if (byId("notice").dataset.code === "connection") this.#hideNotice();
    } else if (state === "waiting" && this.#patience === null) {
      this.#patience = setTimeout(() => this.#tellConnection(reason), PATIENCE_MS);
    } else if (state === "closed" && ["auth.expired", "auth.invalid"].includes(reason) && this.canTopUp) {
      this.#renewToken();
    }
    this.draw();
  }

  #tellConnection(reason) {
    const inCall = this.#viewName === "call";
    if (!inCall) this.#showNotice(t(reason === "server.draining" ? "notice.draining" : "notice.reconnecting"), "connection", false);
  }

  /** Demo tokens are there for the asking, so an old one is no reason to trouble a person; once. */
  async #renewToken() {
    if (this.#renewed) return;
    this.#renewed = true;
    const { id } = this.session.person;
    const people = await demoPeople().catch(() => []);
    const person = people.find((each) => each.id === id);
    if (person) this.signIn({ ...person, demo: true });
  }

  #warn(session) {
    play("warning");
    const { remaining_ms: left } = session.lowFunds;
    this.#view.update();
    const text = document.querySelector("[data-testid=low-funds] span")?.textContent;
    if (text && left >= 0) this.announce(text, "assertive");
  }

  #showNotice(text, code, urgent) {
    clearTimeout(this.#noticeTimer);
    put(byId("notice-text"), text);
    mark(byId("notice"), { "data-code": code, "data-urgent": urgent, "data-testid": "notice" });
    show(byId("notice"), true);
    this.announce(text, urgent ? "assertive" : "polite");
  }

  #hideNotice() {
    clearTimeout(this.#noticeTimer);
    show(byId("notice"), false);
    mark(byId("notice"), { "data-code": null, "data-testid": null });
  }

  #switchLanguage() {
    setLanguage(currentLanguage() === "en" ? "ar" : "en");
    this.#mount(this.#viewName, false);
    this.draw();
  }

  /** A token in the fragment (from an app that signs people in) or whoever this tab was before. */
  #knownPerson() {
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    if (token) {
      history.replaceState(null, "", location.pathname + location.search);
      return personOf(token);
    }
    const person = recalled(sessionStorage, PERSON);
    const wanted = query.get("as");
    return person && (!wanted || wanted === person.id) ? person : null;
  }

  #wantedPerson() {
    if (!Array.isArray(this.people)) return null;
    return this.people.find((person) => person.id === query.get("as")) ?? null;
  }

  #keepDesk({ person, online, prices }) {
    stored(sessionStorage, `${DESK}.${person.id}`, { online });
    if (prices) stored(localStorage, `${DESK}.${person.id}`, prices);
  }

  #storedDesk({ id }) {
    return {
      online: recalled(sessionStorage, `${DESK}.${id}`)?.online === true,
      prices: recalled(localStorage, `${DESK}.${id}`),
    };
  }
}

/** The person a token speaks of. Only for display: the server alone judges the token. */
function personOf(token) {
  try {
    const base64 = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return { id: claims.sub, name: claims.name ?? claims.sub, role: claims.coinline?.role, token };
  } catch {
    return null;
  }
}

/** `?capture=low` spares weak machines. */
function cameraOf(parameters) {
  if (parameters.get("capture") !== "low") return undefined;
  return { width: { ideal: 320 }, height: { ideal: 240 }, frameRate: { ideal: 15 }, facingMode: "user" };
}

function stored(storage, key, value) {
  try {
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, JSON.stringify(value));
  } catch {
    // Without storage a reload asks again.
  }
}

function recalled(storage, key) {
  try {
    return JSON.parse(storage.getItem(key));
  } catch {
    return null;
  }
}

const app = new App();

/** For tests and support. */
globalThis.coinline = {
  get client() { return app.session?.client ?? null; },
  get session() { return app.session; },
  stats: async () => (await app.session?.media?.stats()) ?? { state: "none" },
};

app.start();
