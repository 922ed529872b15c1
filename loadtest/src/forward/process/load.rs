//! Everybody's packets at their times, and what comes back: one thread over all sockets.

use super::ProcessError;
use super::listener::{Harvest, Listener};
use super::publisher::{Publisher, Track};
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::time::{ClockId, clock_gettime};
use service_kit::Clock;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, OwnedFd};
use units::MonotonicUs;

/// How often listeners send transport-wide feedback, and receiver reports.
const FEEDBACK_EVERY_US: u64 = 100_000;
const REPORT_EVERY_US: u64 = 1_000_000;

/// How often everybody shows that it is still there: browsers check every 2.5 s.
const CONSENT_EVERY_US: u64 = 2_500_000;

/// A packet counts as sent late from here on.
const LATE_US: u64 = 2_000;

/// Sockets that are reported readable at once.
const EVENTS_MAX: usize = 256;

/// What is done again and again, with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Send(usize, Track),
    Feedback(usize),
    Report(usize),
    Consent(usize),
}

/// All clients at work.
pub(super) struct Load {
    clock: Clock,
    pub(super) publishers: Vec<Publisher>,
    pub(super) listeners: Vec<Listener>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    /// When what is due, and after how many us again.
    tasks: BinaryHeap<Reverse<(u64, u64, Task)>>,
    pub(super) harvest: Harvest,
    /// Media packets sent, and those of them that were sent late.
    pub(super) sent: u64,
    pub(super) late: u64,
    timestamps: Vec<u8>,
}

impl Load {
    /// `(audio, video)` are packets per second and publisher. Nobody sends at the same time as
    /// another.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn new(
        clock: Clock,
        publishers: Vec<Publisher>,
        listeners: Vec<Listener>,
        (audio, video): (u32, u32),
    ) -> Result<Self, ProcessError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(std::io::Error::from)?;
        let sockets = publishers.iter().map(|publisher| &publisher.connection.socket);
        let sockets = sockets.chain(listeners.iter().map(|listener| &listener.connection.socket));
        for (who, socket) in (0..).zip(sockets) {
            let data = epoll::EventData::new_u64(who);
            epoll::add(&epoll, socket, data, epoll::EventFlags::IN)
                .map_err(std::io::Error::from)?;
            setsockopt(socket, ReceiveTimestampns, &true).map_err(std::io::Error::from)?;
        }
        let mut load = Self {
            clock,
            publishers,
            listeners,
            epoll,
            events: Vec::with_capacity(EVENTS_MAX),
            tasks: BinaryHeap::new(),
            harvest: Harvest { span: 0..0, delivered: 0, latencies: Vec::new() },
            sent: 0,
            late: 0,
            timestamps: nix::cmsg_space!(TimeSpec),
        };
        for (track, per_second) in [(Track::Audio, audio), (Track::Video, video)] {
            if per_second > 0 {
                let every = 1_000_000 / u64::from(per_second);
                load.plan(load.publishers.len(), every, |who| Task::Send(who, track));
            }
        }
        load.plan(load.listeners.len(), FEEDBACK_EVERY_US, Task::Feedback);
        load.plan(load.listeners.len(), REPORT_EVERY_US, Task::Report);
        load.plan(load.publishers.len() + load.listeners.len(), CONSENT_EVERY_US, Task::Consent);
        Ok(load)
    }

    /// Lets so many do something, evenly spread.
    fn plan(&mut self, count: usize, every_us: u64, task: impl Fn(usize) -> Task) {
        let now = self.clock.now_us().0;
        for who in 0..count {
            let at = now + every_us * who as u64 / count as u64;
            self.tasks.push(Reverse((at, every_us, task(who))));
        }
    }

    /// Lets `ms` pass. Blocks.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn pass(&mut self, ms: u64, sending: bool) -> Result<(), ProcessError> {
        let end = self.clock.now_us().0 + ms * 1_000;
        loop {
            let now = self.clock.now_us().0;
            if now >= end {
                return Ok(());
            }
            let next = self.tasks.peek().map_or(end, |Reverse((at, _, _))| (*at).min(end));
            if next <= now {
                if let Some(Reverse((at, every, task))) = self.tasks.pop() {
                    self.tasks.push(Reverse((at + every, every, task)));
                    self.perform(task, at, sending)?;
                }
                continue;
            }
            self.listen(next - now)?;
        }
    }

    fn perform(&mut self, task: Task, at: u64, sending: bool) -> Result<(), ProcessError> {
        match task {
            Task::Send(_, _) if !sending => Ok(()),
            Task::Send(who, track) => {
                self.sent += 1;
                self.late += u64::from(self.clock.now_us() > MonotonicUs(at + LATE_US));
                self.publishers[who].send(track, now_ns())
            }
            Task::Feedback(who) => self.listeners[who].feedback(),
            Task::Report(who) => self.listeners[who].reception(),
            Task::Consent(who) => match who.checked_sub(self.publishers.len()) {
                None => self.publishers[who].connection.consent(),
                Some(listener) => self.listeners[listener].connection.consent(),
            },
        }
    }

    /// Takes one datagram from each socket that has one, or waits for one, at most so long.
    fn listen(&mut self, us: u64) -> Result<(), ProcessError> {
        let timeout = Timespec {
            tv_sec: (us / 1_000_000).cast_signed(),
            tv_nsec: (us % 1_000_000 * 1_000).cast_signed(),
        };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
        let mut buffer = [0; 2_048];
        for event in &self.events {
            let who = event.data.u64() as usize;
            let listener = who.checked_sub(self.publishers.len());
            let socket = match listener {
                None => &self.publishers[who].connection.socket,
                Some(listener) => &self.listeners[listener].connection.socket,
            };
            let received = receive(socket.as_raw_fd(), &mut buffer, &mut self.timestamps)?;
            let Some((len, came_ns)) = received else { continue };
            let datagram = &mut buffer[..len];
            match listener {
                None => self.publishers[who].take(datagram),
                Some(listener) => {
                    self.listeners[listener].take(datagram, came_ns, &mut self.harvest)?;
                }
            }
        }
        Ok(())
    }
}

/// A datagram's length, and when the kernel has received it.
fn receive(
    socket: i32,
    buffer: &mut [u8],
    timestamps: &mut [u8],
) -> Result<Option<(usize, i64)>, ProcessError> {
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    match recvmsg::<()>(socket, &mut parts, Some(timestamps), flags) {
        Ok(message) => {
            let mut controls = message.cmsgs().map_err(std::io::Error::from)?;
            let stamp = controls.find_map(|control| {
                let ControlMessageOwned::ScmTimestampns(at) = control else { return None };
                Some(at.tv_sec() * 1_000_000_000 + at.tv_nsec())
            });
            Ok(Some((message.bytes, stamp.unwrap_or_else(now_ns))))
        }
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(None),
        Err(error) => Err(std::io::Error::from(error).into()),
    }
}

/// Nanoseconds since 1970, by the clock of the kernel's timestamps.
pub(super) fn now_ns() -> i64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
