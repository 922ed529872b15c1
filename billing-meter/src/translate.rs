//! Between the wire's types and the biller's. The only bridge.

use billing_core::{
    Command, Counted, Credit, CreditKind, EndReason, Flow, Input, Notice, Output, Payer, Proven,
    Receipt, RefundReason, Refusal, RuleCredit,
};
use protocol::ErrorCode;
use protocol::client::{self, CallCredit, CreditPayer, CreditReason};
use protocol::service::{
    self, CallTerms, Carried, MediaReport, MeterCommand, MeterEvent, QuoteFacts, RelayLimit,
};
use units::UnixMs;

/// Where an output goes.
#[derive(Debug)]
pub(crate) enum Outgoing {
    ToStore(Command),
    ToRelay(RelayLimit),
    ToSignaling(MeterEvent),
    /// For the operator.
    Notice(Notice),
}

/// What signaling said, at this time of the calendar; `None` for what is no matter of the biller.
pub(crate) fn command(command: MeterCommand, at: UnixMs) -> Option<Input> {
    Some(match command {
        MeterCommand::Quote { request, terms } => {
            let CallTerms { fan, host, medium, rates } = terms;
            Input::QuoteAsked { request, fan, host, medium, rates }
        }
        MeterCommand::Open { call, terms } => Input::OpenAsked {
            call,
            fan: terms.fan,
            host: terms.host,
            medium: terms.medium,
            rates: terms.rates,
            at,
        },
        MeterCommand::End { call, fan, reason, proven_ms, video_ms } => {
            let told = Proven { media: proven_ms, video: video_ms };
            Input::Ended { call, fan, reason: reason_in(reason), told, at }
        }
        MeterCommand::EndAll => Input::AllEnded { at },
        MeterCommand::Balance { request, user } => Input::BalanceAsked { request, user },
        MeterCommand::Credit { request, user, amount, id, kind } => {
            let credit = Credit { id, user, amount, kind: kind_in(kind), at };
            Input::CreditAsked { request, credit }
        }
        MeterCommand::Gift { request, id, fan, host, amount } => {
            Input::GiftAsked { request, id, fan, host, amount, at }
        }
        MeterCommand::Chargeback { request, id, fan, amount } => {
            Input::ChargedBack { request, id, fan, amount, at }
        }
        MeterCommand::Change { call, rates } => Input::ChangeAsked { call, rates },
        MeterCommand::Document { .. } => return None,
    })
}

/// What the relay counted; `None`: the relay is gone. Only the host's media is billed.
pub(crate) const fn report(report: Option<MediaReport>) -> Input {
    let Some(report) = report else { return Input::RelayLost };
    let MediaReport { call, to_fan, to_host, last } = report;
    let counted = Counted {
        to_fan: flow(&to_fan),
        to_host: flow(&to_host),
        video: to_fan.video_ms,
        silent: to_fan.silent_ms,
        frozen: to_fan.frozen_ms,
    };
    Input::MediaCounted { call, counted, last }
}

const fn flow(carried: &Carried) -> Flow {
    Flow {
        forwarded: carried.forwarded_ms,
        proven: carried.proven_ms,
        lost: carried.lost_ms,
        packets: carried.packets,
        bytes: carried.bytes,
        packets_lost: carried.lost,
    }
}

/// What the biller wants.
pub(crate) fn output(output: Output) -> Outgoing {
    Outgoing::ToSignaling(match output {
        Output::Store(command) => return Outgoing::ToStore(command),
        Output::Limit { call, funded } => {
            return Outgoing::ToRelay(RelayLimit { call, funded_ms: funded });
        }
        Output::Notice(notice) => return Outgoing::Notice(notice),
        Output::Quoted { request, quote } => MeterEvent::Quoted {
            request,
            facts: QuoteFacts {
                free_ms: quote.free,
                minimum: quote.minimum,
                balance: quote.balance,
                lasts_ms: quote.lasts,
                host_share: quote.host_share,
            },
        },
        Output::Failed { request, refusal } => MeterEvent::Failed { request, code: code(refusal) },
        Output::Opened { call, funded } => MeterEvent::Opened { call, funded_ms: funded },
        Output::NotOpened { call, refusal } => MeterEvent::NotOpened { call, code: code(refusal) },
        Output::Metered { call, proven, charged, host_earned, balance, remaining, paused } => {
            MeterEvent::Metered {
                call,
                proven_ms: proven.media,
                video_ms: proven.video,
                charged,
                host_earned,
                balance,
                remaining_ms: remaining,
                paused,
            }
        }
        Output::LowFunds { call, threshold, remaining } => {
            MeterEvent::LowFunds { call, threshold_ms: threshold, remaining_ms: remaining }
        }
        Output::Changed { call, rates, from } => MeterEvent::Changed { call, rates, from_ms: from },
        Output::GiveUp { call, reason } => MeterEvent::GiveUp { call, reason: reason_out(reason) },
        Output::Settled { receipt, counted } => settled(&receipt, &counted),
        Output::Credited { call, fan, host, credits } => {
            let credits = credits.iter().filter_map(credit_out).collect();
            MeterEvent::Credited { call, fan, host, credits }
        }
        Output::Balance { request, user, balance } => {
            MeterEvent::Balance { request, user, balance }
        }
    })
}

