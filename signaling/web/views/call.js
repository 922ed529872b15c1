/** A call from its first ring to its last second: the other side, the money, the controls. */

import { avatar, h, mark, put, show, swapIcon } from "../dom.js";
import { duration, lastsMs } from "../format.js";
import { errorText, t } from "../i18n.js";
import { button, during, heading, money, running } from "../parts.js";
import { keepPlaying, play } from "../sounds.js";

/** How far the clock may run ahead of the last tick; ticks come about once a second. */
const AHEAD_MAX_MS = 1_000;
const CLOCK_EVERY_MS = 200;

export function callView(app) {
  const view = new CallView(app);
  return { node: view.node, update: () => view.update(), destroy: () => view.destroy(), title: () => view.title() };
}

class CallView {
  #shownMs = 0;
  #said = null;
  #state = null;
  #wakeLock = null;

  constructor(app) {
    this.app = app;
    this.session = app.session;
    const { call } = this.session;
    this.host = call.you === "host";
    this.name = call.peer.name;
    this.#drawStage(call);
    this.#drawPanel();
    this.node = h(
      "section",
      { class: "call", "data-medium": call.medium },
      this.remote,
      h("div", { class: "call-top" }, this.name_, this.status, this.pills),
      this.stage,
      this.self,
      this.panel,
    );
    this.clockTimer = setInterval(() => this.#runClock(), CLOCK_EVERY_MS);
    this.levelTimer = setInterval(() => this.#runLevel(), CLOCK_EVERY_MS);
    navigator.wakeLock?.request("screen").then((lock) => { this.#wakeLock = lock; }, () => {});
  }

  #drawStage(call) {
    this.name_ = heading(this.name);
    this.status = h("p", { class: "call-status", testid: "call-state" });
    this.free = h("span", { class: "pill free", testid: "not-charged" });
    this.peerNote = h("span", { class: "pill", testid: "peer-note" });
    this.ownNote = h("span", { class: "pill", testid: "own-note" });
    this.pills = h("div", { class: "pills" }, this.free, this.peerNote, this.ownNote);
    // Not muted: a muted element decodes no sound. Started by the tap that began the call.
    this.remote = h("video", { class: "remote", autoplay: true, playsinline: true, testid: "remote", "aria-label": t("call.peer_view", { name: this.name }) });
    this.remote.addEventListener("resize", () => this.update());
    this.speaker = h("div", { class: "speaker" }, avatar(call.peer, "huge"));
    this.hear = button({ kind: "primary", glyph: "sound", text: t("call.hear", { name: this.name }), testid: "hear", onclick: () => this.#playRemote() });
    this.retry = button({ kind: "primary", text: t("app.retry"), testid: "retry-media", onclick: () => this.session.media.connect() });
    this.rejoin = button({ kind: "primary", glyph: "phone", text: t("call.rejoin"), testid: "rejoin" });
    this.rejoin.addEventListener("click", during(this.rejoin, () => this.session.rejoin(), (error) => this.app.tell(error)));
    this.stageNote = h("p", { class: "stage-note" });
    this.stage = h("div", { class: "call-stage" }, this.speaker, this.stageNote, this.hear, this.retry, this.rejoin);
    this.self = h("video", { class: "self", autoplay: true, playsinline: true, testid: "self", "aria-label": t("call.self_view") });
    this.self.muted = true;
    show(this.hear, false);
  }

  #drawPanel() {
    this.timer = running("timer");
    this.spent = money("spent", "up");
    this.earned = money("earned");
    this.balance = money("balance");
    this.remaining = running("remaining");
    const cell = (label, value, kind = "") => h("div", { class: `cell ${kind}` }, h("dt", {}, label), h("dd", {}, value));
    const cells = this.host
      ? [cell(t("call.earned"), this.earned.node, "main"), cell(t("call.time"), this.timer.node), cell(t("call.remaining_host"), this.remaining.node)]
      : [cell(t("call.spent"), this.spent.node, "main"), cell(t("call.time"), this.timer.node), cell(t("call.balance"), this.balance.node), cell(t("call.remaining"), this.remaining.node)];
    this.gauge = h("div", { class: "gauge", role: "progressbar", "aria-label": t("call.gauge"), "aria-valuemin": "0", "aria-valuemax": "100" }, h("span", { class: "gauge-left" }));
    this.lowText = h("span", {});
    const topUp = this.host ? null : this.app.topUpButton("call.top_up");
    if (topUp) mark(topUp, { class: "button primary small" });
    this.low = h("div", { class: "low", testid: "low-funds" }, this.lowText, topUp);
    this.panel = h("div", { class: "call-panel" }, this.low, h("dl", { class: "meter" }, cells), this.gauge, this.#drawControls());
  }

  #drawControls() {
    const failed = (error) => this.app.tell(error);
    const media = () => this.session.media;
    const make = (options, act) => {
      const node = button(options);
      node.addEventListener("click", during(node, act, failed));
      return node;
    };
    this.mute = make({ kind: "tool", glyph: "mic", label: t("call.mute"), testid: "mute" }, () => media().setMuted(!media().muted));
    this.camera = make({ kind: "tool", glyph: "video", label: t("call.camera_off"), testid: "camera" }, () => media().setCamera(!media().sending.video));
    this.flip = make({ kind: "tool", glyph: "flip", label: t("call.switch_camera"), testid: "switch-camera" }, () => media().switchCamera());
    this.cancel = make({ kind: "end", glyph: "phone", label: t("call.cancel"), testid: "cancel" }, () => this.session.cancel());
    this.hangUp = make({ kind: "end", glyph: "phone", label: t("call.hang_up"), testid: "hang-up" }, () => this.session.hangUp());
    this.tools = [this.mute, this.camera, this.flip];
    return h("div", { class: "controls" }, [...this.tools, this.cancel, this.hangUp].map(withText));
  }

  update() {
    const { call, media, tick } = this.session;
    if (!call) return;
    this.#enter(call.state);
    mark(this.status, { "data-state": call.state });
    const paused = call.state === "live" && tick?.paused === true;
    mark(this.node, { "data-state": call.state, "data-paused": paused });
    put(this.status, t(`call.${call.state}`));
    this.#updateNotes(call, media, paused);
    this.#updateStage(call, media);
    this.#updateMeter(tick);
    this.#updateControls(call, media);
    this.#runClock();
  }

  /** What happens once when a state begins. */
  #enter(state) {
    if (this.#state === state) return;
    const before = this.#state;
    this.#state = state;
    keepPlaying(state === "ringing" ? "ringback" : null);
    if (state === "live" && before) play("connected");
    this.app.announce(`${t(`call.${state}`)} ${this.name}`);
  }

  #updateNotes(call, media, paused) {
    const values = { name: this.name };
    const silent = this.host ? media && !media.sending.audio && !media.sending.video : !call.peer.audio && !call.peer.video;
    const why = { ringing: "ringing", connecting: "connecting" }[call.state] ?? (paused ? (silent ? "paused_muted" : "paused") : null);
    const suffix = paused && this.host ? "_host" : "";
    tellIn(this.free, why && t(`call.free.${why}${suffix}`, values));

    const said = why === "paused_muted" && !this.host;
    const peer = said ? null : this.#peerNote(call);
    tellIn(this.peerNote, peer && t(peer, values));
    const own = this.#ownNote(call, media);
    tellIn(this.ownNote, own && t(own));
    const spoken = [this.free, this.peerNote, this.ownNote].filter((pill) => !pill.hidden).map((pill) => pill.textContent).join(". ");
    if (spoken !== this.#said && this.#said !== null) this.app.announce(spoken);
    this.#said = spoken;
  }

  #peerNote(call) {
    if (call.state !== "live" && call.state !== "connecting") return null;
    if (!call.peer.online) return "call.peer_gone";
    if (!call.peer.audio) return "call.peer_muted";
    return call.medium === "video" && !call.peer.video ? "call.peer_camera_off" : null;
  }

  #ownNote(call, media) {
    if (media?.state === "reconnecting") return "call.media_reconnecting";
    if (this.session.connection.state !== "open") return "call.socket_reconnecting";
    return media?.muted && call.state !== "ending" ? "call.you_muted" : null;
  }

  #updateStage(call, media) {
    if (media && this.remote.srcObject !== media.remote) {
      this.remote.srcObject = media.remote;
      this.#playRemote();
    }
    const pictured = call.medium === "video" && media?.state === "connected" && call.peer.video && this.remote.videoWidth > 0;
    mark(this.node, { "data-pictured": pictured });
    mark(this.remote, { "data-upright": this.remote.videoHeight > this.remote.videoWidth });
    mark(this.speaker, { class: `speaker ${call.state}` });

    const own = media?.sending.video ? media.stream : null;
    if (this.self.srcObject !== own) this.self.srcObject = own;
    show(this.self, own !== null);
    mark(this.self, { "data-mirrored": media?.facing !== "environment" });

    const failed = media?.state === "failed";
    const note = failed ? errorText(media.error) : this.session.needsRejoin ? t("call.rejoin_lead", { name: this.name }) : "";
    put(this.stageNote, note);
    show(this.stageNote, note !== "");
    show(this.retry, failed && media.error.code !== "call.unknown");
    show(this.rejoin, this.session.needsRejoin);
  }

  #updateMeter(tick) {
    const { balance, lowFunds } = this.session;
    this.spent.set(tick?.charged_micro ?? 0);
    this.earned.set(tick?.host_micro ?? 0);
    this.balance.set(balance);
    this.remaining.set(tick?.remaining_ms ?? this.#lastsMs());
    const left = tick ? tick.remaining_ms / Math.max(1, tick.remaining_ms + tick.proven_ms) : 1;
    this.gauge.style.setProperty("--left", String(left));
    mark(this.gauge, { "aria-valuenow": Math.round(left * 100) });
    const low = lowFunds !== null && this.session.call.state === "live";
    mark(this.node, { "data-low": low });
    show(this.low, low);
    if (!low) return;
    const time = duration(tick ? Math.min(tick.remaining_ms, lowFunds.threshold_ms) : lowFunds.remaining_ms);
    put(this.lowText, this.host ? t("call.low_funds_host", { name: this.name, time }) : t("call.low_funds", { time }));
  }

  /** Before the first tick: how long the fan's balance lasts; hosts are not told balances. */
  #lastsMs() {
    const { balance, call } = this.session;
    return this.host || balance === null ? null : lastsMs(balance, call.rate_micro_per_min);
  }

