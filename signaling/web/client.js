/**
 * The client side of `coinline.v1` (crates/protocol/PROTOCOL.md): one WebSocket for signaling and
 * one RTCPeerConnection for media. Touches no DOM and needs no other file.
 *
 * - `CoinlineClient`: requests and answers, resuming after a broken socket, events.
 * - `CallMedia`: microphone, camera and the peer connection of one call.
 * - `captureMedia`: asks for microphone and camera and says exactly what is missing.
 *
 * Money is in integer micro-coins, times are in milliseconds.
 */

const SUBPROTOCOL = "coinline.v1";

/** Longer leaves a person waiting after the network is back; shorter floods a restarting server. */
const BACKOFF_MAX_MS = 8_000;
const BACKOFF_FIRST_MS = 250;
/** After close code 1008 (too many frames) the server wants quiet. */
const BACKOFF_ABUSE_MS = 5_000;
/** Silence after which the socket is tried with a `ping`; a dead network shows no other sign. */
const IDLE_PING_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;
const ASK_TIMEOUT_MS = 20_000;
/** How long a peer connection may take, or look for another network, before it is replaced. */
const MEDIA_CONNECT_MS = 12_000;
const MEDIA_ROAM_MS = 4_000;
/** Tries in a row before a person is asked; 5 with backoff span about half a minute of no network. */
const MEDIA_ATTEMPTS_MAX = 5;

/** More would hold up calls for a server that most networks need not. */
const ICE_SERVERS_MS = 3_000;
const ICE_RETRY_MS = 30_000;

const CLOSE_TOO_FAST = 1008;
const CLOSE_REPLACED = 4001;

/**
 * A refusal or failure. `code` is a code of PROTOCOL.md, or one of ours: `session.lost` (the server
 * forgot the session), `client.timeout`, `client.closed`, `device.denied`, `device.missing`,
 * `device.busy`, `device.unsupported` (with `detail` naming `microphone` or `camera`).
 */
export class CoinlineError extends Error {
  constructor(code, message = code, { retryAfterMs = null, detail = null } = {}) {
    super(message);
    this.name = "CoinlineError";
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.detail = detail;
  }
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

/** Doubles from the first delay, half of it random so that a crowd does not return as one. */
function backoff(attempt, firstMs = BACKOFF_FIRST_MS) {
  const ceiling = Math.min(BACKOFF_MAX_MS, firstMs * 2 ** Math.min(attempt, 10));
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}

/**
 * One user's session.
 *
 * Events: every server message by its `type` (`detail` is the message: `welcome`, `hosts`,
 * `host.updated`, `wallet`, `call`, `call.incoming`, `call.tick`, `call.low_funds`, `call.ended`,
 * ...); `fault` (`detail` is a CoinlineError that answers no request); and `connection`, whose
 * `detail` is `{state, reason}`: state `connecting`, `open`, `waiting` (tries again by itself) or
 * `closed` (does not), reason a code or null.
 */
export class CoinlineClient extends EventTarget {
  #token;
  #base;
  #session = null;
  #seq = 0;
  #nextId = 1;
  /** Sent and unanswered, by id, in order of id. */
  #pending = new Map();
  /** Asked while there is no connection; numbered when sent. */
  #queue = [];
  #attempt = 0;
  #retryTimer = null;
  #pingTimer = null;
  #holdUntil = 0;
  #onOnline = () => this.#retryNow();

  /** The answer on TURN servers, and until when it is good. */
  #ice = { until: 0, servers: [] };

  /** The WebSocket in use, or null. */
  socket = null;
  state = "idle";
  /** The last `welcome`. */
  welcome = null;

  /** `token`: a JWT, or a function that returns one (or a promise of one) for each connection. */
  constructor({ token, base = globalThis.location?.origin }) {
    super();
    this.#token = token;
    this.#base = base;
  }

  /** Connects and stays connected until `close`, a login elsewhere or a refused token. */
  connect() {
    if (this.state !== "idle" && this.state !== "closed") return;
    this.#attempt = 0;
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#open();
  }

  /** Leaves for good; what is unanswered fails with `client.closed`. */
  close() {
    this.#stop("client.closed");
  }

  /** Breaks the socket as a network would, for tests; reconnects after `forMs` at the earliest. */
  dropSocket(forMs = 0) {
    this.#holdUntil = performance.now() + forMs;
    this.#lost();
  }

