//! The text of a signed receipt: its fields and their order, and how it is written.

use super::chain;
use super::hex::Hex;
use super::key::SigningKey;
use crate::{Change, Counted, EndReason, EvidenceRecord, Flow, Proven, Receipt, Tariff, Terms};
use serde::{Deserialize, Serialize};
use units::{
    CallId, Coins, ElapsedMs, Medium, MicroCoins, MoneyError, Rate, Rates, ShareBps, UnixMs, UserId,
};

/// The name of this format, first in every document.
pub const FORMAT: &str = "coinline.receipt.1";

/// Keeps a signature of a receipt from being one of something else.
const SIGNED_DOMAIN: &str = "coinline receipt\n";

/// What stands between the signed part and the signature.
const SIGNATURE_FIELD: &str = ",\"signature\":\"";

/// A signed receipt. The order of fields is the order in the text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub(super) format: String,
    pub(super) terms: TermsText,
    pub(super) records: Vec<Record>,
    pub(super) bill: Bill,
    pub(super) chain: Hex<32>,
    pub(super) key: Hex<32>,
    pub(super) signature: Hex<64>,
}

/// What was agreed before the first packet.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsText {
    call: CallId,
    fan: UserId,
    host: UserId,
    medium: Medium,
    voice_rate: Rate,
    video_rate: Rate,
    free_ms: ElapsedMs,
    pulse_ms: ElapsedMs,
    minimum_ms: ElapsedMs,
    connect_fee: MicroCoins,
    host_share_bps: ShareBps,
    opened_at_unix_ms: UnixMs,
}

/// What became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bill {
    pub(super) changes: Vec<ChangeText>,
    pub(super) reason: EndReason,
    pub(super) ended_at_unix_ms: UnixMs,
    pub(super) proven_ms: ElapsedMs,
    pub(super) video_ms: ElapsedMs,
    pub(super) paid: MicroCoins,
    pub(super) promo: MicroCoins,
    pub(super) host: MicroCoins,
    pub(super) platform: MicroCoins,
}

/// An [`EvidenceRecord`] as an array of numbers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "[u64; 18]", into = "[u64; 18]")]
pub(super) struct Record(pub(super) EvidenceRecord);

/// A [`Change`] as an array of numbers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "[u64; 5]", into = "[u64; 5]")]
pub(super) struct ChangeText(pub(super) Change);

impl From<Record> for [u64; 18] {
    fn from(Record(record): Record) -> Self {
        let EvidenceRecord { n, at, counted, charged } = record;
        let Counted { to_fan, to_host, video, silent, frozen } = counted;
        let [[f0, f1, f2, f3, f4, f5], [h0, h1, h2, h3, h4, h5]] = [to_fan, to_host].map(|flow| {
            let Flow { forwarded, proven, lost, packets, bytes, packets_lost } = flow;
            [forwarded.0, proven.0, lost.0, packets, bytes, packets_lost]
        });
        let (n, charged) = (n.into(), charged.micro());
        [
            n, at.0, f0, f1, f2, f3, f4, f5, h0, h1, h2, h3, h4, h5, video.0, silent.0, frozen.0,
            charged,
        ]
    }
}

impl TryFrom<[u64; 18]> for Record {
    type Error = MoneyError;

    fn try_from(numbers: [u64; 18]) -> Result<Self, MoneyError> {
        let [n, at, f0, f1, f2, f3, f4, f5, h0, h1, h2, h3, h4, h5, video, silent, frozen, charged] =
            numbers;
        let flow = |[forwarded, proven, lost, packets, bytes, packets_lost]: [u64; 6]| Flow {
            forwarded: ElapsedMs(forwarded),
            proven: ElapsedMs(proven),
            lost: ElapsedMs(lost),
            packets,
            bytes,
            packets_lost,
        };
        let counted = Counted {
            to_fan: flow([f0, f1, f2, f3, f4, f5]),
            to_host: flow([h0, h1, h2, h3, h4, h5]),
            video: ElapsedMs(video),
            silent: ElapsedMs(silent),
            frozen: ElapsedMs(frozen),
        };
        let n = u32::try_from(n).map_err(|_| MoneyError::TooLarge)?;
        let charged = MicroCoins::new(charged)?;
        Ok(Self(EvidenceRecord { n, at: ElapsedMs(at), counted, charged }))
    }
}

impl From<ChangeText> for [u64; 5] {
    fn from(ChangeText(Change { n, from, rates }): ChangeText) -> Self {
        let [voice, video] = [rates.voice, rates.video].map(Rate::micro_per_minute);
        [n.into(), from.media.0, from.video.0, voice, video]
    }
}

impl TryFrom<[u64; 5]> for ChangeText {
    type Error = MoneyError;

    fn try_from([n, media, with_picture, voice, video]: [u64; 5]) -> Result<Self, MoneyError> {
        let n = u32::try_from(n).map_err(|_| MoneyError::TooLarge)?;
        let from = Proven { media: ElapsedMs(media), video: ElapsedMs(with_picture) };
        let rates = Rates { voice: Rate::per_minute(voice)?, video: Rate::per_minute(video)? };
        Ok(Self(Change { n, from, rates }))
    }
}

