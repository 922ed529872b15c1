//! Between the wire's types and the core's: the only place that knows both.

use call_core as core;
use call_core::{AskId, Closing, MeterFact, Output, Proof, Question, Refusal, RelayFact};
use protocol::client as wire;
use protocol::service::{
    CallTerms, MeterCommand, MeterEvent, OfferRefusal, QuoteFacts, RelayCommand, RelayEvent,
};
use protocol::token::{Claims, Role};
use protocol::{ErrorCode, Retry};
use units::{CallId, ElapsedMs};

/// Requests to the meter are shared by the switchboard's asks, which have even numbers, and this
/// shell's own, which have odd ones.
pub(crate) const fn ask_number(ask: AskId) -> u64 {
    ask.0 * 2
}

/// The ask of that number, or `None` if it is one of the shell's own.
const fn ask_of(request: u64) -> Option<AskId> {
    if request.is_multiple_of(2) { Some(AskId(request / 2)) } else { None }
}

/// Who a token's bearer is.
pub(crate) fn login(claims: Claims) -> core::Login {
    let name = claims.name.unwrap_or_else(|| claims.sub.to_string());
    let role = match claims.coinline.role {
        Role::Fan => core::Role::Fan,
        Role::Host => core::Role::Host,
    };
    core::Login { user: claims.sub, name, role }
}

/// A client's request. `fresh` draws the id of a new call.
pub(crate) fn request(body: wire::RequestBody, fresh: impl FnOnce() -> CallId) -> core::Request {
    match body {
        wire::RequestBody::HostOnline { prices } => {
            core::Request::GoOnline(core::Prices { voice: prices.voice, video: prices.video })
        }
        wire::RequestBody::HostOffline => core::Request::GoOffline,
        wire::RequestBody::HostsWatch => core::Request::WatchHosts,
        wire::RequestBody::QuoteAsk { host, medium } => core::Request::AskQuote { host, medium },
        wire::RequestBody::CallRing { host, medium, at_most_micro_per_min } => {
            core::Request::Ring(core::Ring {
                fresh: fresh(),
                host,
                medium,
                at_most: at_most_micro_per_min,
            })
        }
        wire::RequestBody::CallCancel { call } => core::Request::Cancel(call),
        wire::RequestBody::CallAccept { call } => core::Request::Accept(call),
        wire::RequestBody::CallDecline { call } => core::Request::Decline(call),
        wire::RequestBody::CallHangUp { call } => core::Request::HangUp(call),
        wire::RequestBody::MediaOffer { call, sdp } => core::Request::OfferMedia { call, sdp },
        wire::RequestBody::MediaState { call, audio, video } => {
            core::Request::ShowMedia { call, audio, video }
        }
        wire::RequestBody::WalletShow => core::Request::ShowWallet,
        wire::RequestBody::Ping => core::Request::Ping,
    }
}

/// What the meter says, if it is for the switchboard.
pub(crate) fn meter_fact(event: MeterEvent) -> Option<MeterFact> {
    Some(match event {
        MeterEvent::Quoted { request, facts } => {
            MeterFact::Quoted { ask: ask_of(request)?, facts: quote_facts(facts) }
        }
        MeterEvent::Failed { request, code } => {
            MeterFact::Failed { ask: ask_of(request)?, refusal: billing_refusal(code) }
        }
        MeterEvent::Opened { call, funded_ms } => MeterFact::Opened { call, funded: funded_ms },
        MeterEvent::NotOpened { call, code } => {
            MeterFact::NotOpened { call, refusal: billing_refusal(code) }
        }
        MeterEvent::Metered {
            call,
            proven_ms,
            video_ms,
            charged,
            host_earned,
            balance,
            remaining_ms,
            paused,
        } => MeterFact::Metered {
            call,
            proof: Proof { media: proven_ms, video: video_ms },
            charged,
            host_earned,
            balance,
            remaining: remaining_ms,
            paused,
        },
        MeterEvent::LowFunds { call, threshold_ms, remaining_ms } => {
            MeterFact::LowFunds { call, threshold: threshold_ms, remaining: remaining_ms }
        }
        MeterEvent::Changed { call, rates, .. } => MeterFact::PriceChanged { call, rates },
        MeterEvent::GiveUp { call, reason } => {
            MeterFact::GiveUp { call, reason: reason_in(reason) }
        }
        MeterEvent::Settled { call, receipt } => {
            MeterFact::Settled { call, receipt: receipt_in(receipt) }
        }
        MeterEvent::Credited { call, fan, host, credits } => MeterFact::Credited {
            call,
            fan,
            host,
            credits: credits.into_iter().map(credit_in).collect(),
        },
        // The shell's own question, always.
        MeterEvent::Document { .. } => return None,
        MeterEvent::Balance { request: 0, user, balance } => {
            MeterFact::CoinsAdded { user, balance }
        }
        MeterEvent::Balance { request, balance, .. } => {
            MeterFact::BalanceTold { ask: ask_of(request)?, balance }
        }
    })
}

