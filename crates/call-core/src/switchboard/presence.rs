//! Which hosts can be called, and who wants to know.

use super::Switchboard;
use crate::output::{HostCard, HostState, Message};
use crate::words::{Prices, Refusal, Role};
use units::{SessionId, UserId};

impl Switchboard {
    pub(super) fn go_online(&mut self, id: SessionId, prices: Prices) -> Result<(), Refusal> {
        let login = &self.sessions.get(&id).ok_or(Refusal::Forbidden)?.login;
        if login.role != Role::Host {
            return Err(Refusal::Forbidden);
        }
        if !self.rules.bands.allow(&prices) {
            return Err(Refusal::PriceOutOfBand);
        }
        let (user, name) = (login.user.clone(), login.name.clone());
        if self.online.insert(user.clone(), prices) != Some(prices) {
            self.announce(&user, &name);
        }
        Ok(())
    }

    pub(super) fn go_offline(&mut self, id: SessionId) -> Result<(), Refusal> {
        let login = &self.sessions.get(&id).ok_or(Refusal::Forbidden)?.login;
        if login.role != Role::Host {
            return Err(Refusal::Forbidden);
        }
        let (user, name) = (login.user.clone(), login.name.clone());
        if self.online.remove(&user).is_some() {
            self.announce(&user, &name);
        }
        Ok(())
    }

    /// Lists the hosts that are online, and starts to send changes.
    pub(super) fn watch_hosts(&mut self, id: SessionId, re: u64) {
        self.watchers.insert(id);
        let cards = self.online.keys().map(|host| self.card(host, self.name(host))).collect();
        self.send(id, Some(re), Message::Hosts(cards));
    }

    /// Tells the watchers how a host stands now.
    pub(super) fn announce(&mut self, host: &UserId, name: &str) {
        let card = self.card(host, name);
        let watchers: Vec<SessionId> = self.watchers.iter().copied().collect();
        for watcher in watchers {
            self.send(watcher, None, Message::HostUpdated(card.clone()));
        }
    }

    fn card(&self, host: &UserId, name: &str) -> HostCard {
        let prices = self.online.get(host).copied();
        let state = match (prices, self.engaged.contains_key(host)) {
            (None, _) => HostState::Offline,
            (Some(_), true) => HostState::Busy,
            (Some(_), false) => HostState::Online,
        };
        let (user, name) = (host.clone(), name.to_owned());
        HostCard { user, name, state, prices: prices.unwrap_or_default() }
    }

    fn name(&self, user: &UserId) -> &str {
        let session = self.people.get(user).and_then(|id| self.sessions.get(id));
        &session.expect("a host who is online has a session").login.name
    }
}