  /** Sends a request; resolves to its answer, rejects with a CoinlineError. */
  ask(type, fields = {}, { timeoutMs = ASK_TIMEOUT_MS } = {}) {
    if (this.state === "closed") return Promise.reject(new CoinlineError("client.closed"));
    return new Promise((resolve, reject) => {
      const request = { id: null, type, fields, resolve, reject, timer: null };
      request.timer = setTimeout(() => {
        this.#pending.delete(request.id);
        this.#queue = this.#queue.filter((other) => other !== request);
        reject(new CoinlineError("client.timeout"));
      }, timeoutMs);
      this.#queue.push(request);
      if (this.state === "open") this.#flush();
    });
  }

  /** Resolves when there is a connection; at once if there is one. */
  opened() {
    if (this.state === "open") return Promise.resolve();
    return new Promise((done) => {
      const onChange = () => {
        if (this.state !== "open") return;
        this.removeEventListener("connection", onChange);
        done();
      };
      this.addEventListener("connection", onChange);
    });
  }

  /**
   * What peer connections need to get out of this network, by PROTOCOL.md. An operator's TURN server
   * that can't be learned of is none: most networks need no such thing.
   */
  async iceServers() {
    const now = performance.now();
    if (now >= this.#ice.until) {
      this.#ice = { until: now + ICE_RETRY_MS, servers: this.#askIceServers(this.#ice.servers) };
    }
    return this.#ice.servers;
  }

  goOnline(prices) { return this.ask("host.online", { prices }); }
  goOffline() { return this.ask("host.offline"); }
  watchHosts() { return this.ask("hosts.watch").then((answer) => answer.hosts); }
  balance() { return this.ask("wallet.show").then((answer) => answer.balance_micro); }
  quote(host, medium) { return this.ask("quote.ask", { host, medium }).then((answer) => answer.quote); }
  ring(host, medium, atMost) {
    const limit = atMost === undefined ? {} : { at_most_micro_per_min: atMost };
    return this.ask("call.ring", { host, medium, ...limit }).then((answer) => answer.call);
  }
  cancel(call) { return this.ask("call.cancel", { call }); }
  accept(call) { return this.ask("call.accept", { call }); }
  decline(call) { return this.ask("call.decline", { call }); }
  hangUp(call) { return this.ask("call.hang_up", { call }); }

  /** Connects media for a call view in state `connecting` or `live`. `stream` may lack a camera. */
  connectMedia(call, stream, options) {
    const media = new CallMedia(this, call, stream, options);
    media.connect();
    return media;
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #enter(state, reason = null) {
    this.state = state;
    this.#emit("connection", { state, reason });
  }

  async #open() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    this.#enter("connecting");
    let token;
    try {
      token = typeof this.#token === "function" ? await this.#token() : this.#token;
    } catch {
      this.#later();
      return;
    }
    if (this.state !== "connecting") return;
    const url = new URL("/v1/ws", this.#base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("access_token", token);
    if (this.#session) {
      url.searchParams.set("session", this.#session);
      url.searchParams.set("after", String(this.#seq));
    }
    const socket = new WebSocket(url, SUBPROTOCOL);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (this.socket === socket) this.#receive(event.data);
    };
    socket.onclose = (event) => {
      if (this.socket === socket) this.#lost(event.code, token);
    };
  }

  #receive(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    this.#schedulePing();
    if (message.type === "welcome") this.#welcomed(message);
    if (message.seq > 0) {
      if (message.seq <= this.#seq) return;
      this.#seq = message.seq;
    }
    if (message.type === "session.replaced") {
      this.#emit(message.type, message);
      this.#stop("session.replaced");
    } else {
      this.#settle(message);
    }
  }

  /** Answers the request a message belongs to; whatever shows state is an event as well. */
  #settle(message) {
    const request = this.#pending.get(message.re);
    if (request) {
      this.#pending.delete(message.re);
      clearTimeout(request.timer);
    }
    if (message.type === "error") {
      const { after_ms: retryAfterMs = null } = Object(message.retry);
      const error = new CoinlineError(message.code, message.message, { retryAfterMs, detail: message.detail });
      if (request) request.reject(error);
      else this.#emit("fault", error);
      return;
    }
    if (message.type !== "ok" && message.type !== "pong") this.#emit(message.type, message);
    // A bill is told again at the next login unless the server has heard from us since.
    if (message.type === "call.ended") this.ask("ping").catch(() => {});
    request?.resolve(message);
  }

  #welcomed(message) {
    this.welcome = message;
    this.#attempt = 0;
    if (!message.resumed) {
      const unanswered = [...this.#pending.values()];
      this.#pending.clear();
      this.#seq = 0;
      this.#nextId = 1;
      for (const request of unanswered) this.#fail(request, "session.lost");
    }
    this.#session = message.session;
    this.#enter("open");
    for (const request of this.#pending.values()) this.#send(request);
    this.#flush();
  }

  #flush() {
    for (const request of this.#queue.splice(0)) {
      request.id = this.#nextId++;
      this.#pending.set(request.id, request);
      this.#send(request);
    }
  }

  #send({ id, type, fields }) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ id, type, ...fields }));
  }

