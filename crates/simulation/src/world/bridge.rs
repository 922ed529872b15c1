//! What one machine says, in the next one's words; and people's hands on their clients.

use super::{Event, Order, World};
use crate::people::{self, Act};
use crate::relay::Word;
use billing_core::{Notice, Output as MeterSays, Proven};
use call_core::{
    Closing, Input as SignalingHears, MeterFact, Output as SignalingSays, Party, QuoteFacts,
    RelayFact, Request, Resume, Role, SocketId,
};
use units::{CallId, ElapsedMs, MonotonicMs, SessionId};

impl World {
    pub(super) fn signaling_hears(
        &mut self,
        now: MonotonicMs,
        input: SignalingHears,
    ) -> Result<(), String> {
        for output in self.board.handle(now, input) {
            self.signaling_says(now, output)?;
        }
        Ok(())
    }

    fn check_what_people_hear(&mut self, message: &call_core::Message) -> Result<(), String> {
        use call_core::Message;
        if let Message::CallEnded { call, receipt: Some(receipt), .. } = message {
            self.auditor.receipt(*call, receipt.charged)?;
        }
        if let Message::CallTick(tick) = message
            && let Some(balance) = tick.balance
        {
            self.auditor.told(tick.call, tick.charged, balance)?;
        }
        Ok(())
    }

    fn signaling_says(&mut self, now: MonotonicMs, output: SignalingSays) -> Result<(), String> {
        use billing_core::Input;
        match output {
            SignalingSays::Send { socket, frame } => {
                self.check_what_people_hear(&frame.message)?;
                let chance = self.chance.clone();
                let Some(place) = self.place_of(socket) else { return Ok(()) };
                for (after, act) in self.people[place].read(&frame, &chance) {
                    self.network.at(now.0 + after, Event::Act(place, act));
                }
            }
            SignalingSays::Close { socket, why } => {
                if let Some(place) = self.place_of(socket) {
                    self.people[place].socket = None;
                    let ends = matches!(why, Closing::Replaced | Closing::Moved);
                    let after = if ends { 5_000 } else { 1_000 };
                    self.network.at(now.0 + after, Event::Act(place, Act::Connect));
                }
            }
            SignalingSays::Ask { ask, question } => self.tell_meters(now, |_| match &question {
                call_core::Question::Quote(terms) => Input::QuoteAsked {
                    request: ask.0,
                    fan: terms.fan.clone(),
                    host: terms.host.clone(),
                    medium: terms.medium,
                    rates: terms.rates,
                },
                call_core::Question::Balance(user) => {
                    Input::BalanceAsked { request: ask.0, user: user.clone() }
                }
            }),
            SignalingSays::OpenMeter { call, terms } => {
                self.fans.insert(call, terms.fan.clone());
                self.tell_meters(now, |at| Input::OpenAsked {
                    call,
                    fan: terms.fan.clone(),
                    host: terms.host.clone(),
                    medium: terms.medium,
                    rates: terms.rates,
                    at,
                });
            }
            SignalingSays::EndMeter { call, reason, proof, .. } => {
                let fan = self.fans[&call].clone();
                let reason = billing_reason(reason);
                let told = Proven { media: proof.media, video: proof.video };
                self.tell_meters(now, |at| Input::Ended {
                    call,
                    fan: fan.clone(),
                    reason,
                    told,
                    at,
                });
            }
            SignalingSays::OpenRoom { call, funded } => {
                self.tell_relay(now, Order::Open { call, funded });
            }
            SignalingSays::Admit { call, party, ask, .. } => {
                self.tell_relay(now, Order::Admit { call, party, ask });
            }
            SignalingSays::CloseRoom { call } => self.tell_relay(now, Order::Close { call }),
            SignalingSays::ReportUnsettled { call } => {
                self.trace.note("signaling", || format!("{call} was not settled in time"));
            }
        }
        Ok(())
    }

