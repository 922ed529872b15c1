//! What forwarding costs a real relay: a process of its own, driven over the link that signaling
//! uses, and real ICE, DTLS and SRTP clients over loopback.
//!
//! A client connects once with all that belongs to it; then one thread sends everybody's packets
//! at their times by raw sockets, opens every packet that comes, and answers with the feedback of a
//! browser: transport-wide ten times a second, a receiver report each second, NACKs for what is
//! missing. Measured are the processor time of the whole relay process per packet that reached a
//! listener, what was lost, the time from the publisher's call to the arrival in the listener's
//! socket (by the kernel's timestamps), and the memory that everybody costs. Before and after, the
//! floor is taken: a bare `sendmmsg` of datagrams as long to as many sockets, and the bare seal.

mod bare;
mod connection;
mod gauge;
mod listener;
mod load;
mod offer;
mod publisher;
mod relay;
mod report;
mod rtcp;

pub use report::{Goals, ProcessReport};

use super::ForwardArgs;
use crate::server_process::ServerError;
use bare::Floor;
use connection::{Connection, Offered};
use gauge::Gauge;
use listener::Listener;
use load::Load;
use offer::{AUDIO_MID, VIDEO_MID};
use protocol::client::Party;
use protocol::service::{GroupCommand, GroupEvent, GroupTrack, RelayCommand, RelayEvent};
use publisher::{AUDIO_BYTES, Publisher, VIDEO_BYTES};
use relay::Relay;
use report::Floors;
use service_kit::{Clock, entropy};
use tokio::task::block_in_place;
use units::{CallId, ElapsedMs, GroupId, MemberId};

/// Media before anything is measured: rings and buffers grow to their size, key frames come.
const WARM_UP_MS: u64 = 2_000;

/// How long the last packets may take.
const DRAIN_MS: u64 = 300;

/// How often the floor is taken, half of it before and half after.
const FLOOR_ROUNDS: usize = 400;

/// What a call may carry: more than any measurement takes.
const AMPLE_MS: u64 = 24 * 3_600_000;

/// What keeps the figures from being taken.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("several publishers have one listener each: --listeners 1, or --publishers 1")]
    Shape,
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the system refuses: {0}")]
    Io(#[from] std::io::Error),
    #[error("the link can't be measured: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("the relay has not answered as it should; instead: {0}")]
    NoAnswer(String),
    #[error("the relay refuses an offer: {0}")]
    Refused(String),
    #[error("that answer can't be used:\n{0}")]
    Answer(String),
    #[error("DTLS or SRTP: {0}")]
    Dtls(String),
    #[error("a client was not connected within 10 s")]
    NotConnected,
    #[error("{wrong} packets could not be opened, or were none of ours")]
    Wrong { wrong: u64 },
    #[error("nothing has arrived")]
    Nothing,
}

/// How many there are, and what they send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    publishers: usize,
    listeners: usize,
    audio_pps: u32,
    video_pps: u32,
}

impl Shape {
    /// Whether the rooms are paid calls.
    const fn calls(self) -> bool {
        self.listeners == 1
    }

    const fn people(self) -> usize {
        self.publishers + self.publishers * self.listeners
    }

    const fn rates(self) -> (u32, u32) {
        (self.audio_pps, self.video_pps)
    }
}

/// Takes all figures.
///
/// # Errors
/// [`ProcessError`]
pub async fn run(args: &ForwardArgs) -> Result<ProcessReport, ProcessError> {
    let ForwardArgs { publishers, listeners, audio_pps, video_pps, seconds, .. } = *args;
    let (publishers, listeners) = (usize::from(publishers), usize::from(listeners));
    let shape = Shape { publishers, listeners, audio_pps, video_pps };
    if publishers > 1 && listeners > 1 {
        return Err(ProcessError::Shape);
    }
    let clock = Clock::start();
    let mut relay = Relay::start(clock).await?;
    let gauge = Gauge::of(relay.pid().ok_or(ProcessError::Nothing)?);
    // What the first client of all makes the process load is no client's own.
    let few = Shape { publishers: 1, listeners: 1.min(listeners), ..shape };
    let mut first = connect(&mut relay, clock, few, shape.calls()).await?;
    block_in_place(|| first.pass(WARM_UP_MS / 4, true))?;
    relay.say(RelayCommand::CloseAll);
    drop(first);

    let mut floors = Floors::new(shape)?;
    block_in_place(|| floors.rounds(FLOOR_ROUNDS / 2))?;
    let resident_before = gauge.resident_kib()?;
    let mut load = connect(&mut relay, clock, shape, shape.calls()).await?;
    let measured = block_in_place(|| measure(&mut load, &gauge, seconds.into()))?;
    let resident_kib = gauge.resident_kib()?.saturating_sub(resident_before);
    block_in_place(|| floors.rounds(FLOOR_ROUNDS / 2))?;
    relay.stop().await?;
    ProcessReport::new(shape, &load, measured, floors, resident_kib)
}

