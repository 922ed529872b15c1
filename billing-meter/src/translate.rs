//! Between the wire's types and the biller's. The only bridge.

use billing_core::{Command, Credit, EndReason, Input, MediaTime, Output, Receipt, Refusal};
use protocol::ErrorCode;
use protocol::client;
use protocol::service::{MediaReport, MeterCommand, MeterEvent, QuoteFacts, RelayLimit};
use units::{CallId, UnixMs};

/// Where an output goes.
#[derive(Debug)]
pub(crate) enum Outgoing {
    ToStore(Command),
    ToRelay(RelayLimit),
    ToSignaling(MeterEvent),
    /// Only the log hears of it.
    Orphaned(CallId),
}

/// What signaling said, at this time of the calendar.
pub(crate) fn command(command: MeterCommand, at: UnixMs) -> Input {
    match command {
        MeterCommand::Quote { request, terms } => {
            Input::QuoteAsked { request, fan: terms.fan, rate: terms.rate }
        }
        MeterCommand::Open { call, terms } => Input::OpenAsked {
            call,
            fan: terms.fan,
            host: terms.host,
            medium: terms.medium,
            rate: terms.rate,
            at,
        },
        MeterCommand::End { call, reason } => Input::Ended { call, reason: reason_in(reason), at },
        MeterCommand::Balance { request, user } => Input::BalanceAsked { request, user },
        MeterCommand::Credit { request, user, amount, id } => {
            Input::CreditAsked { request, credit: Credit { id, user, amount, at } }
        }
    }
}

/// What the relay counted; `None`: the relay is gone. Only the host's media is billed.
pub(crate) const fn report(report: Option<MediaReport>) -> Input {
    let Some(report) = report else { return Input::RelayLost };
    let MediaReport { call, to_fan, to_host: _, last } = report;
    let media = MediaTime { forwarded: to_fan.forwarded_ms, proven: to_fan.proven_ms };
    Input::MediaCounted { call, media, last }
}

/// What the biller wants.
pub(crate) fn output(output: Output) -> Outgoing {
    Outgoing::ToSignaling(match output {
        Output::Store(command) => return Outgoing::ToStore(command),
        Output::Limit { call, funded } => {
            return Outgoing::ToRelay(RelayLimit { call, funded_ms: funded });
        }
        Output::Orphaned { call } => return Outgoing::Orphaned(call),
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
            let (proven_ms, remaining_ms) = (proven, remaining);
            MeterEvent::Metered {
                call,
                proven_ms,
                charged,
                host_earned,
                balance,
                remaining_ms,
                paused,
            }
        }
        Output::LowFunds { call, threshold, remaining } => {
            MeterEvent::LowFunds { call, threshold_ms: threshold, remaining_ms: remaining }
        }
        Output::Settled { receipt } => settled(&receipt),
        Output::Balance { request, user, balance } => {
            MeterEvent::Balance { request, user, balance }
        }
    })
}

/// The news of a settled call.
pub(crate) fn settled(receipt: &Receipt) -> MeterEvent {
    let (terms, split) = (&receipt.terms, receipt.split());
    let receipt = client::Receipt {
        call: receipt.call,
        fan: terms.fan.clone(),
        host: terms.host.clone(),
        medium: terms.medium,
        rate_micro_per_min: terms.tariff.rate,
        reason: reason_out(receipt.reason),
        accepted_at_unix_ms: receipt.opened_at,
        ended_at_unix_ms: receipt.ended_at,
        proven_ms: receipt.media,
        free_ms: terms.tariff.free,
        charged_micro: receipt.charged,
        host_share_bps: terms.host_share,
        host_micro: split.host,
        platform_micro: split.platform,
    };
    MeterEvent::Settled { call: receipt.call, receipt }
}

const fn code(refusal: Refusal) -> ErrorCode {
    match refusal {
        Refusal::NoFunds => ErrorCode::BillingNoFunds,
        Refusal::Unavailable => ErrorCode::BillingUnavailable,
        Refusal::Draining => ErrorCode::ServerDraining,
        Refusal::Conflict => ErrorCode::ServerInternal,
    }
}

const fn reason_in(reason: client::EndReason) -> EndReason {
    match reason {
        client::EndReason::Cancelled => EndReason::Cancelled,
        client::EndReason::Declined => EndReason::Declined,
        client::EndReason::Unanswered => EndReason::Unanswered,
        client::EndReason::HungUpByFan => EndReason::HungUpByFan,
        client::EndReason::HungUpByHost => EndReason::HungUpByHost,
        client::EndReason::FundsExhausted => EndReason::FundsExhausted,
        client::EndReason::FanLost => EndReason::FanLost,
        client::EndReason::HostLost => EndReason::HostLost,
        client::EndReason::NotConnected => EndReason::NotConnected,
        client::EndReason::Interrupted => EndReason::Interrupted,
    }
}

const fn reason_out(reason: EndReason) -> client::EndReason {
    match reason {
        EndReason::Cancelled => client::EndReason::Cancelled,
        EndReason::Declined => client::EndReason::Declined,
        EndReason::Unanswered => client::EndReason::Unanswered,
        EndReason::HungUpByFan => client::EndReason::HungUpByFan,
        EndReason::HungUpByHost => client::EndReason::HungUpByHost,
        EndReason::FundsExhausted => client::EndReason::FundsExhausted,
        EndReason::FanLost => client::EndReason::FanLost,
        EndReason::HostLost => client::EndReason::HostLost,
        EndReason::NotConnected => client::EndReason::NotConnected,
        EndReason::Interrupted => client::EndReason::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::service::Carried;
    use units::ElapsedMs;
    use uuid::Uuid;

    #[test]
    fn only_what_the_fan_confirmed_of_the_host_counts_as_proven() {
        let carried = |forwarded, proven| Carried {
            forwarded_ms: ElapsedMs(forwarded),
            proven_ms: ElapsedMs(proven),
            ..Carried::default()
        };
        let call = CallId(Uuid::from_u128(1));
        let (to_fan, to_host) = (carried(2, 1), carried(4, 3));
        for last in [false, true] {
            let media = MediaTime { forwarded: ElapsedMs(2), proven: ElapsedMs(1) };
            assert_eq!(
                report(Some(MediaReport { call, to_fan, to_host, last })),
                Input::MediaCounted { call, media, last }
            );
        }
        assert_eq!(report(None), Input::RelayLost);
    }

    #[test]
    fn refusals_have_the_codes_that_clients_know() {
        for (refusal, name) in [
            (Refusal::NoFunds, "billing.no_funds"),
            (Refusal::Unavailable, "billing.unavailable"),
            (Refusal::Draining, "server.draining"),
            (Refusal::Conflict, "server.internal"),
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
