//! Final bills that may not have been seen yet, kept for their people's next session.
//!
//! A client acknowledges nothing, and a socket that has just broken still takes frames. So a bill
//! is kept until its client has been heard of after it was sent; who is never heard of again finds
//! it at the next login. An ending without a bill is not kept: nothing was paid, and `welcome`
//! says that the call is over.

use crate::output::{Credit, Message, Receipt};
use crate::words::EndReason;
use std::collections::{BTreeMap, VecDeque};
use units::{CallId, ElapsedMs, MonotonicMs, UserId};

/// How long an ending is kept. Long enough for a phone that was off for a night; what is older is
/// found in the ledger, and told late it would only puzzle.
const KEPT_FOR: ElapsedMs = ElapsedMs(24 * 60 * 60 * 1_000);
/// Most endings kept for one user: somebody who loses this many calls in a row has seen enough of
/// them, and each costs some 400 bytes.
const PER_USER_MAX: usize = 8;
/// Most endings kept in all, some 40 MB. A crash in the middle of half as many calls loses none;
/// beyond, the oldest are left to the ledger.
const IN_ALL_MAX: usize = 100_000;

/// A call that is over and paid for.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) call: CallId,
    pub(crate) reason: EndReason,
    pub(crate) receipt: Box<Receipt>,
    /// What it gave back, as far as that is known yet.
    pub(crate) credits: Vec<Credit>,
}

impl Ending {
    pub(crate) fn messages(&self) -> impl Iterator<Item = Message> {
        let Self { call, reason, ref receipt, ref credits } = *self;
        let ended = Message::CallEnded { call, reason, receipt: Some(receipt.clone()) };
        let credited = Message::CallCredited { call, credits: credits.clone() };
        std::iter::once(ended).chain((!credits.is_empty()).then_some(credited))
    }
}

#[derive(Debug)]
struct Kept {
    user: UserId,
    since: MonotonicMs,
    ending: Ending,
}

/// Endings by age and by user.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    /// Oldest first: numbers grow with time.
    kept: BTreeMap<u64, Kept>,
    of_user: BTreeMap<UserId, VecDeque<u64>>,
    last: u64,
}

impl Endings {
    /// Keeps an ending for `user`; the newest one of a call stands for it.
    pub(crate) fn keep(&mut self, now: MonotonicMs, user: &UserId, ending: Ending) {
        let mut own = self.of_user.remove(user).unwrap_or_default();
        own.retain(|number| {
            let same = self.kept.get(number).is_some_and(|kept| kept.ending.call == ending.call);
            if same {
                self.kept.remove(number);
            }
            !same
        });
        if own.len() == PER_USER_MAX
            && let Some(oldest) = own.pop_front()
        {
            self.kept.remove(&oldest);
        }
        self.last += 1;
        own.push_back(self.last);
        self.of_user.insert(user.clone(), own);
        self.kept.insert(self.last, Kept { user: user.clone(), since: now, ending });
        if self.kept.len() > IN_ALL_MAX {
            self.drop_oldest();
        }
    }

    /// Keeps what a call gave back with its ending, if that is still kept for `user`.
    pub(crate) fn credit(&mut self, user: &UserId, call: CallId, credits: &[Credit]) {
        for number in self.of_user.get(user).into_iter().flatten() {
            if let Some(Kept { ending, .. }) = self.kept.get_mut(number)
                && ending.call == call
            {
                ending.credits = credits.to_vec();
            }
        }
    }

    /// What is kept for `user`, oldest first.
    pub(crate) fn of(&self, user: &UserId) -> impl Iterator<Item = &Ending> {
        let numbers = self.of_user.get(user).into_iter().flatten();
        numbers.filter_map(|number| self.kept.get(number)).map(|kept| &kept.ending)
    }

    /// Drops what is kept for `user`; whether there was anything.
    pub(crate) fn seen(&mut self, user: &UserId) -> bool {
        let Some(own) = self.of_user.remove(user) else { return false };
        for number in own {
            self.kept.remove(&number);
        }
        true
    }

    /// Drops what is too old.
    pub(crate) fn expire(&mut self, now: MonotonicMs) {
        while self.next_expiry().is_some_and(|at| at <= now) {
            self.drop_oldest();
        }
    }

