import "./page.mjs";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

/** A socket whose other end is the test. */
class Socket {
  static OPEN = 1;
  static all = [];
  readyState = Socket.OPEN;
  sent = [];

  constructor(url, protocol) {
    this.url = new URL(url);
    this.protocol = protocol;
    Socket.all.push(this);
    waiting?.(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  say(message) { this.onmessage({ data: JSON.stringify(message) }); }
  break(code = 1006) { this.readyState = 3; this.onclose({ code }); }
}

let waiting = null;
let client;
let refusal;
/** The next socket that the client opens. */
const nextSocket = () => new Promise((done) => { waiting = (socket) => { waiting = null; done(socket); }; });
const welcome = (more = {}) => ({ seq: 0, type: "welcome", session: "s1", role: "fan", resumed: false, ...more });
const idsAndTypes = (socket) => socket.sent.map(({ id, type }) => `${id} ${type}`);
const closed = () => new Promise((done) => {
  client.addEventListener("connection", ({ detail }) => detail.state === "closed" && done(detail.reason));
});

globalThis.WebSocket = Socket;
globalThis.MediaStream ??= class {};
const { CoinlineClient } = await import("../client.js");

beforeEach(() => {
  refusal = { status: 200 };
  globalThis.fetch = async () => ({ json: async () => ({ code: refusal.code }), ...refusal });
  client = new CoinlineClient({ token: "jwt", base: "http://server" });
});
afterEach(() => client.close());

async function connected(more) {
  const opening = nextSocket();
  client.connect();
  const socket = await opening;
  socket.say(welcome(more));
  return socket;
}

test("connects with subprotocol and token, and numbers requests from 1", async () => {
  const socket = await connected();
  assert.equal(socket.url.href, "ws://server/v1/ws?access_token=jwt");
  assert.equal(socket.protocol, "coinline.v1");
  const [balance, refused] = [client.balance(), client.ring("meera", "voice", 5_000_000)];
  assert.deepEqual(socket.sent[1], { id: 2, type: "call.ring", host: "meera", medium: "voice", at_most_micro_per_min: 5_000_000 });
  socket.say({ seq: 1, re: 2, type: "error", code: "call.busy", message: "Busy.", retry: { after_ms: 5000 } });
  socket.say({ seq: 2, re: 1, type: "wallet", balance_micro: 7 });
  assert.equal(await balance, 7);
  await assert.rejects(refused, { name: "CoinlineError", code: "call.busy", retryAfterMs: 5000 });
});

test("a broken socket is resumed: unanswered requests go again, nothing is told twice", async () => {
  const first = await connected();
  const ticks = [];
  client.addEventListener("call.tick", ({ detail }) => ticks.push(detail.seq));
  const [answered, unanswered] = [client.balance(), client.goOffline()];
  first.say({ seq: 1, re: 1, type: "wallet", balance_micro: 7 });
  first.say({ seq: 2, type: "call.tick" });
  await answered;
  const opening = nextSocket();
  first.break();
  const asked = client.watchHosts();
  const second = await opening;
  assert.equal(second.url.searchParams.get("session"), "s1");
  assert.equal(second.url.searchParams.get("after"), "2");
  second.say(welcome({ resumed: true }));
  assert.deepEqual(idsAndTypes(second), ["2 host.offline", "3 hosts.watch"]);
  second.say({ seq: 2, type: "call.tick" });
  second.say({ seq: 3, type: "call.tick" });
  second.say({ seq: 4, re: 2, type: "ok" });
  second.say({ seq: 5, re: 3, type: "hosts", hosts: [] });
  assert.deepEqual(ticks, [2, 3]);
  await unanswered;
  assert.deepEqual(await asked, []);
});

test("a lost session fails what was sent, and numbers anew what was not", async () => {
  const first = await connected();
  const lost = assert.rejects(client.goOffline(), { code: "session.lost" });
  const opening = nextSocket();
  first.break(1001);
  const kept = client.balance();
  const second = await opening;
  second.say(welcome({ session: "s2" }));
  await lost;
  assert.deepEqual(idsAndTypes(second), ["1 wallet.show"]);
  second.say({ seq: 1, re: 1, type: "wallet", balance_micro: 3 });
  assert.equal(await kept, 3);
});

test("a bill is acknowledged, so that it is not told again", async () => {
  const socket = await connected();
  socket.say({ seq: 1, type: "call.ended", call: "c1", reason: "interrupted" });
  assert.deepEqual(idsAndTypes(socket), ["1 ping"]);
});

test("a login elsewhere ends it for good", async () => {
  const socket = await connected();
  const reason = closed();
  socket.say({ seq: 1, type: "session.replaced" });
  assert.equal(await reason, "session.replaced");
  await assert.rejects(client.balance(), { code: "client.closed" });
});

test("close code 4001 alone does so too", async () => {
  const socket = await connected();
  const reason = closed();
  socket.break(4001);
  assert.equal(await reason, "session.replaced");
});

test("a refused token is not tried again, and the reason is known", async () => {
  refusal = { status: 401, code: "auth.expired" };
  const opening = nextSocket();
  const reason = closed();
  client.connect();
  (await opening).break();
  assert.equal(await reason, "auth.expired");
});

test("a server that is away is tried again", async () => {
  globalThis.fetch = async () => { throw new TypeError("no network"); };
  const opening = nextSocket();
  client.connect();
  const first = await opening;
  const again = nextSocket();
  first.break();
  (await again).say(welcome());
  assert.equal(client.state, "open");
});

test("an error that answers nothing is a fault, and garbage is nothing", async () => {
  const socket = await connected();
  const fault = new Promise((done) => client.addEventListener("fault", ({ detail }) => done(detail.code)));
  socket.onmessage({ data: "{" });
  socket.say({ seq: 0, type: "error", code: "protocol.too_fast", message: "", retry: "never" });
  assert.equal(await fault, "protocol.too_fast");
});

test("a socket cut for a test stays away as long as it was told", async () => {
  const socket = await connected();
  const began = performance.now();
  const opening = nextSocket();
  client.dropSocket(600);
  assert.equal(socket.readyState, 3);
  await opening;
  assert.ok(performance.now() - began >= 590);
});