/// What the relay says.
pub(crate) fn relay_fact(event: RelayEvent) -> Option<RelayFact> {
    Some(match event {
        RelayEvent::Answered { request, answer, .. } => {
            RelayFact::Answered { ask: ask_of(request)?, answer }
        }
        RelayEvent::Refused { request, refusal, .. } => RelayFact::OfferRefused {
            ask: ask_of(request)?,
            refusal: match refusal {
                OfferRefusal::Unsupported { missing } => {
                    core::OfferRefusal::Unsupported { missing }
                }
                OfferRefusal::NoRoom | OfferRefusal::Full => core::OfferRefusal::Unavailable,
            },
        },
        RelayEvent::Connected { call, party } => {
            RelayFact::Connected { call, party: party_in(party) }
        }
        RelayEvent::Flowing { call } => RelayFact::Flowing { call },
        RelayEvent::Gone { call, party } => RelayFact::Gone { call, party: party_in(party) },
        RelayEvent::LimitReached { call } => RelayFact::LimitReached { call },
        // No product opens rooms of many yet.
        RelayEvent::Group { .. } => return None,
        RelayEvent::Restarted => RelayFact::Restarted,
    })
}

/// Where an output goes.
pub(crate) enum Errand {
    Frame(core::SocketId, wire::ServerFrame),
    Close(core::SocketId, Closing),
    Meter(MeterCommand),
    Relay(RelayCommand),
    Unsettled(CallId),
}

/// What the switchboard wants done, in the wire's words.
pub(crate) fn errand(output: Output) -> Errand {
    match output {
        Output::Send { socket, frame } => Errand::Frame(socket, server_frame(frame)),
        Output::Close { socket, why } => Errand::Close(socket, why),
        Output::Ask { ask, question } => {
            let request = ask_number(ask);
            Errand::Meter(match question {
                Question::Quote(of) => MeterCommand::Quote { request, terms: terms(of) },
                Question::Balance(user) => MeterCommand::Balance { request, user },
            })
        }
        Output::OpenMeter { call, terms: of } => {
            Errand::Meter(MeterCommand::Open { call, terms: terms(of) })
        }
        Output::EndMeter { call, fan, reason, proof: Proof { media, video } } => {
            let reason = reason_out(reason);
            let (proven_ms, video_ms) = (media, video);
            Errand::Meter(MeterCommand::End { call, fan, reason, proven_ms, video_ms })
        }
        Output::OpenRoom { call, funded } => {
            Errand::Relay(RelayCommand::OpenRoom { call, funded_ms: funded })
        }
        Output::Admit { call, party, ask, offer } => Errand::Relay(RelayCommand::Admit {
            call,
            party: party_out(party),
            request: ask_number(ask),
            offer,
        }),
        Output::CloseRoom { call } => Errand::Relay(RelayCommand::CloseRoom { call }),
        Output::ReportUnsettled { call } => Errand::Unsettled(call),
    }
}

fn server_frame(frame: core::Frame) -> wire::ServerFrame {
    wire::ServerFrame { seq: frame.seq, re: frame.re, body: server_message(frame.message) }
}

fn server_message(message: core::Message) -> wire::ServerMessage {
    match message {
        core::Message::Welcome(welcome) => welcome_out(*welcome),
        core::Message::Ok => wire::ServerMessage::Ok,
        core::Message::Refused { refusal, detail } => {
            let (code, retry) = error(refusal);
            let message = code.message().to_owned();
            wire::ServerMessage::Error { code, message, retry, detail }
        }
        core::Message::Hosts(hosts) => {
            wire::ServerMessage::Hosts { hosts: hosts.into_iter().map(host_card).collect() }
        }
        core::Message::Quote(quote) => wire::ServerMessage::Quote {
            quote: wire::Quote {
                host: quote.host,
                medium: quote.medium,
                rate_micro_per_min: quote.rate,
                free_ms: quote.free,
                minimum_micro: quote.minimum,
                balance_micro: quote.balance,
                lasts_ms: quote.lasts,
            },
        },
        core::Message::Call(call) => wire::ServerMessage::Call { call: call_view(*call) },
        core::Message::MediaAnswer { call, sdp } => wire::ServerMessage::MediaAnswer { call, sdp },
        core::Message::Wallet { balance } => wire::ServerMessage::Wallet { balance_micro: balance },
        core::Message::Pong => wire::ServerMessage::Pong,
        core::Message::HostUpdated(host) => {
            wire::ServerMessage::HostUpdated { host: host_card(host) }
        }
        core::Message::CallIncoming(call) => {
            wire::ServerMessage::CallIncoming { call: call_view(*call) }
        }
        core::Message::CallTick(tick) => wire::ServerMessage::CallTick {
            call: tick.call,
            proven_ms: tick.proven,
            charged_micro: tick.charged,
            host_micro: tick.host_earned,
            balance_micro: tick.balance,
            remaining_ms: tick.remaining,
            paused: tick.paused,
        },
        core::Message::LowFunds { call, threshold, remaining } => {
            wire::ServerMessage::CallLowFunds {
                call,
                threshold_ms: threshold,
                remaining_ms: remaining,
            }
        }
        core::Message::CallEnded { call, reason, receipt } => wire::ServerMessage::CallEnded {
            call,
            reason: reason_out(reason),
            receipt: receipt.map(|receipt| receipt_out(*receipt)),
        },
        core::Message::CallCredited { call, credits } => wire::ServerMessage::CallCredited {
            call,
            credits: credits.into_iter().map(credit_out).collect(),
        },
        core::Message::SessionReplaced => wire::ServerMessage::SessionReplaced,
    }
}