    pub(super) fn tell_meters(
        &mut self,
        now: MonotonicMs,
        message: impl Fn(units::UnixMs) -> billing_core::Input,
    ) {
        for n in 0..self.meters.len() {
            let at = self.meters[n].unix(now);
            self.network.send(now, &self.chance, Event::ToMeter(n, message(at)));
        }
    }

    pub(super) fn tell_relay(&mut self, now: MonotonicMs, order: Order) {
        self.network.send(now, &self.chance, Event::ToRelay(order));
    }

    fn tell_signaling(&mut self, now: MonotonicMs, fact: SignalingHears) {
        self.network.send(now, &self.chance, Event::ToSignaling(fact));
    }

    pub(super) fn meter_hears(
        &mut self,
        now: MonotonicMs,
        n: usize,
        input: billing_core::Input,
    ) -> Result<(), String> {
        for output in self.meters[n].handle(now, input, &self.trace) {
            self.meter_says(now, output)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_lines, reason = "a table: one arm for each thing a meter says")]
    fn meter_says(&mut self, now: MonotonicMs, output: MeterSays) -> Result<(), String> {
        let fact = match output {
            MeterSays::Limit { call, funded } => {
                self.tell_relay(now, Order::Limit { call, funded });
                return Ok(());
            }
            MeterSays::Quoted { request, quote } => MeterFact::Quoted {
                ask: call_core::AskId(request),
                facts: QuoteFacts {
                    free: quote.free,
                    minimum: quote.minimum,
                    balance: quote.balance,
                    lasts: quote.lasts,
                    host_share: quote.host_share,
                },
            },
            MeterSays::Failed { request, .. } => MeterFact::Failed {
                ask: call_core::AskId(request),
                refusal: call_core::Refusal::BillingUnavailable,
            },
            MeterSays::Opened { call, funded } => {
                if self.direct.contains_key(&call) {
                    self.direct_opened.insert(call);
                    self.tell_relay(now, Order::Open { call, funded });
                    for party in Party::BOTH {
                        self.tell_relay(now, Order::Connected { call, party });
                    }
                    return Ok(());
                }
                MeterFact::Opened { call, funded }
            }
            MeterSays::NotOpened { call, .. } => {
                if !self.direct_opened.contains(&call) {
                    self.direct.remove(&call);
                }
                let refusal = call_core::Refusal::BillingUnavailable;
                MeterFact::NotOpened { call, refusal }
            }
            MeterSays::Metered {
                call,
                proven,
                charged,
                host_earned,
                balance,
                remaining,
                paused,
            } => {
                if self.direct.contains_key(&call) {
                    // As signaling does: who says less than was said holds the call no longer.
                    let (media, charge) = self.direct_told.entry(call).or_default();
                    if proven.media >= *media && charged >= *charge {
                        (*media, *charge) = (proven.media, charged);
                        self.auditor.told(call, charged, balance)?;
                    }
                    return Ok(());
                }
                let proof = call_core::Proof { media: proven.media, video: proven.video };
                MeterFact::Metered { call, proof, charged, host_earned, balance, remaining, paused }
            }
            MeterSays::LowFunds { call, threshold, remaining } => {
                MeterFact::LowFunds { call, threshold, remaining }
            }
            MeterSays::Settled { receipt, counted: _ } => {
                self.auditor.receipt(receipt.call, receipt.total())?;
                self.direct_ends.remove(&receipt.call);
                if self.direct.remove(&receipt.call).is_some() {
                    self.tell_relay(now, Order::Close { call: receipt.call });
                    return Ok(());
                }
                MeterFact::Settled { call: receipt.call, receipt: told(&receipt) }
            }
            MeterSays::Balance { request: 0, user, balance } => {
                MeterFact::CoinsAdded { user, balance }
            }
            MeterSays::Balance { request, balance, .. } => {
                if let Some((id, amount)) = self.asked_credits.get(&request) {
                    self.auditor.credit_acknowledged(id, *amount);
                    return Ok(());
                }
                MeterFact::BalanceTold { ask: call_core::AskId(request), balance }
            }
            MeterSays::GiveUp { call, reason } => {
                // Only a direct call has nobody else to end it.
                if let Some(place) = self.direct.get(&call).copied() {
                    self.end_direct(now, call, place, reason);
                }
                return Ok(());
            }
            MeterSays::Notice(Notice::Adopted { .. }) => {
                self.auditor.taken_over();
                return Ok(());
            }
            MeterSays::Store(_)
            | MeterSays::Changed { .. }
            | MeterSays::Credited { .. }
            | MeterSays::Notice(_) => return Ok(()),
        };
        self.tell_signaling(now, SignalingHears::Meter(fact));
        Ok(())
    }