  #updateControls(call, media) {
    const ringing = call.state === "ringing";
    const open = call.state === "connecting" || call.state === "live";
    const visible = (node, wanted) => show(node.parentElement, wanted);
    visible(this.cancel, ringing);
    visible(this.hangUp, !ringing);
    visible(this.mute, !ringing);
    visible(this.camera, !ringing && call.medium === "video");
    visible(this.flip, !ringing && call.medium === "video");
    for (const tool of this.tools) tool.disabled = !open || !media;
    this.hangUp.disabled = !open;
    const filming = media?.sending.video ?? false;
    this.flip.disabled ||= !filming;
    toggle(this.mute, media?.muted, "mic-off", "mic", t("call.unmute"), t("call.mute"));
    toggle(this.camera, media && !filming, "video-off", "video", t("call.camera_on"), t("call.camera_off"));
  }

  /** Between two ticks the clock runs on by itself, but not while the meter stands still. */
  #runClock() {
    const { call, tick, tickAt } = this.session;
    if (!call) return;
    const runs = tick && !tick.paused && call.state === "live";
    const ahead = runs ? Math.min(performance.now() - tickAt, AHEAD_MAX_MS) : 0;
    const now = Math.round((tick?.proven_ms ?? 0) + ahead);
    // A tick that comes a moment early must not turn the clock back.
    this.#shownMs = runs && this.#shownMs - now < AHEAD_MAX_MS ? Math.max(now, this.#shownMs) : now;
    this.timer.set(this.#shownMs);
  }

  async #runLevel() {
    if (document.hidden || this.node.dataset.pictured === "true") return;
    const level = (await this.session.media?.remoteLevel().catch(() => 0)) ?? 0;
    // Speech seldom passes 0.3; the root makes soft voices visible.
    this.speaker.style.setProperty("--level", Math.min(1, Math.sqrt(level) * 1.6).toFixed(2));
    mark(this.speaker, { "data-speaking": level > 0.01 });
  }

  #playRemote() {
    this.remote.play().then(
      () => show(this.hear, false),
      (error) => show(this.hear, error.name === "NotAllowedError"),
    );
  }

  title() {
    return t(`title.${this.session.call?.state ?? "ending"}`, { name: this.name });
  }

  destroy() {
    clearInterval(this.clockTimer);
    clearInterval(this.levelTimer);
    keepPlaying(null);
    this.remote.srcObject = null;
    this.self.srcObject = null;
    this.#wakeLock?.release().catch(() => {});
  }
}

function withText(node) {
  return h("div", { class: "control" }, node, h("span", { class: "control-text", "aria-hidden": "true" }, node.getAttribute("aria-label")));
}

/** A button that is one of two: what it shows is the state, what it says is what a tap does. */
function toggle(node, off, offIcon, onIcon, offLabel, onLabel) {
  swapIcon(node, off ? offIcon : onIcon);
  const label = off ? offLabel : onLabel;
  mark(node, { "aria-label": label, title: label, "data-off": off ? "true" : "false" });
  put(node.nextElementSibling, label);
}

function tellIn(pill, text) {
  show(pill, Boolean(text));
  put(pill, text || "");
}