fn welcome_out(welcome: core::Welcome) -> wire::ServerMessage {
    let band = |band: core::PriceBand| wire::PriceBand {
        min_micro_per_min: band.min,
        max_micro_per_min: band.max,
    };
    wire::ServerMessage::Welcome {
        session: welcome.session,
        user: welcome.user,
        name: welcome.name,
        role: match welcome.role {
            core::Role::Fan => Role::Fan,
            core::Role::Host => Role::Host,
        },
        resumed: welcome.resumed,
        grace_ms: welcome.grace,
        price_bands: wire::PriceBands {
            voice: band(welcome.bands.voice),
            video: band(welcome.bands.video),
        },
        host_share_bps: welcome.host_share,
        call: welcome.call.map(call_view),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn host_card(host: core::HostCard) -> wire::HostCard {
    wire::HostCard {
        user: host.user,
        name: host.name,
        state: match host.state {
            core::HostState::Online => wire::HostState::Online,
            core::HostState::Busy => wire::HostState::Busy,
            core::HostState::Offline => wire::HostState::Offline,
        },
        prices: wire::Prices { voice: host.prices.voice, video: host.prices.video },
    }
}

fn call_view(view: core::CallView) -> wire::CallView {
    wire::CallView {
        call: view.call,
        state: match view.state {
            core::CallState::Ringing => wire::CallState::Ringing,
            core::CallState::Connecting => wire::CallState::Connecting,
            core::CallState::Live => wire::CallState::Live,
            core::CallState::Ending => wire::CallState::Ending,
        },
        you: party_out(view.you),
        peer: wire::PeerView {
            user: view.peer.user,
            name: view.peer.name,
            online: view.peer.online,
            audio: view.peer.audio,
            video: view.peer.video,
        },
        medium: view.medium,
        rate_micro_per_min: view.rate,
        host_share_bps: view.host_share,
        ring_ends_in_ms: view.ring_ends_in,
    }
}

/// The code of a refusal, and whether it is worth to ask again.
fn error(refusal: Refusal) -> (ErrorCode, Retry) {
    let after = |ms| Retry::AfterMs(ElapsedMs(ms));
    match refusal {
        Refusal::Forbidden => (ErrorCode::AuthForbidden, Retry::Never),
        Refusal::Malformed => (ErrorCode::ProtocolMalformed, Retry::Never),
        Refusal::UnknownType => (ErrorCode::ProtocolUnknownType, Retry::Never),
        Refusal::TooLarge => (ErrorCode::ProtocolTooLarge, Retry::Never),
        Refusal::TooFast => (ErrorCode::ProtocolTooFast, after(1_000)),
        Refusal::HostOffline => (ErrorCode::HostOffline, after(30_000)),
        Refusal::HostNotOffering => (ErrorCode::HostNotOffering, Retry::Never),
        Refusal::PriceOutOfBand => (ErrorCode::PriceOutOfBand, Retry::Never),
        Refusal::PriceChanged => (ErrorCode::PriceChanged, Retry::Never),
        Refusal::CallSelf => (ErrorCode::CallSelf, Retry::Never),
        Refusal::CallBusy => (ErrorCode::CallBusy, after(5_000)),
        Refusal::CallAlready => (ErrorCode::CallAlready, Retry::Never),
        Refusal::CallUnknown => (ErrorCode::CallUnknown, Retry::Never),
        Refusal::CallWrongState => (ErrorCode::CallWrongState, Retry::Never),
        Refusal::NoFunds => (ErrorCode::BillingNoFunds, Retry::Never),
        Refusal::BillingUnavailable => (ErrorCode::BillingUnavailable, after(2_000)),
        Refusal::MediaUnsupported => (ErrorCode::MediaUnsupported, Retry::Never),
        Refusal::MediaUnavailable => (ErrorCode::MediaUnavailable, after(2_000)),
        Refusal::Draining => (ErrorCode::ServerDraining, after(5_000)),
    }
}

fn billing_refusal(code: ErrorCode) -> Refusal {
    if code == ErrorCode::BillingNoFunds { Refusal::NoFunds } else { Refusal::BillingUnavailable }
}

fn quote_facts(facts: QuoteFacts) -> core::QuoteFacts {
    core::QuoteFacts {
        free: facts.free_ms,
        minimum: facts.minimum,
        balance: facts.balance,
        lasts: facts.lasts_ms,
        host_share: facts.host_share,
    }
}

fn terms(terms: core::Terms) -> CallTerms {
    let core::Terms { fan, host, medium, rates } = terms;
    CallTerms { fan, host, medium, rates }
}

const fn party_in(party: wire::Party) -> core::Party {
    match party {
        wire::Party::Fan => core::Party::Fan,
        wire::Party::Host => core::Party::Host,
    }
}

const fn party_out(party: core::Party) -> wire::Party {
    match party {
        core::Party::Fan => wire::Party::Fan,
        core::Party::Host => wire::Party::Host,
    }
}

/// Each value of an enum on the wire and in the core, once.
macro_rules! same_words {
    ($type:ident, $in:ident, $out:ident: $($word:ident),*) => {
        const fn $in(word: wire::$type) -> core::$type {
            match word { $(wire::$type::$word => core::$type::$word),* }
        }

        const fn $out(word: core::$type) -> wire::$type {
            match word { $(core::$type::$word => wire::$type::$word),* }
        }
    };
}

same_words!(CreditReason, why_in, why_out: HostSilent, PictureFrozen, EarlyDrop, Support);
same_words!(CreditPayer, payer_in, payer_out: Platform, Host, Both);

fn credit_in(credit: wire::CallCredit) -> core::Credit {
    core::Credit {
        reason: why_in(credit.reason),
        amount: credit.amount_micro,
        payer: payer_in(credit.payer),
        from_n: credit.from_n,
        to_n: credit.to_n,
    }
}

fn credit_out(credit: core::Credit) -> wire::CallCredit {
    wire::CallCredit {
        reason: why_out(credit.reason),
        amount_micro: credit.amount,
        payer: payer_out(credit.payer),
        from_n: credit.from_n,
        to_n: credit.to_n,
    }
}

/// Each reason on the wire and in the core, once.
macro_rules! reasons {
    ($($reason:ident),*) => {
        const fn reason_in(reason: wire::EndReason) -> core::EndReason {
            match reason { $(wire::EndReason::$reason => core::EndReason::$reason),* }
        }

        const fn reason_out(reason: core::EndReason) -> wire::EndReason {
            match reason { $(core::EndReason::$reason => wire::EndReason::$reason),* }
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

fn receipt_in(receipt: wire::Receipt) -> core::Receipt {
    core::Receipt {
        call: receipt.call,
        fan: receipt.fan,
        host: receipt.host,
        medium: receipt.medium,
        rate: receipt.rate_micro_per_min,
        voice_rate: receipt.voice_rate_micro_per_min,
        reason: reason_in(receipt.reason),
        accepted_at: receipt.accepted_at_unix_ms,
        ended_at: receipt.ended_at_unix_ms,
        proven: receipt.proven_ms,
        video: receipt.video_ms,
        silent: receipt.silent_ms,
        frozen: receipt.frozen_ms,
        free: receipt.free_ms,
        charged: receipt.charged_micro,
        paid: receipt.paid_micro,
        promo: receipt.promo_micro,
        host_share: receipt.host_share_bps,
        host_earned: receipt.host_micro,
        platform_earned: receipt.platform_micro,
    }
}

fn receipt_out(receipt: core::Receipt) -> wire::Receipt {
    wire::Receipt {
        call: receipt.call,
        fan: receipt.fan,
        host: receipt.host,
        medium: receipt.medium,
        rate_micro_per_min: receipt.rate,
        voice_rate_micro_per_min: receipt.voice_rate,
        reason: reason_out(receipt.reason),
        accepted_at_unix_ms: receipt.accepted_at,
        ended_at_unix_ms: receipt.ended_at,
        proven_ms: receipt.proven,
        video_ms: receipt.video,
        silent_ms: receipt.silent,
        frozen_ms: receipt.frozen,
        free_ms: receipt.free,
        charged_micro: receipt.charged,
        paid_micro: receipt.paid,
        promo_micro: receipt.promo,
        host_share_bps: receipt.host_share,
        host_micro: receipt.host_earned,
        platform_micro: receipt.platform_earned,
    }
}
