//! The loop of a media thread: socket, orders and timers into the [`Exchange`], its outcome back
//! out.

use crate::exchange::{Exchange, Sink};
use crate::fresh::Fresh;
use crate::leg::Outgoing;
use crate::metrics::{Counts, Dropped, Metrics};
use crate::mmsg::Inbox;
use crate::orders::{Order, Orders};
use crate::sender::Sender;
use media_core::Address;
use protocol::service::{MediaReport, RelayCommand, RelayEvent};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use service_kit::Clock;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::TryRecvError;
use tokio::sync::mpsc::UnboundedSender;
use tracing::debug;
use units::{ElapsedMs, MonotonicUs};

/// How long rooms may take to report for the last time when the relay stops: the wait for the last
/// proof, and a little.
const DRAIN_MAX: ElapsedMs = ElapsedMs(2_500);

/// Failures to receive in a row after which the socket counts as broken. A single one is news of
/// an earlier send that found nobody; each takes that news away.
const FAILURES_MAX: u32 = 1_000;

/// What a media thread works with.
pub(crate) struct Worker {
    pub(crate) exchange: Exchange,
    pub(crate) clock: Clock,
    pub(crate) socket: UdpSocket,
    pub(crate) orders: Orders,
    pub(crate) voice: Voice,
    pub(crate) metrics: Metrics,
}

/// By which a worker speaks to the other services.
#[derive(Clone)]
pub(crate) struct Voice {
    pub(crate) signaling: UnboundedSender<RelayEvent>,
    pub(crate) meter: UnboundedSender<MediaReport>,
    /// Whether any worker has said that the rooms are gone.
    pub(crate) restarted: Arc<AtomicBool>,
}

/// A worker at work.
struct Round {
    worker: Worker,
    inbox: Inbox,
    sender: Sender,
    counts: Counts,
    /// When to end although rooms are left, once it stops.
    give_up_at: Option<MonotonicUs>,
    failures: u32,
}

/// Whether a wait ended because there is something to read.
struct Ready {
    socket: bool,
    bell: bool,
}

/// Sends and tells at once.
struct Wire<'a> {
    socket: &'a UdpSocket,
    sender: &'a mut Sender,
    counts: &'a mut Counts,
    voice: &'a Voice,
}

impl Sink for Wire<'_> {
    fn send<'a>(
        &mut self,
        cold: &'a Outgoing,
        media: impl Iterator<Item = (Address, &'a [u8])>,
        address: impl Fn(Address) -> Option<SocketAddr>,
    ) {
        self.sender.send(self.socket, self.counts, cold, media, address);
    }

    fn tell(&mut self, event: RelayEvent) {
        let _ = self.voice.signaling.send(event);
    }

    fn report(&mut self, report: MediaReport) {
        let _ = self.voice.meter.send(report);
    }
}

impl Worker {
    /// Runs until it is told to stop, or until its orders' desk is gone. When it is told to stop,
    /// every room is closed and reports for the last time; signaling hears that they are gone.
    ///
    /// # Errors
    /// The socket broke.
    pub(crate) fn run(self) -> io::Result<()> {
        let mut round = Round {
            worker: self,
            inbox: Inbox::new(),
            sender: Sender::new(),
            counts: Counts::default(),
            give_up_at: None,
            failures: 0,
        };
        while round.once()?.is_continue() {}
        Ok(())
    }
}

impl Round {
    /// Waits for something to do and does all there is.
    fn once(&mut self) -> io::Result<ControlFlow<()>> {
        // As long as full batches come, asking whether there is more would only cost a call.
        let ready =
            if self.inbox.is_full() { Ready { socket: true, bell: false } } else { self.wait()? };
        if ready.bell {
            self.worker.orders.hush();
        }
        if ready.socket {
            self.read()?;
        }
        let now = self.worker.clock.now_us();
        for (source, datagram) in self.inbox.datagrams() {
            self.counts.received(datagram.as_deref().map_or(0, <[u8]>::len));
            let judged = match datagram {
                Some(datagram) => self.worker.exchange.judge(now, source, datagram),
                None => Err(Dropped::TooLong),
            };
            if let Err(why) = judged {
                self.counts.dropped(why);
            }
        }
        self.flush();
        let obeyed = self.obey(now);
        if self.worker.exchange.next_wake().is_some_and(|at| at <= now) {
            self.worker.exchange.wake(now);
        }
        self.flush();
        self.worker.metrics.add(&mut self.counts);
        let done = |at| self.worker.exchange.is_empty() || at <= now;
        Ok(if self.give_up_at.is_some_and(done) { ControlFlow::Break(()) } else { obeyed })
    }

    /// Waits until there is something to read, an order, or a timer is due.
    fn wait(&self) -> io::Result<Ready> {
        let Worker { exchange, clock, socket, orders, voice: _, metrics: _ } = &self.worker;
        let wake_at = exchange.next_wake().into_iter().chain(self.give_up_at).min();
        let timeout = wake_at.map(|at| span(clock.now_us(), at));
        let bell = orders.bell();
        let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        // What is not readable and yet reported is an error, which reading tells.
        let [socket, bell] = fds.map(|fd| !fd.revents().is_empty());
        Ok(Ready { socket, bell })
    }

    /// Takes what has come.
    fn read(&mut self) -> io::Result<()> {
        let Err(error) = self.inbox.receive(&self.worker.socket) else {
            self.failures = 0;
            return Ok(());
        };
        if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) {
            return Ok(());
        }
        debug!(%error, "the socket did not read");
        self.failures += 1;
        if self.failures < FAILURES_MAX { Ok(()) } else { Err(error) }
    }

    /// Carries out all orders that wait.
    fn obey(&mut self, now: MonotonicUs) -> ControlFlow<()> {
        loop {
            match self.worker.orders.take() {
                Ok(Order::Command(command)) => {
                    self.worker.exchange.command(now, command, Fresh::draw());
                }
                Ok(Order::Limit(limit)) => self.worker.exchange.limit(now, limit),
                Ok(Order::Stop) => self.stop(now),
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
            }
            self.flush();
        }
    }

    fn stop(&mut self, now: MonotonicUs) {
        self.give_up_at = Some(now + DRAIN_MAX);
        let Worker { exchange, voice, .. } = &mut self.worker;
        if !exchange.is_empty() && !voice.restarted.swap(true, Ordering::Relaxed) {
            let _ = voice.signaling.send(RelayEvent::Restarted);
        }
        exchange.command(now, RelayCommand::CloseAll, Fresh::draw());
    }

    fn flush(&mut self) {
        self.worker.exchange.flush(&mut Wire {
            socket: &self.worker.socket,
            sender: &mut self.sender,
            counts: &mut self.counts,
            voice: &self.worker.voice,
        });
    }
}

/// From `now` to `at`, for the system.
fn span(now: MonotonicUs, at: MonotonicUs) -> Timespec {
    let us = at.0.saturating_sub(now.0);
    let whole = i64::try_from(us / 1_000_000).unwrap_or(i64::MAX);
    Timespec { tv_sec: whole, tv_nsec: ((us % 1_000_000) * 1_000) as _ }
}
