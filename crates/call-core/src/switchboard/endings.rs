//! Telling people that a call is over, and what it cost, until they know.

use super::Switchboard;
use crate::alarm::Alarm;
use crate::call::Phase;
use crate::ending::Ending;
use crate::output::{Credit, Message, Output, Receipt};
use crate::unsettled::{AGAIN_EVERY, Over};
use crate::words::EndReason;
use units::{CallId, MonotonicMs, UserId};

impl Switchboard {
    /// Tells the meter that a call is over, until its bill comes.
    pub(super) fn end_again(&mut self, now: MonotonicMs, call: CallId) {
        let Some(Over { fan, reason, proof }) = self.unsettled.again(now, call) else { return };
        self.outputs.push(Output::EndMeter { call, fan, reason, proof });
        self.alarms.set(Alarm::Unsettled(call), Some(now + AGAIN_EVERY));
    }

    /// A call's end needs no bill any more.
    pub(super) fn answered_end(&mut self, call: CallId) {
        self.unsettled.settled(call);
        self.alarms.set(Alarm::Unsettled(call), None);
    }

    /// A bill is final, whatever the call's people have been told so far.
    pub(super) fn settled(&mut self, now: MonotonicMs, id: CallId, receipt: Receipt) {
        self.answered_end(id);
        match self.calls.get(&id).map(|call| call.phase) {
            Some(Phase::Ending { reason, .. }) => self.finish(now, id, reason, Some(receipt)),
            // Settled without having been asked to: what is carried from here on is nobody's.
            Some(Phase::Opening { .. } | Phase::Connecting { .. } | Phase::Live) => {
                let reason = receipt.reason;
                self.give_up(now, id, reason);
                self.answered_end(id);
                self.finish(now, id, reason, Some(receipt));
            }
            // The meter has never heard of it.
            Some(Phase::Ringing { .. }) => {}
            // They were told without a bill, or the process that held the call has died.
            None => {
                for user in [&receipt.fan, &receipt.host] {
                    self.tell_end(now, user, id, receipt.reason, Some(&receipt));
                }
            }
        }
    }

    /// Tells a user that a call is over, now or when they are there again.
    pub(super) fn tell_end(
        &mut self,
        now: MonotonicMs,
        user: &UserId,
        call: CallId,
        reason: EndReason,
        receipt: Option<&Receipt>,
    ) {
        let receipt = receipt.cloned().map(Box::new);
        if let Some(receipt) = receipt.clone() {
            self.endings.keep(now, user, Ending { call, reason, receipt, credits: Vec::new() });
            self.alarms.set(Alarm::Endings, self.endings.next_expiry());
        }
        self.tell(user, Message::CallEnded { call, reason, receipt });
    }

    /// Tells a user what a call gave back, now and with its receipt if that is still kept for them.
    pub(super) fn tell_credits(&mut self, user: &UserId, call: CallId, credits: &[Credit]) {
        self.endings.credit(user, call, credits);
        self.tell(user, Message::CallCredited { call, credits: credits.to_vec() });
    }

    /// Tells a new session what earlier ones may have missed.
    pub(super) fn tell_missed_endings(&mut self, user: &UserId) {
        let missed: Vec<Message> = self.endings.of(user).flat_map(Ending::messages).collect();
        for ending in missed {
            self.tell(user, ending);
        }
    }

    /// The user's client is alive: whatever was sent to it has arrived.
    pub(super) fn heard_from(&mut self, user: &UserId) {
        if self.endings.seen(user) {
            self.alarms.set(Alarm::Endings, self.endings.next_expiry());
        }
    }

    pub(super) fn endings_expired(&mut self, now: MonotonicMs) {
        self.endings.expire(now);
        self.alarms.set(Alarm::Endings, self.endings.next_expiry());
    }
}