/// The news of a settled call. What was counted beside its proven time is told as far as it is
/// known: a repeated or recovered bill has it in its signed document.
fn settled(receipt: &Receipt, counted: &Counted) -> MeterEvent {
    let (terms, split) = (&receipt.terms, receipt.split());
    let rates = receipt.plan().rates();
    let rate = match terms.medium {
        units::Medium::Voice => rates.voice,
        units::Medium::Video => rates.video,
    };
    let receipt = client::Receipt {
        call: receipt.call,
        fan: terms.fan.clone(),
        host: terms.host.clone(),
        medium: terms.medium,
        rate_micro_per_min: rate,
        voice_rate_micro_per_min: rates.voice,
        reason: reason_out(receipt.reason),
        accepted_at_unix_ms: receipt.opened_at,
        ended_at_unix_ms: receipt.ended_at,
        proven_ms: receipt.proven.media,
        video_ms: receipt.proven.video,
        silent_ms: counted.silent,
        frozen_ms: counted.frozen,
        free_ms: terms.tariff.free,
        charged_micro: receipt.total(),
        paid_micro: receipt.charged.paid,
        promo_micro: receipt.charged.promo,
        host_share_bps: terms.host_share,
        host_micro: split.host,
        platform_micro: split.platform,
    };
    MeterEvent::Settled { call: receipt.call, receipt }
}

const fn code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::NoFunds => ErrorCode::BillingNoFunds,
        Refusal::Blocked => ErrorCode::BillingBlocked,
        Refusal::Unavailable => ErrorCode::BillingUnavailable,
        Refusal::Draining => ErrorCode::ServerDraining,
        Refusal::IdReused => ErrorCode::BillingIdReused,
        Refusal::TooLarge => ErrorCode::BillingTooLarge,
        Refusal::NotRefundable => ErrorCode::BillingNotRefundable,
    }
}

/// What was given back for a call. Only refunds are.
fn credit_out(given: &RuleCredit) -> Option<CallCredit> {
    let CreditKind::Refund { payer, reason, .. } = given.credit.kind else { return None };
    let ends = given.proof.first().zip(given.proof.last());
    let (from_n, to_n) = ends.map_or((0, 0), |(first, last)| (first.from, last.to));
    let payer = match payer {
        Payer::Platform => CreditPayer::Platform,
        Payer::Host => CreditPayer::Host,
        Payer::Both => CreditPayer::Both,
    };
    let reason = match reason {
        RefundReason::HostSilent => CreditReason::HostSilent,
        RefundReason::PictureFrozen => CreditReason::PictureFrozen,
        RefundReason::EarlyDrop => CreditReason::EarlyDrop,
        RefundReason::Support => CreditReason::Support,
    };
    Some(CallCredit { reason, amount_micro: given.credit.amount, payer, from_n, to_n })
}

const fn kind_in(kind: service::CreditKind) -> CreditKind {
    match kind {
        service::CreditKind::Purchase => CreditKind::Purchase,
        service::CreditKind::Promo => CreditKind::Promo,
        service::CreditKind::Refund { call, payer, reason } => CreditKind::Refund {
            call,
            payer: match payer {
                CreditPayer::Platform => Payer::Platform,
                CreditPayer::Host => Payer::Host,
                CreditPayer::Both => Payer::Both,
            },
            reason: match reason {
                CreditReason::HostSilent => RefundReason::HostSilent,
                CreditReason::PictureFrozen => RefundReason::PictureFrozen,
                CreditReason::EarlyDrop => RefundReason::EarlyDrop,
                CreditReason::Support => RefundReason::Support,
            },
        },
    }
}

/// Each reason on the wire and in the core, once.
macro_rules! reasons {
    ($($reason:ident),*) => {
        const fn reason_in(reason: client::EndReason) -> EndReason {
            match reason { $(client::EndReason::$reason => EndReason::$reason),* }
        }

        const fn reason_out(reason: EndReason) -> client::EndReason {
            match reason { $(EndReason::$reason => client::EndReason::$reason),* }
        }
    };
}