/// What a span of media has cost.
struct Measured {
    seconds: u64,
    cpu_ns: u64,
    sent: u64,
    late: u64,
}

fn measure(load: &mut Load, gauge: &Gauge, seconds: u64) -> Result<Measured, ProcessError> {
    load.pass(WARM_UP_MS, true)?;
    let (sent, late) = (load.sent, load.late);
    let start = load::now_ns();
    load.harvest.span = start..i64::MAX;
    let before = gauge.cpu_ns()?;
    load.pass(seconds * 1_000, true)?;
    let cpu_ns = gauge.cpu_ns()? - before;
    let (sent, late) = (load.sent - sent, load.late - late);
    load.harvest.span.end = load::now_ns();
    load.pass(DRAIN_MS, false)?;
    Ok(Measured { seconds, cpu_ns, sent, late })
}

/// Connects everybody.
async fn connect(
    relay: &mut Relay,
    clock: Clock,
    shape: Shape,
    calls: bool,
) -> Result<Load, ProcessError> {
    let (mut publishers, mut listeners) = (Vec::new(), Vec::new());
    if calls {
        for number in 0..shape.publishers {
            let call = entropy::call_id();
            let funded_ms = ElapsedMs(AMPLE_MS);
            relay.say(RelayCommand::OpenRoom { call, funded_ms });
            let host = side(relay, clock, shape, (call, Party::Host)).await?;
            publishers.push(Publisher::new(host, number as u32, shape.rates()));
            listeners.push(Listener::new(side(relay, clock, shape, (call, Party::Fan)).await?));
        }
    } else {
        let (group, publisher) = (entropy::group_id(), entropy::member_id());
        relay.say(RelayCommand::Group { group, command: GroupCommand::Open });
        let connection = member(relay, clock, shape, (group, publisher, "sendonly")).await?;
        publishers.push(Publisher::new(connection, 0, shape.rates()));
        for _ in 0..shape.listeners {
            let listener = entropy::member_id();
            for line in
                [AUDIO_MID, VIDEO_MID].into_iter().take(1 + usize::from(shape.video_pps > 0))
            {
                let track = GroupTrack { member: publisher, line: line.to_owned() };
                let (line, track) = (line.to_owned(), Some(track));
                let command = GroupCommand::Hear { listener, line, track };
                relay.say(RelayCommand::Group { group, command });
            }
            let connection = member(relay, clock, shape, (group, listener, "recvonly")).await?;
            listeners.push(Listener::new(connection));
        }
    }
    Load::new(clock, publishers, listeners, shape.rates())
}

/// A side of a paid call.
async fn side(
    relay: &mut Relay,
    clock: Clock,
    shape: Shape,
    (call, party): (CallId, Party),
) -> Result<Connection, ProcessError> {
    let offered = Offered::new(shape.video_pps > 0, "sendrecv")?;
    let (offer, request) = (offered.offer.clone(), 1);
    relay.say(RelayCommand::Admit { call, party, request, offer });
    let ours = |event: &RelayEvent| {
        matches!(event, RelayEvent::Answered { call: of, party: by, .. }
            | RelayEvent::Refused { call: of, party: by, .. } if (*of, *by) == (call, party))
    };
    let event = relay.hears(ours).await?;
    let RelayEvent::Answered { answer, .. } = event else {
        return Err(ProcessError::Refused(format!("{event:?}")));
    };
    let connection = block_in_place(|| offered.connect(&clock, &answer))?;
    relay.hears(|event| *event == RelayEvent::Connected { call, party }).await?;
    Ok(connection)
}

/// A member of a room of many.
async fn member(
    relay: &mut Relay,
    clock: Clock,
    shape: Shape,
    (group, member, direction): (GroupId, MemberId, &str),
) -> Result<Connection, ProcessError> {
    let offered = Offered::new(shape.video_pps > 0, direction)?;
    let (offer, request) = (offered.offer.clone(), 1);
    relay.say(RelayCommand::Group {
        group,
        command: GroupCommand::Admit { member, request, offer },
    });
    let ours = |event: &GroupEvent| {
        matches!(event, GroupEvent::Answered { member: of, .. }
            | GroupEvent::Refused { member: of, .. } if *of == member)
    };
    let of = |event: &RelayEvent| matches!(event, RelayEvent::Group { group: of, event } if *of == group && ours(event));
    let event = relay.hears(of).await?;
    let RelayEvent::Group { event: GroupEvent::Answered { answer, .. }, .. } = event else {
        return Err(ProcessError::Refused(format!("{event:?}")));
    };
    let connection = block_in_place(|| offered.connect(&clock, &answer))?;
    let connected = RelayEvent::Group { group, event: GroupEvent::Connected { member } };
    relay.hears(|event| *event == connected).await?;
    Ok(connection)
}
