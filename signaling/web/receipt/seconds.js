/** A receipt's records as the columns of a small chart. No DOM. */

import { RECORD } from "./document.js";
import { price } from "./price.js";

/**
 * At most `most` columns in the order of time, each with what happened in it: `span` ms of the
 * clock, of which `proven` ms reached the fan, `silent` and `frozen` ms of those, whether all of it
 * was still `free`, and what was `charged` in all by its end.
 */
export function seconds(document, most) {
  const each = Math.ceil(document.records.length / most);
  const lasts = document.records.filter((_, n, all) => (n + 1) % each === 0 || n === all.length - 1);
  return lasts.map((record, column) => {
    const before = lasts[column - 1];
    const grown = (name) => record[RECORD[name]] - (before?.[RECORD[name]] ?? 0);
    return {
      span: grown("at"),
      proven: grown("proven"),
      silent: grown("silent"),
      frozen: grown("frozen"),
      free: grown("proven") > 0 && price(document, record[RECORD.proven], record[RECORD.video]) === 0n,
      charged: record[RECORD.charged],
    };
  });
}
