import "./page.mjs";
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

/** A socket whose other end is the test. */
class Socket {
  static OPEN = 1;
  static latest = null;
  readyState = Socket.OPEN;

  constructor() { Socket.latest = this; }
  send() {}
  close() { this.readyState = 3; }
  say(message) { this.onmessage({ data: JSON.stringify(message) }); }
  break() { this.readyState = 3; this.onclose({ code: 1006 }); }
}

globalThis.WebSocket = Socket;
globalThis.MediaStream ??= class {};
globalThis.fetch = async () => ({ status: 200 });
globalThis.location ??= { origin: "http://server" };
const { Session } = await import("../session.js");

const call = (id, state = "live") => ({ call: id, state, you: "fan", peer: { user: "meera", name: "Meera" }, medium: "voice" });
const receipt = (id) => ({ call: id, fan: "asha", host: "meera", medium: "voice", reason: "interrupted", charged_micro: 7 });
const welcome = (more) => ({ seq: 0, type: "welcome", session: "s1", role: "fan", resumed: false, ...more });

let session;
const opened = async () => {
  while (!Socket.latest) await new Promise((done) => setTimeout(done, 5));
  const socket = Socket.latest;
  Socket.latest = null;
  return socket;
};

/** Somebody who is welcomed into a call. */
async function inCall(id) {
  session = new Session({ id: "asha", role: "fan", token: "jwt" });
  session.start();
  const socket = await opened();
  socket.say(welcome({ call: call(id) }));
  return socket;
}

afterEach(() => session.stop());

test("after a crash the receipt takes the place of the word that the call is gone", async () => {
  (await inCall("c1")).break();
  const socket = await opened();
  socket.say(welcome({ session: "s2" }));
  assert.deepEqual([session.call, session.ended.reason, session.ended.receipt], [null, "gone", null]);
  const gone = session.ended;
  socket.say({ seq: 1, type: "call.ended", call: "c1", reason: "interrupted", receipt: receipt("c1") });
  assert.notEqual(session.ended, gone);
  assert.deepEqual([session.ended.reason, session.ended.receipt.charged_micro], ["interrupted", 7]);
  assert.equal(session.ended.call.peer.name, "Meera");
});

test("a page that never knew of the call shows its receipt", async () => {
  session = new Session({ id: "meera", role: "host", token: "jwt" });
  session.start();
  const socket = await opened();
  socket.say(welcome({ role: "host" }));
  socket.say({ seq: 1, type: "call.ended", call: "c1", reason: "interrupted", receipt: receipt("c1") });
  assert.deepEqual([session.ended.call.you, session.ended.call.peer.user], ["host", "asha"]);
});

test("a resumed page goes by what it missed, not by where that leads", async () => {
  (await inCall("c1")).break();
  const socket = await opened();
  socket.say(welcome({ resumed: true, call: call("c2", "ringing") }));
  assert.equal(session.call.call, "c1");
  socket.say({ seq: 1, type: "call.ended", call: "c1", reason: "hung_up_by_host", receipt: receipt("c1") });
  assert.deepEqual([session.call, session.ended.call.call], [null, "c1"]);
  socket.say({ seq: 2, type: "call", call: call("c2", "ringing") });
  assert.equal(session.call.call, "c2");
});