  #fail(request, code) {
    clearTimeout(request.timer);
    request.reject(new CoinlineError(code));
  }

  #schedulePing() {
    clearTimeout(this.#pingTimer);
    this.#pingTimer = setTimeout(() => {
      if (this.state !== "open") return;
      this.ask("ping", {}, { timeoutMs: PING_TIMEOUT_MS }).catch((error) => {
        if (error.code === "client.timeout" && this.state === "open") this.#lost();
      });
    }, IDLE_PING_MS);
  }

  /** The socket is gone; `token` is given if the browser said so, to ask why it never opened. */
  async #lost(code, token) {
    const socket = this.socket;
    const neverOpened = this.state === "connecting";
    this.socket = null;
    clearTimeout(this.#pingTimer);
    // A socket that seems dead may still be open to the server, which has to notice first.
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(3000, "dropped");
    if (this.state === "closed") return;
    if (code === CLOSE_REPLACED) {
      this.#stop("session.replaced");
      return;
    }
    if (neverOpened && token !== undefined) {
      const refusal = await this.#refusal(token);
      if (this.state === "closed") return;
      if (refusal) {
        this.#stop(refusal);
        return;
      }
    }
    if (code === CLOSE_TOO_FAST) this.#later("protocol.too_fast", BACKOFF_ABUSE_MS);
    else this.#later(code === 1001 ? "server.draining" : null);
  }

  #later(reason = null, firstMs = BACKOFF_FIRST_MS) {
    const held = Math.max(0, this.#holdUntil - performance.now());
    const delay = Math.max(held, backoff(this.#attempt++, firstMs));
    this.#enter("waiting", reason);
    this.#retryTimer = setTimeout(() => this.#open(), delay);
  }

  #retryNow() {
    if (this.state === "waiting" && performance.now() >= this.#holdUntil) this.#open();
  }

  /** Browsers hide why a handshake failed, so this asks; null if trying again makes sense. */
  async #refusal(token) {
    try {
      const response = await fetch(new URL("/v1/token", this.#base), {
        headers: { authorization: `Bearer ${token}` },
        cache: "no-store",
      });
      if (response.status !== 401) return null;
      const problem = await response.json().catch(() => ({}));
      return problem.code ?? "auth.invalid";
    } catch {
      return null;
    }
  }

  async #askIceServers(known) {
    try {
      const token = typeof this.#token === "function" ? await this.#token() : this.#token;
      const response = await fetch(new URL("/v1/ice-servers", this.#base), {
        headers: { authorization: `Bearer ${token}` },
        cache: "no-store",
        signal: AbortSignal.timeout(ICE_SERVERS_MS),
      });
      if (!response.ok) return known;
      const { ice_servers: servers, ttl_ms: ttl } = await response.json();
      this.#ice.until = performance.now() + ttl / 2;
      return servers;
    } catch {
      return known;
    }
  }

  #stop(reason) {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#pingTimer);
    globalThis.removeEventListener?.("online", this.#onOnline);
    const socket = this.socket;
    this.socket = null;
    this.#session = null;
    const unanswered = [...this.#pending.values(), ...this.#queue];
    this.#pending.clear();
    this.#queue = [];
    this.#enter("closed", reason);
    for (const request of unanswered) this.#fail(request, reason);
    socket?.close(1000);
  }
}

