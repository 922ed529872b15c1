//! All groups of one worker, and when each wants to be woken.

use crate::group::{Group, GroupError, Spot};
use crate::schedule::{At, Schedule};
use crate::{Forwarder, GroupLeg, Limits, NegotiatedLeg, Outbox};
use units::MonotonicUs;

/// Groups by number.
#[derive(Debug)]
pub(crate) struct Groups {
    limits: Limits,
    groups: Vec<Option<Scheduled>>,
    schedule: Schedule<u32>,
}

#[derive(Debug)]
struct Scheduled {
    group: Group,
    at: At,
}

impl Groups {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { limits, groups: Vec::new(), schedule: Schedule::new() }
    }

    fn wake_one(&mut self, now: MonotonicUs, out: &mut Outbox) {
        let Some(number) = self.schedule.take_due(now) else { return };
        let Some(Some(scheduled)) = self.groups.get_mut(number as usize) else { return };
        scheduled.at = None;
        scheduled.group.wake(now, out);
        let due = scheduled.group.due();
        self.schedule.want(number, &mut scheduled.at, due);
    }

    pub(crate) fn next_wake(&self) -> Option<MonotonicUs> {
        self.schedule.next()
    }

    fn open(&mut self) -> Result<u32, GroupError> {
        let at = self.groups.iter().position(Option::is_none).unwrap_or(self.groups.len());
        let number = u32::try_from(at).map_err(|_| GroupError::Full)?;
        let scheduled = Scheduled { group: Group::new(number, self.limits), at: None };
        if at == self.groups.len() {
            self.groups.push(Some(scheduled));
        } else {
            self.groups[at] = Some(scheduled);
        }
        Ok(number)
    }

    fn close(&mut self, number: u32) {
        let closed = self.groups.get_mut(number as usize).and_then(Option::take);
        if let Some(closed) = closed {
            self.schedule.forget(number, closed.at);
        }
    }

    /// Does something with a group, and schedules it anew.
    fn with<T>(
        &mut self,
        number: u32,
        act: impl FnOnce(&mut Group) -> Result<T, GroupError>,
    ) -> Result<T, GroupError> {
        let scheduled = self.groups.get_mut(number as usize).and_then(Option::as_mut);
        let scheduled = scheduled.ok_or(GroupError::NoGroup)?;
        let done = act(&mut scheduled.group);
        self.schedule.want(number, &mut scheduled.at, scheduled.group.due());
        done
    }
}

impl Forwarder {
    /// Opens a room of many; returns its number.
    ///
    /// # Errors
    /// [`GroupError::Full`].
    pub fn open_group(&mut self) -> Result<u32, GroupError> {
        self.groups.open()
    }

    /// Ends a group with all its members. Its number may be given again.
    pub fn close_group(&mut self, group: u32) {
        self.groups.close(group);
    }

    /// Seats a client in a group, with keying material of its own. It may publish on the lines that
    /// it sends on at once; it hears what [`Forwarder::hear`] says.
    ///
    /// # Errors
    /// [`GroupError::NoGroup`], [`GroupError::Full`], [`GroupError::Keys`].
    pub fn join_group(
        &mut self,
        now: MonotonicUs,
        group: u32,
        negotiated: &NegotiatedLeg,
    ) -> Result<GroupLeg, GroupError> {
        let seat = self.groups.with(group, |group| group.join(now, negotiated))?;
        Ok(GroupLeg { group, seat })
    }

    /// Unseats a client. Its seat may be given again.
    ///
    /// # Errors
    /// [`GroupError::NoGroup`].
    pub fn leave_group(&mut self, now: MonotonicUs, leg: GroupLeg) -> Result<(), GroupError> {
        self.groups.with(leg.group, |group| {
            group.leave(now, leg.seat);
            Ok(())
        })
    }

    /// Lets line number `line` of a listener carry what the publisher sends on one of its lines, or
    /// nothing. No renegotiation: sequence numbers go on without a gap, timestamps by the time that
    /// has passed. Video begins with the next key frame, which is asked for.
    ///
    /// # Errors
    /// [`GroupError`], all but `Full` and `Keys`; then all is as before.
    pub fn hear(
        &mut self,
        now: MonotonicUs,
        (listener, line): (GroupLeg, usize),
        publisher: Option<(u32, usize)>,
        out: &mut Outbox,
    ) -> Result<(), GroupError> {
        self.groups.with(listener.group, |group| {
            let publisher = publisher.map(|(seat, line)| Spot { seat, line });
            group.hear(now, Spot { seat: listener.seat, line }, publisher, out)
        })
    }

    /// Whether what a publisher sends on one of its lines is kept from everybody. Listeners' streams
    /// go on without a gap; video with the next key frame, which is asked for.
    ///
    /// # Errors
    /// [`GroupError::NoGroup`], [`GroupError::NoMember`], [`GroupError::NoLine`],
    /// [`GroupError::NotSent`].
    pub fn mute_in_group(
        &mut self,
        now: MonotonicUs,
        (publisher, line): (GroupLeg, usize),
        muted: bool,
        out: &mut Outbox,
    ) -> Result<(), GroupError> {
        self.groups.with(publisher.group, |group| {
            group.mute(now, Spot { seat: publisher.seat, line }, muted, out)
        })
    }

    /// The group that [`Forwarder::wake_one_group`] would serve; see [`Forwarder::due`].
    #[must_use]
    pub fn due_group(&self, now: MonotonicUs) -> Option<u32> {
        self.groups.schedule.due(now)
    }

    /// Does what has become due in one group; nothing if there is none.
    pub fn wake_one_group(&mut self, now: MonotonicUs, out: &mut Outbox) {
        self.groups.wake_one(now, out);
    }

    /// Takes one SRTP or SRTCP datagram of a member of a group; see [`Forwarder::receive`].
    pub fn receive_in_group(
        &mut self,
        now: MonotonicUs,
        leg: GroupLeg,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) {
        let Groups { groups, schedule, .. } = &mut self.groups;
        let Some(Some(scheduled)) = groups.get_mut(leg.group as usize) else { return };
        let due = scheduled.group.receive(now, leg.seat, datagram, out);
        schedule.want(leg.group, &mut scheduled.at, due);
    }
}
