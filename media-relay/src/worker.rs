//! The loop of the media thread: socket, commands and timers into the [`Exchange`], its outcome
//! back out.

use crate::exchange::{Exchange, Sink};
use crate::fresh::Fresh;
use protocol::service::{MediaReport, RelayCommand, RelayEvent, RelayLimit};
use service_kit::link::Link;
use service_kit::{Clock, Shutdown};
use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedSender;
use tracing::trace;
use units::ElapsedMs;

/// Datagrams read before commands and timers get their turn. More would delay a cut; fewer would
/// cost a wake-up each.
const BATCH: usize = 64;

/// How long rooms may take to report for the last time when the relay stops: the wait for the last
/// proof, and a little.
const DRAIN_MAX: ElapsedMs = ElapsedMs(2_500);

/// Longest datagram that is read whole. Media stays below an Ethernet frame; what is longer is cut
/// off and so fails authentication.
const DATAGRAM_BYTES_MAX: usize = 2_048;

/// The media thread's state.
pub(crate) struct Worker {
    pub(crate) exchange: Exchange,
    pub(crate) clock: Clock,
    pub(crate) socket: UdpSocket,
    pub(crate) signaling: Link<RelayEvent, RelayCommand>,
    pub(crate) meter: Link<MediaReport, RelayLimit>,
    pub(crate) shutdown: Shutdown,
}

/// Sends and tells at once.
struct Wire<'a> {
    socket: &'a UdpSocket,
    signaling: &'a UnboundedSender<RelayEvent>,
    meter: &'a UnboundedSender<MediaReport>,
}

impl Sink for Wire<'_> {
    fn send(&mut self, to: SocketAddr, datagram: &[u8]) {
        // A full buffer loses the datagram as a full network would: late media is worth nothing.
        if let Err(error) = self.socket.try_send_to(datagram, to) {
            trace!(%error, "datagram not sent");
        }
    }

    fn tell(&mut self, event: RelayEvent) {
        let _ = self.signaling.send(event);
    }

    fn report(&mut self, report: MediaReport) {
        let _ = self.meter.send(report);
    }
}

impl Worker {
    /// Runs until shutdown, or until both services at the other ends have gone. At shutdown every
    /// room is closed and reports for the last time; signaling hears that they are gone.
    ///
    /// # Errors
    /// The socket broke.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        let (mut commands_open, mut limits_open) = (true, true);
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        let mut give_up_at = None;
        while commands_open || limits_open {
            if let Some(at) = give_up_at
                && (self.exchange.is_empty() || self.clock.now_us() >= at)
            {
                break;
            }
            let wake_at = self.exchange.next_wake().into_iter().chain(give_up_at).min();
            let wake = wake_at.map(|at| self.clock.instant_at(at).into());
            let sleep = async move {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.shutdown.requested(), if give_up_at.is_none() => {
                    give_up_at = Some(self.clock.now_us() + DRAIN_MAX);
                    if !self.exchange.is_empty() {
                        let _ = self.signaling.outgoing.send(RelayEvent::Restarted);
                    }
                    let close = RelayCommand::CloseAll;
                    self.exchange.command(self.clock.now_us(), close, Fresh::draw());
                }
                command = self.signaling.incoming.recv(), if commands_open => match command {
                    Some(command) => {
                        self.exchange.command(self.clock.now_us(), command, Fresh::draw());
                    }
                    None => commands_open = false,
                },
                limit = self.meter.incoming.recv(), if limits_open => match limit {
                    Some(limit) => self.exchange.limit(self.clock.now_us(), limit),
                    None => limits_open = false,
                },
                () = sleep => {}
                readable = self.socket.readable() => {
                    readable?;
                    self.receive(&mut buffer);
                }
            }
            let now = self.clock.now_us();
            if wake_at.is_some_and(|at| at <= now) {
                self.exchange.wake(now);
            }
            self.flush();
        }
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        for _ in 0..BATCH {
            // An error is either "nothing more" or news of an earlier send that found nobody.
            let Ok((len, source)) = self.socket.try_recv_from(buffer) else { break };
            if let Some(datagram) = buffer.get_mut(..len) {
                self.exchange.receive(self.clock.now_us(), source, datagram);
            }
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.exchange.flush(&mut Wire {
            socket: &self.socket,
            signaling: &self.signaling.outgoing,
            meter: &self.meter.outgoing,
        });
    }
}