/**
 * The media of one call. Muting and switching the camera off replace the sent track by nothing:
 * no packet leaves, which the meter sees (a host who sends nothing is not paid for it).
 *
 * `state` is `connecting`, `connected`, `reconnecting`, `failed` (call `connect` to try again) or
 * `closed`. Events: `state`, `sending` (what we send changed), `lost` (`detail.kind` of a device
 * that went away).
 */
export class CallMedia extends EventTarget {
  #client;
  #call;
  #capture;
  #failures = 0;
  /** Counts offers, so that one that waited too long is dropped for a later one. */
  #turn = 0;
  #deadline = null;
  #roaming = false;
  #onNetwork = () => {
    if (this.peer?.connectionState === "connected") this.#roam(this.peer);
  };
  #microphone = null;
  #camera = null;

  /** What the other side sends: give it to a `<video>`; the object stays the same. */
  remote = new MediaStream();
  /** The peer connection in use, or null. */
  peer = null;
  state = "connecting";
  /** Why `state` is `failed`. */
  error = null;
  muted = false;

  /** `capture`: constraints for the camera when it is switched on later. */
  constructor(client, call, stream, { capture = {} } = {}) {
    super();
    this.#client = client;
    this.#call = call;
    this.#capture = capture;
    this.stream = stream;
    for (const track of stream.getTracks()) this.#adopt(track);
    globalThis.addEventListener?.("online", this.#onNetwork);
    navigator.connection?.addEventListener?.("change", this.#onNetwork);
  }

  /** What leaves this device, as `media.state` says it. */
  get sending() {
    return { audio: !this.muted && this.#microphone !== null, video: this.#camera !== null };
  }

  /** The camera's direction: `user`, `environment`, or null if there is none or it is not known. */
  get facing() {
    return this.#camera?.getSettings().facingMode ?? null;
  }

  /** Connects, again if need be; `state` tells the outcome. */
  connect() {
    this.#failures = 0;
    return this.#offer();
  }

  /**
   * Switches the devices off but goes on listening: once a call is `ending`, this browser still has
   * to confirm the last packets it received, or its bill stops short of them.
   */
  stopSending() {
    this.#microphone = null;
    this.#camera = null;
    for (const track of this.stream.getTracks()) track.stop();
    for (const kind of ["audio", "video"]) this.#replace(kind, null);
  }

  /** Ends it all; right after `call.ended`, not before. */
  close() {
    this.#enter("closed");
    this.#discard();
    globalThis.removeEventListener?.("online", this.#onNetwork);
    navigator.connection?.removeEventListener?.("change", this.#onNetwork);
    for (const track of this.stream.getTracks()) track.stop();
    for (const track of this.remote.getTracks()) this.remote.removeTrack(track);
  }

  /** Stops or resumes sending sound. A microphone that was lost is asked for again. */
  async setMuted(muted) {
    if (!muted && this.#microphone === null) {
      const [track] = (await open({ audio: MICROPHONE }, "microphone")).getAudioTracks();
      if (this.state === "closed") {
        track.stop();
        return;
      }
      this.stream.addTrack(track);
      this.#adopt(track);
    }
    this.muted = muted;
    if (this.#microphone) this.#microphone.enabled = !muted;
    await this.#replace("audio", muted ? null : this.#microphone);
    this.#tell();
  }

  /** Switches the camera, and its light, on or off. */
  async setCamera(on) {
    if (on === (this.#camera !== null)) return;
    if (on) await this.#openCamera(this.#capture);
    else await this.#dropCamera();
    this.#tell();
  }

  /** Turns to the opposite camera, or the next one where directions are not known. */
  async switchCamera() {
    if (!this.#camera) return;
    const { deviceId, facingMode } = this.#camera.getSettings();
    const devices = await navigator.mediaDevices.enumerateDevices();
    const cameras = devices.filter((device) => device.kind === "videoinput");
    const next = cameras[(cameras.findIndex((camera) => camera.deviceId === deviceId) + 1) % cameras.length];
    const wanted = facingMode
      ? { facingMode: { exact: facingMode === "user" ? "environment" : "user" } }
      : { deviceId: { exact: next?.deviceId } };
    // Phones can't hold two cameras open, so the old one goes first.
    await this.#dropCamera();
    try {
      await this.#openCamera({ ...this.#capture, ...wanted });
    } catch {
      await this.#openCamera({ ...this.#capture, deviceId: { exact: deviceId } });
    } finally {
      this.#tell();
    }
  }

  /** Loudness of the other side, 0 to 1. */
  async remoteLevel() {
    const receiver = this.peer?.getReceivers().find((each) => each.track.kind === "audio");
    if (!receiver) return 0;
    for (const report of (await receiver.getStats()).values()) {
      if (report.type === "inbound-rtp") return report.audioLevel ?? 0;
    }
    return 0;
  }

  /** Counters of `getStats`, for tests and support. */
  async stats() {
    const seen = { state: this.state };
    if (!this.peer) return seen;
    seen.peer = this.peer.connectionState;
    for (const report of (await this.peer.getStats()).values()) collect(seen, report);
    return seen;
  }

  #enter(state, error = null) {
    if (this.state === "closed") return;
    this.state = state;
    this.error = error;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, error } }));
  }

  /** Offers from a new peer connection, which replaces the old one within the call. */
  async #offer() {
    this.#discard();
    this.#enter(this.state === "connecting" ? "connecting" : "reconnecting");
    const turn = ++this.#turn;
    await this.#client.opened();
    const iceServers = await this.#client.iceServers();
    if (turn !== this.#turn || this.state === "closed") return;
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers });
    this.peer = peer;
    peer.ontrack = ({ track }) => this.#receive(track);
    peer.onconnectionstatechange = () => this.#watch(peer);
    this.#within(MEDIA_CONNECT_MS);
    try {
      await this.#slot(peer, "audio", this.muted ? null : this.#microphone);
      if (this.#call.medium === "video") await this.#slot(peer, "video", this.#camera);
      await this.#agree(peer);
    } catch (error) {
      if (this.peer === peer) await this.#failed(error);
    }
  }

  /**
   * Looks for a way over whatever network there is now, on the same connection and with the same
   * keys: a phone that leaves its Wi-Fi goes on as soon as a path is found.
   */
  async #roam(peer) {
    if (this.#roaming || this.peer !== peer) return;
    this.#roaming = true;
    try {
      await this.#client.opened();
      if (this.peer !== peer) return;
      peer.restartIce();
      await this.#agree(peer);
    } catch (error) {
      if (this.peer === peer && peer.connectionState !== "connected") await this.#failed(error);
    } finally {
      this.#roaming = false;
    }
  }

  /** Makes an offer and takes the answer in. */
  async #agree(peer) {
    await peer.setLocalDescription();
    const { sdp } = await this.#client.ask("media.offer", { call: this.#call.call, sdp: peer.localDescription.sdp });
    if (this.peer !== peer) return;
    await peer.setRemoteDescription({ type: "answer", sdp });
    this.#tell();
  }

  #slot(peer, kind, track) {
    const transceiver = peer.addTransceiver(kind, { direction: "sendrecv", streams: [this.stream] });
    return transceiver.sender.replaceTrack(track);
  }

  #watch(peer) {
    if (this.peer !== peer) return;
    if (peer.connectionState === "connected") {
      clearTimeout(this.#deadline);
      this.#failures = 0;
      this.#enter("connected");
    } else if (peer.connectionState === "disconnected") {
      this.#enter("reconnecting");
      this.#within(MEDIA_ROAM_MS);
      this.#roam(peer);
    } else if (peer.connectionState === "failed") {
      this.#failed(new CoinlineError("media.unavailable"));
    }
  }

  #within(ms) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#failed(new CoinlineError("media.unavailable")), ms);
  }

  async #failed(error) {
    this.#discard();
    if (this.state === "closed") return;
    const hopeless = ["media.unsupported", "call.unknown", "call.wrong_state"].includes(error.code);
    if (hopeless || ++this.#failures >= MEDIA_ATTEMPTS_MAX) {
      this.#enter("failed", error instanceof CoinlineError ? error : new CoinlineError("media.unsupported", error.message));
      return;
    }
    this.#enter("reconnecting");
    await wait(Math.max(error.retryAfterMs ?? 0, backoff(this.#failures)));
    if (this.state === "reconnecting" && !this.peer) await this.#offer();
  }

  #discard() {
    clearTimeout(this.#deadline);
    const peer = this.peer;
    this.peer = null;
    peer?.close();
  }

  #receive(track) {
    for (const old of this.remote.getTracks()) if (old.kind === track.kind) this.remote.removeTrack(old);
    this.remote.addTrack(track);
  }

  #adopt(track) {
    if (track.kind === "audio") this.#microphone = track;
    else this.#camera = track;
    track.addEventListener("ended", () => this.#deviceLost(track));
  }

  #deviceLost(track) {
    if (this.state === "closed" || (track !== this.#microphone && track !== this.#camera)) return;
    this.stream.removeTrack(track);
    if (track === this.#microphone) {
      this.#microphone = null;
      this.muted = true;
    } else {
      this.#camera = null;
    }
    this.#replace(track.kind, null);
    this.#tell();
    this.dispatchEvent(new CustomEvent("lost", { detail: { kind: track.kind } }));
  }

  async #openCamera(constraints) {
    const [track] = (await open({ video: constraints }, "camera")).getVideoTracks();
    if (this.state === "closed") {
      track.stop();
      return;
    }
    this.stream.addTrack(track);
    this.#adopt(track);
    await this.#replace("video", track);
  }

  async #dropCamera() {
    const track = this.#camera;
    this.#camera = null;
    this.stream.removeTrack(track);
    track.stop();
    await this.#replace("video", null);
  }

  async #replace(kind, track) {
    const slot = this.peer?.getTransceivers().find((each) => each.receiver.track.kind === kind);
    await slot?.sender.replaceTrack(track).catch(() => {});
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("sending", { detail: this.sending }));
    if (this.state === "closed") return;
    // Only for the other side's screen: a lost message is not worth a failure.
    this.#client.ask("media.state", { call: this.#call.call, ...this.sending }).catch(() => {});
  }
}