/// A receipt and its evidence as a signed text. Always the same for the same.
///
/// Evidence is cumulative, so records are merged by maximum: one that came late or twice changes
/// nothing. Where the evidence of the last seconds was lost to a crash, but not the charge, a
/// closing record brings it up to the bill.
#[must_use]
pub fn sign(receipt: &Receipt, evidence: &[EvidenceRecord], key: &SigningKey) -> String {
    let terms = TermsText::of(receipt);
    let records = records(receipt, evidence);
    let split = receipt.split();
    let bill = Bill {
        changes: receipt.changes.iter().copied().map(ChangeText).collect(),
        reason: receipt.reason,
        ended_at_unix_ms: receipt.ended_at,
        proven_ms: receipt.proven.media,
        video_ms: receipt.proven.video,
        paid: receipt.charged.paid,
        promo: receipt.charged.promo,
        host: split.host,
        platform: split.platform,
    };
    let chain = chain::head(&terms, &records);
    Document {
        format: FORMAT.to_owned(),
        terms,
        records,
        bill,
        chain,
        key: key.public().hex(),
        signature: Hex([0; 64]),
    }
    .signed(key)
}

/// The records in their order, each at least the one before it, the last at least the bill.
fn records(receipt: &Receipt, evidence: &[EvidenceRecord]) -> Vec<Record> {
    let mut given = evidence.to_vec();
    given.sort_by_key(|record| record.n);
    let mut records: Vec<EvidenceRecord> = Vec::with_capacity(given.len() + 1);
    for record in given {
        match records.last_mut() {
            Some(last) if last.n == record.n => *last = later(last, record),
            Some(last) => {
                let record = later(last, record);
                records.push(record);
            }
            None => records.push(record),
        }
    }
    let last = records.last().copied();
    let mut counted = last.map(|last| last.counted).unwrap_or_default();
    let flow = &mut counted.to_fan;
    flow.proven = flow.proven.max(receipt.proven.media);
    flow.forwarded = flow.forwarded.max(flow.proven);
    counted.video = counted.video.max(receipt.proven.video);
    let charged = last.map_or(MicroCoins::ZERO, |last| last.charged).max(receipt.total());
    let is_more = last
        .map_or(receipt.proven != Proven::ZERO || charged > MicroCoins::ZERO, |last| {
            last.counted != counted || last.charged != charged
        });
    if is_more {
        let at = ElapsedMs(receipt.ended_at.0.saturating_sub(receipt.opened_at.0));
        let (n, at) = last.map_or((0, at), |last| (last.n.saturating_add(1), last.at.max(at)));
        records.push(EvidenceRecord { n, at, counted, charged });
    }
    records.into_iter().map(Record).collect()
}

fn later(before: &EvidenceRecord, record: EvidenceRecord) -> EvidenceRecord {
    EvidenceRecord {
        n: record.n,
        at: record.at.max(before.at),
        counted: record.counted.merge(before.counted),
        charged: record.charged.max(before.charged),
    }
}

impl TermsText {
    fn of(receipt: &Receipt) -> Self {
        let Terms { fan, host, medium, tariff, host_share } = receipt.terms.clone();
        Self {
            call: receipt.call,
            fan,
            host,
            medium,
            voice_rate: tariff.rates.voice,
            video_rate: tariff.rates.video,
            free_ms: tariff.free,
            pulse_ms: tariff.pulse,
            minimum_ms: tariff.minimum,
            connect_fee: tariff.connect_fee,
            host_share_bps: host_share,
            opened_at_unix_ms: receipt.opened_at,
        }
    }
}

impl Document {
    /// The text with a signature by `key`.
    pub(super) fn signed(mut self, key: &SigningKey) -> String {
        let unsigned = text(&self);
        self.signature = key.sign(&signed_bytes(&unsigned));
        text(&self)
    }

    /// The receipt that the document tells of.
    pub(super) fn receipt(&self) -> Receipt {
        let TermsText { ref fan, ref host, medium, .. } = self.terms;
        let rates = Rates { voice: self.terms.voice_rate, video: self.terms.video_rate };
        let tariff = Tariff {
            rates,
            free: self.terms.free_ms,
            pulse: self.terms.pulse_ms,
            minimum: self.terms.minimum_ms,
            connect_fee: self.terms.connect_fee,
        };
        let host_share = self.terms.host_share_bps;
        Receipt {
            call: self.terms.call,
            terms: Terms { fan: fan.clone(), host: host.clone(), medium, tariff, host_share },
            changes: self.bill.changes.iter().map(|change| change.0).collect(),
            reason: self.bill.reason,
            opened_at: self.terms.opened_at_unix_ms,
            ended_at: self.bill.ended_at_unix_ms,
            proven: Proven { media: self.bill.proven_ms, video: self.bill.video_ms },
            charged: Coins { paid: self.bill.paid, promo: self.bill.promo },
        }
    }
}

/// What is signed of a document: all of its text before the signature.
pub(super) fn signed_bytes(document: &str) -> Vec<u8> {
    let end = document.rfind(SIGNATURE_FIELD).unwrap_or(document.len());
    [SIGNED_DOMAIN.as_bytes(), &document.as_bytes()[..end]].concat()
}

/// The one text of a value: JSON without white space, fields in their order.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("numbers and plain texts can be written")
}
