//! What people and operators do beside calling: coins come and go, prices change, hosts fall silent.

use super::{ACTIVE_MS, Event, World};
use crate::people;
use billing_core::{Credit, CreditKind, Input, Payer, RefundReason};
use call_core::Role;
use units::{CallId, Medium, MonotonicMs, Rate, Rates, SpendId};

/// Something that happens beside the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whim {
    TopUp(usize),
    Promo(usize),
    Gift(usize),
    ChargeBack(usize),
    Refund(usize),
    /// A second call on a wallet, which signaling knows nothing of.
    DirectCall(usize),
    EndDirect(usize),
    ChangePrice,
    Media,
    LoseSocket(usize),
}

impl World {
    pub(super) fn schedule_whims(&mut self) {
        let fans: Vec<usize> =
            (0..self.people.len()).filter(|n| self.people[*n].role == Role::Fan).collect();
        for _ in 0..self.chance.between(5, 30) {
            let fan = fans[self.chance.index(fans.len())];
            let anybody = self.chance.index(self.people.len());
            let whim = match self.chance.between(0, 12) {
                0 | 1 => Whim::TopUp(fan),
                2 => Whim::Promo(fan),
                3 | 4 => Whim::Gift(fan),
                5 if self.chance.one_in(3) => Whim::ChargeBack(fan),
                5 => Whim::Promo(fan),
                6 => Whim::Refund(fan),
                7 | 8 => Whim::DirectCall(fan),
                9 => Whim::ChangePrice,
                10 | 11 => Whim::Media,
                _ => Whim::LoseSocket(anybody),
            };
            self.network.at(self.chance.between(3_500, ACTIVE_MS), Event::Whim(whim));
        }
    }

    pub(super) fn indulge(&mut self, now: MonotonicMs, whim: Whim) -> Result<(), String> {
        self.trace.note("world", || format!("{whim:?}"));
        match whim {
            Whim::TopUp(fan) => self.credit(now, fan, CreditKind::Purchase),
            Whim::Promo(fan) => self.credit(now, fan, CreditKind::Promo),
            Whim::Refund(fan) => {
                let user = &self.people[fan].user;
                let Some(call) = self.auditor.a_settled_call_of(user) else { return Ok(()) };
                let payer = [Payer::Platform, Payer::Host, Payer::Both][self.chance.index(3)];
                let reason = RefundReason::Support;
                self.credit(now, fan, CreditKind::Refund { call, payer, reason });
            }
            Whim::Gift(fan) => {
                let hosts = self.people.iter().filter(|person| person.role == Role::Host);
                let hosts: Vec<_> = hosts.map(|person| person.user.clone()).collect();
                let host = hosts[self.chance.index(hosts.len())].clone();
                let (request, id) = (self.request(), SpendId(self.chance.id()));
                let (fan, amount) = (self.people[fan].user.clone(), people::amount(&self.chance));
                self.tell_meters(now, |at| {
                    let (fan, host) = (fan.clone(), host.clone());
                    Input::GiftAsked { request, id, fan, host, amount, at }
                });
            }
            Whim::ChargeBack(fan) => {
                let (request, id) = (self.request(), SpendId(self.chance.id()));
                let (fan, amount) = (self.people[fan].user.clone(), people::amount(&self.chance));
                self.tell_meters(now, |at| Input::ChargedBack {
                    request,
                    id,
                    fan: fan.clone(),
                    amount,
                    at,
                });
            }
            Whim::DirectCall(fan) => self.open_direct(now, fan),
            Whim::EndDirect(fan) => {
                let calls = self.direct.iter().filter(|(_, place)| **place == fan);
                for call in calls.map(|(call, _)| *call).collect::<Vec<_>>() {
                    let reason = billing_core::EndReason::HungUpByFan;
                    self.end_direct(now, call, fan, reason);
                }
            }
            Whim::ChangePrice => {
                let calls: Vec<CallId> = self.relay.rooms.keys().copied().collect();
                if !calls.is_empty() {
                    let call = calls[self.chance.index(calls.len())];
                    let rates = self.rates();
                    self.tell_meters(now, |_| Input::ChangeAsked { call, rates });
                }
            }
            Whim::Media => {
                let chance = self.chance.clone();
                let rooms = self.relay.rooms.len();
                if rooms > 0
                    && let Some(room) = self.relay.rooms.values_mut().nth(chance.index(rooms))
                {
                    match chance.between(0, 3) {
                        0 => room.camera = !room.camera,
                        1 => room.sends = !room.sends,
                        2 => room.silent_host = !room.silent_host,
                        _ => room.arrives = !room.arrives,
                    }
                }
            }
            Whim::LoseSocket(place) => {
                return self.act(now, place, crate::people::Act::LoseSocket);
            }
        }
        Ok(())
    }

    fn credit(&mut self, now: MonotonicMs, fan: usize, kind: CreditKind) {
        let (request, amount) = (self.request(), people::amount(&self.chance));
        let (user, id) = (self.people[fan].user.clone(), format!("credit {request}"));
        self.asked_credits.insert(request, (id.clone(), amount));
        self.tell_meters(now, |at| {
            let (id, user, kind) = (id.clone(), user.clone(), kind.clone());
            Input::CreditAsked { request, credit: Credit { id, user, amount, kind, at } }
        });
    }

    fn open_direct(&mut self, now: MonotonicMs, place: usize) {
        let call = CallId(self.chance.id());
        self.direct.insert(call, place);
        let (fan, rates) = (self.people[place].user.clone(), self.rates());
        let host = self.people.last().map(|person| person.user.clone()).expect("a host");
        self.tell_meters(now, |at| {
            let (fan, host, medium) = (fan.clone(), host.clone(), Medium::Video);
            Input::OpenAsked { call, fan, host, medium, rates, at }
        });
        let end = now.0 + self.chance.between(500, 40_000);
        self.network.at(end, Event::Whim(Whim::EndDirect(place)));
    }

    fn rates(&self) -> Rates {
        let rate = |low, high| {
            Rate::per_minute(self.chance.between(low, high) * 9_973).expect("a small price")
        };
        Rates { voice: rate(0, 1_000), video: rate(0, 3_000) }
    }
}