    pub(super) fn relay_hears(&mut self, now: MonotonicMs, order: Order) {
        self.trace.note("relay", || format!("hears {order:?}"));
        match order {
            Order::Open { call, funded } => self.relay.open(now, call, funded),
            Order::Limit { call, funded } => self.relay.limit(call, funded),
            Order::Admit { call, party, ask } => {
                let fact = if self.relay.rooms.contains_key(&call) {
                    let later = now.0 + self.chance.between(20, 400);
                    self.network.at(later, Event::ToRelay(Order::Connected { call, party }));
                    RelayFact::Answered { ask, answer: String::new() }
                } else {
                    let refusal = call_core::OfferRefusal::Unavailable;
                    RelayFact::OfferRefused { ask, refusal }
                };
                self.tell_signaling(now, SignalingHears::Relay(fact));
            }
            Order::Connected { call, party } => {
                let Some(room) = self.relay.rooms.get_mut(&call) else { return };
                let sides = self.connected.entry(call).or_default();
                *sides |= if party == Party::Fan { 1 } else { 2 };
                room.connected = *sides == 3;
                let fact = RelayFact::Connected { call, party };
                self.tell_signaling(now, SignalingHears::Relay(fact));
            }
            Order::Close { call } => {
                if let Some(word) = self.relay.close(now, call) {
                    self.relay_says(now, word);
                }
            }
        }
    }

    pub(super) fn relay_says(&mut self, now: MonotonicMs, word: Word) {
        self.trace.note("relay", || format!("{word:?}"));
        match word {
            Word::Flowing(call) => {
                self.tell_signaling(now, SignalingHears::Relay(RelayFact::Flowing { call }));
            }
            Word::LimitReached(call) => match self.direct.get(&call).copied() {
                Some(place) => {
                    let reason = billing_core::EndReason::FundsExhausted;
                    self.end_direct(now, call, place, reason);
                }
                None => {
                    let fact = RelayFact::LimitReached { call };
                    self.tell_signaling(now, SignalingHears::Relay(fact));
                }
            },
            Word::Counted { call, counted, last } => {
                self.tell_meters(now, |_| billing_core::Input::MediaCounted { call, counted, last })
            }
        }
    }

    pub(super) fn end_direct(
        &mut self,
        now: MonotonicMs,
        call: CallId,
        place: usize,
        reason: billing_core::EndReason,
    ) {
        let fan = self.people[place].user.clone();
        self.direct_ends.entry(call).or_insert((fan.clone(), reason));
        self.tell_relay(now, Order::Close { call });
        self.tell_meters(now, |at| billing_core::Input::Ended {
            call,
            fan: fan.clone(),
            reason,
            told: Proven::ZERO,
            at,
        });
    }

