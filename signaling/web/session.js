/**
 * What one signed-in person sees and may do: connection, hosts, balance, the call and its media.
 * No DOM; views read the fields and redraw on `change`. `notice` events carry a text key to tell.
 */

import { CoinlineClient, captureMedia } from "./client.js";
import { addCoins } from "./demo.js";

/** Sharp enough for a face, and affordable for phones on both ends. */
const CAMERA = { width: { ideal: 960 }, height: { ideal: 540 }, frameRate: { ideal: 30 }, facingMode: "user" };

export class Session extends EventTarget {
  connection = { state: "idle", reason: null };
  welcome = null;
  /** Micro-coins, or null until told. */
  balance = null;
  /** Host cards by user id, or null until listed. */
  hosts = null;
  /** The call view, or null. */
  call = null;
  /** The last `call.tick` and when it came, or null. */
  tick = null;
  tickAt = 0;
  /** The last `call.low_funds` of this call, or null. */
  lowFunds = null;
  /** `{call, reason, receipt, credits}` of the call that just ended, until it is put away. */
  ended = null;
  media = null;
  /** A host's wish to be called, kept over reloads and lost sessions. */
  online = false;
  prices = null;
  /** True while devices are being asked for. */
  capturing = false;
  #stream = null;

  constructor(person, { camera = CAMERA, desk = null } = {}) {
    super();
    this.person = person;
    this.camera = camera;
    this.online = desk?.online ?? false;
    this.prices = desk?.prices ?? null;
    this.client = new CoinlineClient({ token: person.token });
    const on = (type, act) => this.client.addEventListener(type, (event) => {
      act(event.detail);
      this.#changed();
    });
    on("connection", (connection) => this.#connectionChanged(connection));
    on("welcome", (welcome) => this.#welcomed(welcome));
    on("hosts", ({ hosts }) => { this.hosts = new Map(hosts.map((host) => [host.user, host])); });
    on("host.updated", ({ host }) => { this.hosts?.set(host.user, host); });
    on("wallet", ({ balance_micro }) => { this.balance = balance_micro; });
    on("call", ({ call }) => this.#callChanged(call));
    on("call.incoming", ({ call }) => this.#callChanged(call));
    on("call.tick", (tick) => this.#ticked(tick));
    on("call.low_funds", (warning) => this.#warned(warning));
    on("call.ended", (ended) => this.#callEnded(ended));
    on("call.credited", (credited) => this.#callCredited(credited));
    on("fault", (error) => this.#notice(null, error));
  }

  get role() {
    return this.welcome?.role ?? this.person.role;
  }

  start() {
    this.client.connect();
  }

  stop() {
    this.#dropMedia();
    this.client.close();
  }

  /** Signs in again where another window had taken over. */
  takeOver() {
    this.client.connect();
  }

  /** Asks for devices, then rings. */
  async ring(quote) {
    const { medium } = quote;
    await this.#capture(medium);
    try {
      await this.client.ring(quote.host, medium, quote.rate_micro_per_min);
    } catch (error) {
      this.#dropMedia();
      throw error;
    }
  }

  cancel() {
    return this.client.cancel(this.call.call);
  }

  /** Asks for devices, then accepts: a host who can't be heard should not take a paying call. */
  async accept() {
    const { call, medium } = this.call;
    await this.#capture(medium);
    if (this.call?.call !== call) {
      this.#dropMedia();
      return;
    }
    try {
      await this.client.accept(call);
    } catch (error) {
      this.#dropMedia();
      throw error;
    }
  }

  decline() {
    return this.client.decline(this.call.call);
  }

  hangUp() {
    // Whoever hangs up is not seen or heard any more, even if the server hears of it later.
    this.media?.stopSending();
    return this.client.hangUp(this.call.call);
  }

  /** Comes back to a call after the page was loaded anew. */
  async rejoin() {
    await this.#capture(this.call.medium);
    this.#connectMedia();
  }

  async goOnline(prices) {
    await this.client.goOnline(prices);
    this.prices = prices;
    this.#setOnline(true);
  }

  async goOffline() {
    await this.client.goOffline();
    this.#setOnline(false);
  }

  async topUp() {
    this.balance = await addCoins(this.person.id);
    this.#changed();
  }

  putReceiptAway() {
    this.ended = null;
    this.#changed();
  }

  /** Whether media is wanted but was never connected by this page. */
  get needsRejoin() {
    return this.media === null && !this.capturing && ["connecting", "live"].includes(this.call?.state);
  }

  #changed() {
    this.dispatchEvent(new CustomEvent("change"));
  }

  #notice(key, error = null, values = {}) {
    this.dispatchEvent(new CustomEvent("notice", { detail: { key, error, values } }));
  }

  #setOnline(online) {
    this.online = online;
    this.dispatchEvent(new CustomEvent("desk"));
    this.#changed();
  }

  #connectionChanged(connection) {
    this.connection = connection;
    // Nobody can come back to the call from here, so nothing may go on filming.
    if (connection.state === "closed") this.#dropMedia();
  }

  #welcomed(welcome) {
    this.welcome = welcome;
    // What was missed follows, in order; the call as it is now would be ahead of it.
    if (welcome.resumed) return;
    if (welcome.call) this.#callChanged(welcome.call);
    if (!welcome.call && this.call) this.#callEnded({ call: this.call.call, reason: "gone" });
    this.#ask(this.client.balance());
    if (welcome.role === "fan") this.#ask(this.client.watchHosts());
    else if (this.online && this.prices) this.goOnline(this.prices).catch(() => this.#setOnline(false));
    if (this.needsRejoin) this.#rejoinIfAllowed();
  }

  /** For requests whose answers arrive as events; a lost session asks again on `welcome`. */
  #ask(request) {
    request.catch((error) => {
      if (error.code !== "session.lost" && error.code !== "auth.forbidden") this.#notice(null, error);
    });
  }

  #callChanged(call) {
    if (this.call?.call !== call.call) {
      this.tick = null;
      this.lowFunds = null;
      this.ended = null;
    }
    this.call = call;
    if (call.state === "ending") this.media?.stopSending();
    else if (call.state !== "ringing" && this.#stream && !this.media) this.#connectMedia();
  }

  #ticked(tick) {
    if (tick.call !== this.call?.call) return;
    this.tick = tick;
    this.tickAt = performance.now();
    if (tick.balance_micro !== undefined) this.balance = tick.balance_micro;
    if (this.lowFunds && tick.remaining_ms > this.lowFunds.threshold_ms) this.lowFunds = null;
  }

  #warned(warning) {
    if (warning.call !== this.call?.call) return;
    this.lowFunds = warning;
    this.dispatchEvent(new CustomEvent("warning"));
  }

  #callEnded({ call: id, reason, receipt = null }) {
    const known = [this.call, this.ended?.call].find((each) => each?.call === id);
    const call = known ?? this.#formerCall(id, receipt);
    if (!call) return;
    if (this.call?.call === id) {
      this.call = null;
      this.#dropMedia();
    }
    if (receipt || !this.#toldInPassing(call, reason)) this.ended = { call, reason, receipt };
    if (call.you === "fan") this.#ask(this.client.balance());
  }

  /** Coins that went back after the bill: with the receipt if that is still shown, else in passing. */
  #callCredited({ call, credits }) {
    if (this.ended?.call.call === call) this.ended = { ...this.ended, credits };
    else if (this.role === "fan") this.#notice("notice.credited");
  }

  /** A call that ended before this page knew of it, from its receipt. */
  #formerCall(id, receipt) {
    if (!receipt || this.call) return null;
    const you = receipt.host === this.person.id ? "host" : "fan";
    const other = you === "host" ? receipt.fan : receipt.host;
    const name = this.hosts?.get(other)?.name ?? other;
    return { ...receipt, call: id, you, peer: { user: other, name } };
  }