reasons!(
    Cancelled,
    Declined,
    Unanswered,
    HungUpByFan,
    HungUpByHost,
    FundsExhausted,
    FanLost,
    HostLost,
    NotConnected,
    Interrupted,
    Unconfirmed
);

#[cfg(test)]
mod tests {
    use super::*;
    use billing_core::Stretch;
    use units::{CallId, ElapsedMs};
    use uuid::Uuid;

    #[test]
    fn only_what_the_fan_confirmed_of_the_host_counts_as_proven() {
        let carried = |from: u64| Carried {
            forwarded_ms: ElapsedMs(from),
            proven_ms: ElapsedMs(from + 1),
            lost_ms: ElapsedMs(from + 2),
            video_ms: ElapsedMs(from + 3),
            silent_ms: ElapsedMs(from + 4),
            frozen_ms: ElapsedMs(from + 5),
            packets: from + 6,
            bytes: from + 7,
            lost: from + 8,
        };
        let flow = |from: u64| Flow {
            forwarded: ElapsedMs(from),
            proven: ElapsedMs(from + 1),
            lost: ElapsedMs(from + 2),
            packets: from + 6,
            bytes: from + 7,
            packets_lost: from + 8,
        };
        let call = CallId(Uuid::from_u128(1));
        let (to_fan, to_host) = (carried(10), carried(30));
        let counted = Counted {
            to_fan: flow(10),
            to_host: flow(30),
            video: ElapsedMs(13),
            silent: ElapsedMs(14),
            frozen: ElapsedMs(15),
        };
        for last in [false, true] {
            assert_eq!(
                report(Some(MediaReport { call, to_fan, to_host, last })),
                Input::MediaCounted { call, counted, last }
            );
        }
        assert_eq!(report(None), Input::RelayLost);
    }

    #[test]
    fn what_is_given_back_is_told_with_its_reason_and_the_records_that_prove_it() {
        let call = CallId(Uuid::from_u128(1));
        let stretch = |from, to| Stretch { from, to, time: ElapsedMs(70_000) };
        for (proof, ends) in [
            (vec![stretch(5, 75), stretch(90, 165)], (5, 165)),
            (vec![stretch(0, 12)], (0, 12)),
            (Vec::new(), (0, 0)),
        ] {
            for (reason, payer, told_reason, told_payer) in [
                (
                    RefundReason::HostSilent,
                    Payer::Both,
                    CreditReason::HostSilent,
                    CreditPayer::Both,
                ),
                (
                    RefundReason::PictureFrozen,
                    Payer::Host,
                    CreditReason::PictureFrozen,
                    CreditPayer::Host,
                ),
                (
                    RefundReason::EarlyDrop,
                    Payer::Platform,
                    CreditReason::EarlyDrop,
                    CreditPayer::Platform,
                ),
            ] {
                let amount = "1.5".parse().unwrap();
                let kind = CreditKind::Refund { call, payer, reason };
                let (id, user, at) = ("auto".to_owned(), "fan".parse().unwrap(), UnixMs(1));
                let credit = Credit { id, user, amount, kind, at };
                let given = RuleCredit { credit, proof: proof.clone() };
                let told = CallCredit {
                    reason: told_reason,
                    amount_micro: amount,
                    payer: told_payer,
                    from_n: ends.0,
                    to_n: ends.1,
                };
                assert_eq!(credit_out(&given), Some(told));
            }
        }
    }

    #[test]
    fn refusals_have_the_codes_that_clients_know() {
        for (refusal, name) in [
            (Refusal::NoFunds, "billing.no_funds"),
            (Refusal::Unavailable, "billing.unavailable"),
            (Refusal::Draining, "server.draining"),
            (Refusal::Blocked, "billing.blocked"),
            (Refusal::IdReused, "billing.id_reused"),
            (Refusal::TooLarge, "billing.too_large"),
            (Refusal::NotRefundable, "billing.not_refundable"),
        ] {
            assert_eq!(toml::Value::try_from(code(refusal)).unwrap().as_str(), Some(name));
        }
    }

    #[test]
    fn reasons_keep_their_names_across_the_bridge() {
        for reason in EndReason::ALL {
            let wire = reason_out(*reason);
            assert_eq!(reason_in(wire), *reason);
            assert_eq!(toml::Value::try_from(wire).unwrap().as_str(), Some(reason.name()));
        }
    }
}
