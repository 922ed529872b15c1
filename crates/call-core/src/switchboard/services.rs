//! What the billing meter and the media relay say.

use super::Switchboard;
use crate::ask::Purpose;
use crate::call::{MediaLink, Phase};
use crate::input::{MeterFact, OfferRefusal, QuoteFacts, RelayFact};
use crate::output::{Message, Output, Quote, Tick};
use crate::words::{AskId, EndReason, Party, Proof, Refusal};
use units::{CallId, ElapsedMs, MicroCoins, MonotonicMs, Rates};

impl Switchboard {
    pub(super) fn meter_said(&mut self, now: MonotonicMs, fact: MeterFact) {
        match fact {
            MeterFact::Quoted { ask, facts } => self.quoted(now, ask, facts),
            MeterFact::BalanceTold { ask, balance } => self.balance_told(ask, balance),
            MeterFact::Failed { ask, refusal } => self.ask_failed(ask, refusal, None),
            MeterFact::CoinsAdded { user, balance } => {
                self.tell(&user, Message::Wallet { balance });
            }
            MeterFact::Opened { call, funded } => self.opened(now, call, funded),
            MeterFact::NotOpened { call, refusal } => self.not_opened(now, call, refusal),
            MeterFact::Metered {
                call,
                proof,
                charged,
                host_earned,
                balance,
                remaining,
                paused,
            } => {
                let (balance, proven) = (Some(balance), proof.media);
                let tick = Tick { call, proven, charged, host_earned, balance, remaining, paused };
                self.metered(tick, proof);
            }
            MeterFact::LowFunds { call, threshold, remaining } => {
                self.low_funds(call, threshold, remaining);
            }
            MeterFact::PriceChanged { call, rates } => self.price_changed(now, call, rates),
            MeterFact::GiveUp { call, reason } => {
                if self.calls.get(&call).is_some_and(|call| call.carries_media()) {
                    self.give_up(now, call, reason);
                }
            }
            MeterFact::Settled { call, receipt } => self.settled(now, call, receipt),
            MeterFact::Credited { call, fan, host, credits } => {
                for user in [fan, host] {
                    self.tell_credits(&user, call, &credits);
                }
            }
        }
    }

    pub(super) fn relay_said(&mut self, now: MonotonicMs, fact: RelayFact) {
        match fact {
            RelayFact::Answered { ask, answer } => self.answered(ask, answer),
            RelayFact::OfferRefused { ask, refusal } => match refusal {
                OfferRefusal::Unsupported { missing } => {
                    self.ask_failed(ask, Refusal::MediaUnsupported, Some(missing));
                }
                OfferRefusal::Unavailable => {
                    self.ask_failed(ask, Refusal::MediaUnavailable, None);
                }
            },
            RelayFact::Connected { call, party } => {
                self.media_changed(call, party, MediaLink::Kept);
            }
            RelayFact::Flowing { call } => {
                let phase = self.calls.get(&call).map(|call| call.phase);
                if let Some(Phase::Connecting { .. }) = phase {
                    self.set_phase(call, Phase::Live);
                    self.show(now, call);
                }
            }
            RelayFact::Gone { call, party } => {
                let Some(held) = self.calls.get(&call) else { return };
                let media = if self.is_there(&held.side(party).user) {
                    MediaLink::LostUntil(now + self.rules.media_grace)
                } else {
                    MediaLink::LostAway
                };
                self.media_changed(call, party, media);
            }
            RelayFact::LimitReached { call } => {
                if self.calls.get(&call).is_some_and(|call| call.carries_media()) {
                    self.give_up(now, call, EndReason::FundsExhausted);
                }
            }
            RelayFact::Restarted => {
                // A room that is made anew would count from nothing, and the meter's limit with
                // it: what was carried is billed, and people call again.
                let cut = self.calls.iter().filter(|(_, call)| call.carries_media());
                for call in cut.map(|(id, _)| *id).collect::<Vec<_>>() {
                    self.give_up(now, call, EndReason::Interrupted);
                }
            }
        }
    }