    /// When the oldest becomes too old.
    pub(crate) fn next_expiry(&self) -> Option<MonotonicMs> {
        self.kept.first_key_value().map(|(_, kept)| kept.since + KEPT_FOR)
    }

    fn drop_oldest(&mut self) {
        let Some((number, Kept { user, .. })) = self.kept.pop_first() else { return };
        let Some(own) = self.of_user.get_mut(&user) else { return };
        own.retain(|other| *other != number);
        if own.is_empty() {
            self.of_user.remove(&user);
        }
    }

    /// How many there are, and people they are for.
    pub(crate) fn len(&self) -> usize {
        self.kept.len() + self.of_user.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use units::{Medium, MicroCoins, Rate, ShareBps, UnixMs};

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn ending(call: u128, reason: EndReason) -> Ending {
        let call = CallId(uuid::Uuid::from_u128(call));
        let receipt = Box::new(Receipt {
            call,
            fan: user("asha"),
            host: user("meera"),
            medium: Medium::Voice,
            rate: Rate::per_minute(5_000_000).unwrap(),
            voice_rate: Rate::per_minute(5_000_000).unwrap(),
            reason,
            accepted_at: UnixMs(0),
            ended_at: UnixMs(0),
            proven: ElapsedMs::ZERO,
            video: ElapsedMs::ZERO,
            silent: ElapsedMs::ZERO,
            frozen: ElapsedMs::ZERO,
            free: ElapsedMs::ZERO,
            charged: MicroCoins::ZERO,
            paid: MicroCoins::ZERO,
            promo: MicroCoins::ZERO,
            host_share: ShareBps::WHOLE,
            host_earned: MicroCoins::ZERO,
            platform_earned: MicroCoins::ZERO,
        });
        Ending { call, reason, receipt, credits: Vec::new() }
    }

    fn calls(endings: &Endings, name: &str) -> Vec<u128> {
        endings.of(&user(name)).map(|ending| ending.call.0.as_u128()).collect()
    }

    #[test]
    fn of_one_user_the_newest_are_kept() {
        let mut endings = Endings::default();
        for call in 0..20 {
            endings.keep(MonotonicMs(0), &user("asha"), ending(call, EndReason::FanLost));
        }
        assert_eq!(calls(&endings, "asha"), (12..20).collect::<Vec<_>>());
        assert_eq!(endings.kept.len(), PER_USER_MAX);
        assert!(endings.seen(&user("asha")));
        assert_eq!(endings.len(), 0);
    }

    #[test]
    fn a_call_has_one_ending() {
        let mut endings = Endings::default();
        for reason in [EndReason::FanLost, EndReason::Interrupted] {
            endings.keep(MonotonicMs(0), &user("asha"), ending(1, reason));
        }
        let kept: Vec<_> = endings.of(&user("asha")).map(|ending| ending.reason).collect();
        assert_eq!((kept, endings.kept.len()), (vec![EndReason::Interrupted], 1));
    }

    #[test]
    fn of_all_the_newest_are_kept() {
        let mut endings = Endings::default();
        for call in 0..=IN_ALL_MAX {
            let name = format!("u{call}");
            endings.keep(MonotonicMs(0), &user(&name), ending(1, EndReason::FanLost));
        }
        assert_eq!((endings.len(), calls(&endings, "u0")), (2 * IN_ALL_MAX, vec![]));
        assert_eq!(calls(&endings, "u1"), [1]);
    }

    #[test]
    fn nothing_is_kept_for_longer_than_a_day() {
        let mut endings = Endings::default();
        endings.keep(MonotonicMs(0), &user("asha"), ending(1, EndReason::FanLost));
        endings.keep(MonotonicMs(5), &user("asha"), ending(2, EndReason::FanLost));
        let day = endings.next_expiry().unwrap();
        assert_eq!(day, MonotonicMs(86_400_000));
        endings.expire(day);
        assert_eq!(calls(&endings, "asha"), [2]);
        endings.expire(day + ElapsedMs(5));
        assert_eq!(endings.len(), 0);
    }
}
