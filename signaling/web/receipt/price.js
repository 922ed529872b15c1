/**
 * What a call costs by its tariff, and who gets which part: billing-meter/BILLING.md in BigInt,
 * written a second time, so that the server's arithmetic is checked and not repeated. No DOM.
 */

const MS_PER_MINUTE = 60_000n;
const CALL_MS_MAX = 48n * 3_600_000n;
const COINS_MAX = 2n ** 53n;
const U64_MAX = 2n ** 64n - 1n;
const WHOLE_BPS = 10_000n;

const least = (a, b) => (a < b ? a : b);
const most = (a, b) => (a > b ? a : b);
const beyond = (a, b) => most(a - b, 0n);

/** The cumulative price of `media` ms, of which `video` with picture, in micro-coins. */
export function price({ terms, bill }, mediaMs, videoMs) {
  const media = least(BigInt(mediaMs), CALL_MS_MAX);
  const video = least(BigInt(videoMs), media);
  let free = BigInt(terms.free_ms);
  let [exact, charged, padding] = [0n, 0n, 0n];
  for (const part of segments(terms, bill, media, video)) {
    // Free time pays for picture first.
    const freeVideo = least(part.video, free);
    const freeVoice = least(part.voice, free - freeVideo);
    free -= freeVideo + freeVoice;
    const [videoLeft, voiceLeft] = [part.video - freeVideo, part.voice - freeVoice];
    exact += part.videoRate * videoLeft + part.voiceRate * voiceLeft;
    charged += videoLeft + voiceLeft;
    padding = part.voiceRate;
  }
  if (charged > 0n) {
    exact += padding * (paidTime(terms, charged) - charged) + BigInt(terms.connect_fee) * MS_PER_MINUTE;
  }
  return least(exact / MS_PER_MINUTE, COINS_MAX);
}

/** The parts of the call at one price each, as far as it got. A camera off never costs more. */
function* segments(terms, bill, media, video) {
  let from = { media: 0n, video: 0n, rates: [terms.voice_rate, terms.video_rate] };
  const reached = bill.changes.filter(([, at]) => BigInt(at) < media);
  const ends = reached.map(([, at, withPicture, ...rates]) => ({ media: BigInt(at), video: BigInt(withPicture), rates }));
  for (const end of [...ends, { media, video, rates: null }]) {
    const [voiceRate, videoRate] = from.rates.map(BigInt);
    const all = beyond(end.media, from.media);
    const picture = least(beyond(least(end.video, video), from.video), all);
    yield { voice: all - picture, video: picture, voiceRate: least(voiceRate, videoRate), videoRate };
    from = end;
  }
}

/** The time that is charged for `ms` beyond the free time: at least the minimum, in whole pulses. */
function paidTime(terms, ms) {
  const pulse = most(BigInt(terms.pulse_ms), 1n);
  const pulses = (most(ms, BigInt(terms.minimum_ms)) + pulse - 1n) / pulse;
  return least(pulses * pulse, U64_MAX);
}

/** The host's part of each kind of coin is rounded down; the platform has the rest. */
export function split({ terms, bill }) {
  const part = (micro) => (BigInt(micro) * BigInt(terms.host_share_bps)) / WHOLE_BPS;
  const host = part(bill.paid) + part(bill.promo);
  return { host, platform: BigInt(bill.paid) + BigInt(bill.promo) - host };
}