  /** Hosts go straight back to being called; a passing note says whom they missed. */
  #toldInPassing(call, reason) {
    if (call.you !== "host") return false;
    const key = { declined: "incoming.declined", cancelled: "incoming.cancelled", unanswered: "incoming.missed" }[reason];
    if (key) this.#notice(key, null, { name: call.peer.name });
    return key !== undefined;
  }

  async #capture(medium) {
    this.#dropMedia();
    this.capturing = true;
    this.#changed();
    try {
      const { stream, missing } = await captureMedia(medium, this.camera);
      this.#stream = stream;
      if (missing) this.#notice("notice.no_camera", missing);
    } finally {
      this.capturing = false;
      this.#changed();
    }
  }

  #connectMedia() {
    const media = this.client.connectMedia(this.call, this.#stream, { capture: this.camera });
    this.media = media;
    media.addEventListener("state", () => this.#changed());
    media.addEventListener("sending", () => this.#changed());
    media.addEventListener("lost", ({ detail }) => {
      this.#notice(detail.kind === "audio" ? "notice.microphone_lost" : "notice.camera_lost");
    });
    this.#changed();
  }

  #dropMedia() {
    this.media?.close();
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.media = null;
    this.#stream = null;
  }

  /** Comes back without a tap where the browser needs no question for it. */
  async #rejoinIfAllowed() {
    const permission = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
    if (permission?.state !== "granted" || !this.needsRejoin) return;
    this.rejoin().catch((error) => this.#notice(null, error));
  }
}
