/** The demo's own REST calls: ready-made people, and coins that cost nothing. */

import { CoinlineError } from "./client.js";

/** What one tap adds, in whole coins. */
export const TOP_UP = { coins: 10 };

/** The demo's people; an empty list if the server is no demo; throws if it can't be reached. */
export async function demoPeople() {
  const response = await fetch("/v1/demo/people", { cache: "no-store" });
  if (response.status === 404) return [];
  if (!response.ok) throw new CoinlineError("client.internal");
  const body = await response.json();
  return Array.isArray(body) ? body : body.people;
}

/** Adds coins once, even if the answer was lost and the request repeated; resolves to the new balance. */
export async function addCoins(user) {
  const request = {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": randomKey() },
    body: JSON.stringify({ user, coins: TOP_UP.coins.toFixed(2) }),
  };
  const response = await fetch("/v1/demo/credit", request)
    .catch(() => fetch("/v1/demo/credit", request))
    .catch(() => null);
  if (response?.ok) return (await response.json()).balance_micro;
  const problem = await response?.json().catch(() => null);
  throw new CoinlineError(problem?.code ?? "client.credit");
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