    pub(super) fn act(&mut self, now: MonotonicMs, place: usize, act: Act) -> Result<(), String> {
        let who = self.people[place].user.to_string();
        if self.people[place].socket.is_none() && !matches!(act, Act::Connect | Act::LoseSocket) {
            // The client asks as soon as it is back.
            self.network.at(now.0 + 500, Event::Act(place, act));
            return Ok(());
        }
        self.trace.note(&who, || format!("{act:?}"));
        match act {
            Act::Connect if self.people[place].socket.is_none() => self.connect(now, place),
            Act::Connect => Ok(()),
            Act::LoseSocket => {
                let Some(socket) = self.people[place].socket.take() else { return Ok(()) };
                let back = now.0 + self.chance.between(100, 8_000);
                self.network.at(back, Event::Act(place, Act::Connect));
                self.signaling_hears(now, SignalingHears::Disconnected { socket })
            }
            Act::Ring => {
                let hosts = self.people.iter().filter(|person| person.role == Role::Host);
                let hosts: Vec<_> = hosts.map(|person| person.user.clone()).collect();
                let host = hosts[self.chance.index(hosts.len())].clone();
                let again = now.0 + self.chance.between(3_000, 25_000);
                if again < super::ACTIVE_MS {
                    self.network.at(again, Event::Act(place, Act::Ring));
                }
                let ring = people::ring(&self.chance, host);
                self.ask(now, place, ring)
            }
            Act::Accept(call) => self.ask(now, place, Request::Accept(call)),
            Act::Decline(call) => self.ask(now, place, Request::Decline(call)),
            Act::OfferMedia(call) => {
                self.ask(now, place, Request::OfferMedia { call, sdp: String::new() })
            }
            Act::HangUp(call) => self.ask(now, place, Request::HangUp(call)),
        }
    }

    fn connect(&mut self, now: MonotonicMs, place: usize) -> Result<(), String> {
        self.sockets += 1;
        let (socket, fresh) = (SocketId(self.sockets), SessionId(self.chance.id()));
        let person = &mut self.people[place];
        let resume = person.session.map(|session| Resume { session, after: person.seen });
        if resume.is_none() {
            person.session = Some(fresh);
            person.starts_anew();
        }
        person.socket = Some(socket);
        let (login, role, first) = (person.login(), person.role, resume.is_none());
        self.signaling_hears(now, SignalingHears::Connected { socket, login, resume, fresh })?;
        match role {
            Role::Host => self.ask(now, place, Request::GoOnline(people::prices(&self.chance))),
            Role::Fan if first => {
                let soon = now.0 + self.chance.between(500, 8_000);
                self.network.at(soon, Event::Act(place, Act::Ring));
                Ok(())
            }
            Role::Fan => Ok(()),
        }
    }

    fn ask(&mut self, now: MonotonicMs, place: usize, request: Request) -> Result<(), String> {
        let Some(socket) = self.people[place].socket else { return Ok(()) };
        let id = self.people[place].number();
        self.signaling_hears(now, SignalingHears::Requested { socket, id, request })
    }

    fn place_of(&self, socket: SocketId) -> Option<usize> {
        self.people.iter().position(|person| person.socket == Some(socket))
    }
}

fn billing_reason(reason: call_core::EndReason) -> billing_core::EndReason {
    use billing_core::EndReason as To;
    use call_core::EndReason as From;
    match reason {
        From::Cancelled => To::Cancelled,
        From::Declined => To::Declined,
        From::Unanswered => To::Unanswered,
        From::HungUpByFan => To::HungUpByFan,
        From::HungUpByHost => To::HungUpByHost,
        From::FundsExhausted => To::FundsExhausted,
        From::FanLost => To::FanLost,
        From::HostLost => To::HostLost,
        From::NotConnected => To::NotConnected,
        From::Interrupted => To::Interrupted,
        From::Unconfirmed => To::Unconfirmed,
    }
}

fn told(receipt: &billing_core::Receipt) -> call_core::Receipt {
    let split = receipt.split();
    call_core::Receipt {
        call: receipt.call,
        fan: receipt.terms.fan.clone(),
        host: receipt.terms.host.clone(),
        medium: receipt.terms.medium,
        rate: receipt.terms.tariff.rates.voice,
        reason: call_core::EndReason::Interrupted,
        accepted_at: receipt.opened_at,
        ended_at: receipt.ended_at,
        proven: receipt.proven.media,
        free: receipt.terms.tariff.free,
        charged: receipt.total(),
        host_share: receipt.terms.host_share,
        host_earned: split.host,
        platform_earned: split.platform,
        voice_rate: receipt.terms.tariff.rates.voice,
        paid: receipt.charged.paid,
        promo: receipt.charged.promo,
        video: receipt.proven.video,
        silent: ElapsedMs::ZERO,
        frozen: ElapsedMs::ZERO,
    }
}