    fn quoted(&mut self, now: MonotonicMs, id: AskId, facts: QuoteFacts) {
        let Some(ask) = self.close_ask(id) else { return };
        let host = match &ask.purpose {
            Purpose::Quote(terms) => Some(&terms.host),
            Purpose::Ring { ring, .. } => Some(&ring.host),
            Purpose::Balance | Purpose::Offer { .. } => None,
        };
        if let Some(host) = host {
            self.shares.insert(host.clone(), facts.host_share);
        }
        match ask.purpose {
            Purpose::Quote(terms) => {
                let rate = terms.rate();
                let quote = Quote {
                    host: terms.host,
                    medium: terms.medium,
                    rate,
                    free: facts.free,
                    minimum: facts.minimum,
                    balance: facts.balance,
                    lasts: facts.lasts,
                };
                self.send(ask.session, Some(ask.re), Message::Quote(quote));
            }
            Purpose::Ring { ring, rates } => {
                // The world may have changed while the meter was asked.
                match self.ringable(ask.session, &ring) {
                    Ok(still) if still.rates != rates => {
                        self.refuse(ask.session, ask.re, Refusal::PriceChanged);
                    }
                    Ok(_) if facts.balance < facts.minimum => {
                        self.refuse(ask.session, ask.re, Refusal::NoFunds);
                    }
                    Ok(terms) => {
                        let caller = (ask.session, ask.re);
                        self.ring(now, caller, ring.fresh, terms, facts.host_share);
                    }
                    Err(refusal) => self.refuse(ask.session, ask.re, refusal),
                }
            }
            Purpose::Balance | Purpose::Offer { .. } => {
                self.refuse(ask.session, ask.re, Refusal::BillingUnavailable);
            }
        }
    }

    fn balance_told(&mut self, id: AskId, balance: MicroCoins) {
        if let Some(ask) = self.close_ask(id) {
            self.send(ask.session, Some(ask.re), Message::Wallet { balance });
        }
    }

    fn ask_failed(&mut self, id: AskId, refusal: Refusal, detail: Option<String>) {
        if let Some(ask) = self.close_ask(id) {
            self.send(ask.session, Some(ask.re), Message::Refused { refusal, detail });
        }
    }

    fn answered(&mut self, id: AskId, sdp: String) {
        let Some(ask) = self.close_ask(id) else { return };
        match ask.purpose {
            Purpose::Offer { call } => {
                self.send(ask.session, Some(ask.re), Message::MediaAnswer { call, sdp });
            }
            Purpose::Quote(_) | Purpose::Ring { .. } | Purpose::Balance => {
                self.refuse(ask.session, ask.re, Refusal::MediaUnavailable);
            }
        }
    }

    fn opened(&mut self, now: MonotonicMs, id: CallId, funded: ElapsedMs) {
        let Some(call) = self.calls.get(&id) else { return };
        let Phase::Opening { session, re, .. } = call.phase else { return };
        self.outputs.push(Output::OpenRoom { call: id, funded });
        self.set_phase(id, Phase::Connecting { ends_at: now + self.rules.connect_timeout });
        self.send(session, Some(re), Message::Ok);
        self.show(now, id);
    }

    fn not_opened(&mut self, now: MonotonicMs, id: CallId, refusal: Refusal) {
        self.answered_end(id);
        let Some(call) = self.calls.get(&id) else { return };
        match call.phase {
            Phase::Opening { session, re, .. } => {
                self.refuse(session, re, refusal);
                let no_funds = refusal == Refusal::NoFunds;
                let reason =
                    if no_funds { EndReason::FundsExhausted } else { EndReason::NotConnected };
                self.finish(now, id, reason, None);
            }
            // Given up while it was being opened: there is nothing to settle.
            Phase::Ending { reason, .. } => self.finish(now, id, reason, None),
            Phase::Ringing { .. } | Phase::Connecting { .. } | Phase::Live => {}
        }
    }

    fn metered(&mut self, tick: Tick, proof: Proof) {
        self.unsettled.told(tick.call, proof);
        let Some(call) = self.calls.get_mut(&tick.call) else { return };
        // Who says less than was said holds the call no longer, or has not heard of the rest yet.
        if proof.media < call.proof.media || tick.charged < call.charged {
            return;
        }
        call.proof = call.proof.merge(proof);
        call.charged = tick.charged;
        let (fan, host) = (call.fan.user.clone(), call.host.user.clone());
        self.tell(&host, Message::CallTick(Tick { balance: None, ..tick.clone() }));
        self.tell(&fan, Message::CallTick(tick));
    }

    fn price_changed(&mut self, now: MonotonicMs, id: CallId, rates: Rates) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.terms.rates = rates;
        if call.carries_media() {
            self.show(now, id);
        }
    }

    fn low_funds(&mut self, call: CallId, threshold: ElapsedMs, remaining: ElapsedMs) {
        let Some(held) = self.calls.get(&call) else { return };
        for user in Party::BOTH.map(|party| held.side(party).user.clone()) {
            self.tell(&user, Message::LowFunds { call, threshold, remaining });
        }
    }

    fn media_changed(&mut self, call: CallId, party: Party, media: MediaLink) {
        let Some(held) = self.calls.get(&call) else { return };
        let user = held.side(party).user.clone();
        self.change_media(call, &user, |_| media);
    }
}
