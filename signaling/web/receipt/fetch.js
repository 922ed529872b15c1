/** Fetching and saving a call's signed receipt, as one of its two people. */

import { CoinlineError } from "../client.js";

const PERSON = "coinline.person";

/** Who is signed in here, or was in the tab that opened this one; null if nobody. */
export function storedPerson() {
  try {
    return JSON.parse(sessionStorage.getItem(PERSON));
  } catch {
    return null;
  }
}

/** The text of a call's signed receipt. Rejects with a CoinlineError. */
export async function signedReceipt(call, token) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(`/v1/receipts/${encodeURIComponent(call)}`, { headers, cache: "no-store" }).catch(() => null);
  if (answer?.ok) return answer.text();
  const problem = await answer?.json().catch(() => null);
  // Whoever asks has been in this call, so that it is the receipt that is not there.
  if (problem?.code === "http.not_found") throw new CoinlineError("client.no_receipt");
  throw new CoinlineError(problem?.code ?? "client.no_answer");
}

/** Offers a text as a file to keep. */
export function saveReceipt(call, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `receipt-${call}.json`;
  link.click();
  // The browser has the bytes by then; a minute is for slow disks.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