/** Echo and noise are the browser's to remove; hosts often sit in front of loudspeakers. */
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };

/**
 * Asks for what a call needs. Resolves to `{stream, missing}`; a video call without a camera goes
 * on with sound alone, `missing` being the CoinlineError that says why. Rejects if there is no
 * microphone.
 */
export async function captureMedia(medium, camera = {}) {
  if (medium === "video") {
    try {
      return { stream: await open({ audio: MICROPHONE, video: camera }, "camera"), missing: null };
    } catch (missing) {
      return { stream: await open({ audio: MICROPHONE }, "microphone"), missing };
    }
  }
  return { stream: await open({ audio: MICROPHONE }, "microphone"), missing: null };
}

const DEVICE_ERRORS = {
  NotAllowedError: "device.denied",
  SecurityError: "device.denied",
  NotFoundError: "device.missing",
  OverconstrainedError: "device.missing",
  NotReadableError: "device.busy",
  AbortError: "device.busy",
};

async function open(constraints, device) {
  // Browsers hide the devices from pages that came without TLS.
  if (!globalThis.navigator?.mediaDevices) throw new CoinlineError("device.unsupported", undefined, { detail: device });
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw new CoinlineError(DEVICE_ERRORS[error.name] ?? "device.busy", error.message, { detail: device });
  }
}

function collect(seen, report) {
  if (report.type === "inbound-rtp") {
    seen[`in_${report.kind}`] = {
      packets: report.packetsReceived, bytes: report.bytesReceived, lost: report.packetsLost,
      energy: report.totalAudioEnergy, level: report.audioLevel,
      framesDecoded: report.framesDecoded, keyFramesDecoded: report.keyFramesDecoded,
      frameWidth: report.frameWidth, frameHeight: report.frameHeight, freezes: report.freezeCount,
    };
  } else if (report.type === "outbound-rtp") {
    seen[`out_${report.kind}`] = {
      packets: report.packetsSent, bytes: report.bytesSent, framesEncoded: report.framesEncoded,
      frameWidth: report.frameWidth, framesPerSecond: report.framesPerSecond,
      targetBitrate: report.targetBitrate, nacks: report.nackCount, plis: report.pliCount,
      limitedBy: report.qualityLimitationReason,
    };
  } else if (report.type === "candidate-pair" && report.nominated) {
    seen.availableOutgoingBitrate = report.availableOutgoingBitrate;
    seen.roundTripTime = report.currentRoundTripTime;
  } else if (report.type === "local-candidate") {
    seen[`local_${report.candidateType}`] = report.relayProtocol ?? report.protocol;
  } else if (report.type === "transport") {
    seen.iceUfrag = report.iceLocalUsernameFragment;
  }
}
