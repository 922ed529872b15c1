//! What to do about it, for the shell to carry out in order.

use crate::rules::PriceBands;
use crate::words::{AskId, EndReason, Party, Prices, Proof, Refusal, Role, SocketId, Terms};
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, SessionId, ShareBps, UnixMs, UserId};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this frame to this client.
    Send { socket: SocketId, frame: Frame },
    /// Close this socket once everything sent to it has gone out. Its session is detached already.
    Close { socket: SocketId, why: Closing },
    /// Ask the meter. Answered by a [`MeterFact`](crate::MeterFact) with the same `ask`.
    Ask { ask: AskId, question: Question },
    /// Have the meter write the call down. Answered by `Opened` or `NotOpened`.
    OpenMeter { call: CallId, terms: Terms },
    /// Have the meter settle the call. Answered by `Settled`.
    EndMeter { call: CallId, fan: UserId, reason: EndReason, proof: Proof },
    /// Have the relay make room for a call that may carry this much media.
    OpenRoom { call: CallId, funded: ElapsedMs },
    /// Have the relay connect a side. Answered by a [`RelayFact`](crate::RelayFact) with the same
    /// `ask`.
    Admit { call: CallId, party: Party, ask: AskId, offer: String },
    /// Have the relay stop the call's media.
    CloseRoom { call: CallId },
    /// The meter did not settle in time and the people were told without a receipt: tell the
    /// operator.
    ReportUnsettled { call: CallId },
}

/// A question to the meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    Quote(Terms),
    Balance(UserId),
}

/// Why a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Its user logged in elsewhere.
    Replaced,
    /// Its session goes on in a newer socket.
    Moved,
    /// Too many bad or too frequent frames.
    Abused,
    /// A frame was too large to read on.
    TooLarge,
}

/// A numbered message to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Counts a session's frames from 1; 0 stands outside of the count.
    pub seq: u64,
    /// The request that this answers.
    pub re: Option<u64>,
    pub message: Message,
}

/// An answer or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    Welcome(Box<Welcome>),
    Ok,
    Refused {
        refusal: Refusal,
        detail: Option<String>,
    },
    Hosts(Vec<HostCard>),
    Quote(Quote),
    Call(Box<CallView>),
    MediaAnswer {
        call: CallId,
        sdp: String,
    },
    Wallet {
        balance: MicroCoins,
    },
    Pong,
    HostUpdated(HostCard),
    CallIncoming(Box<CallView>),
    CallTick(Tick),
    LowFunds {
        call: CallId,
        threshold: ElapsedMs,
        remaining: ElapsedMs,
    },
    CallEnded {
        call: CallId,
        reason: EndReason,
        receipt: Option<Box<Receipt>>,
    },
    /// After the receipt: coins went back to the fan.
    CallCredited {
        call: CallId,
        credits: Vec<Credit>,
    },
    SessionReplaced,
}

impl Message {
    /// About how much memory the message takes beyond its own size, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Welcome(_) => size_of::<Welcome>() + size_of::<CallView>(),
            Self::Refused { detail, .. } => detail.as_ref().map_or(0, String::len),
            Self::Hosts(cards) => cards.iter().map(HostCard::bytes).sum(),
            Self::HostUpdated(card) => card.bytes(),
            Self::Call(view) | Self::CallIncoming(view) => {
                size_of::<CallView>() + view.peer.name.len() + view.peer.user.as_str().len()
            }
            Self::MediaAnswer { sdp, .. } => sdp.len(),
            Self::CallCredited { credits, .. } => size_of_val(credits.as_slice()),
            Self::CallEnded { .. } => size_of::<Receipt>() + 2 * UserId::LEN_MAX,
            Self::Quote(_) => UserId::LEN_MAX,
            Self::Ok
            | Self::Wallet { .. }
            | Self::Pong
            | Self::CallTick(_)
            | Self::LowFunds { .. }
            | Self::SessionReplaced => 0,
        }
    }
}

/// The first message of every socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    pub session: SessionId,
    pub user: UserId,
    pub name: String,
    pub role: Role,
    /// Whether the session that the client asked for goes on.
    pub resumed: bool,
    pub grace: ElapsedMs,
    pub bands: PriceBands,
    /// The host's part of each coin in the next call.
    pub host_share: ShareBps,
    /// The call that the user is in.
    pub call: Option<CallView>,
}

/// Whether a host can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    Online,
    Busy,
    Offline,
}

/// A host as fans see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostCard {
    pub user: UserId,
    pub name: String,
    pub state: HostState,
    pub prices: Prices,
}

impl HostCard {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.user.as_str().len() + self.name.len()
    }
}

/// What a call would cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub host: UserId,
    pub medium: Medium,
    pub rate: Rate,
    pub free: ElapsedMs,
    pub minimum: MicroCoins,
    pub balance: MicroCoins,
    pub lasts: ElapsedMs,
}

/// Where a call stands, as its people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    Ringing,
    Connecting,
    Live,
    Ending,
}

/// The other side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    pub user: UserId,
    pub name: String,
    /// Whether their client's socket is open.
    pub online: bool,
    /// What they say they send.
    pub audio: bool,
    pub video: bool,
}

/// A call as one of its sides sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallView {
    pub call: CallId,
    pub state: CallState,
    pub you: Party,
    pub peer: PeerView,
    pub medium: Medium,
    pub rate: Rate,
    pub host_share: ShareBps,
    /// While it rings: how much longer.
    pub ring_ends_in: Option<ElapsedMs>,
}

/// The state of a live call's bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    pub call: CallId,
    pub proven: ElapsedMs,
    pub charged: MicroCoins,
    pub host_earned: MicroCoins,
    /// The fan's; absent in what the host gets.
    pub balance: Option<MicroCoins>,
    pub remaining: ElapsedMs,
    pub paused: bool,
}

/// A final bill, handed through from the meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub call: CallId,
    pub fan: UserId,
    pub host: UserId,
    pub medium: Medium,
    pub rate: Rate,
    /// The price of time without the host's picture.
    pub voice_rate: Rate,
    pub reason: EndReason,
    pub accepted_at: UnixMs,
    pub ended_at: UnixMs,
    pub proven: ElapsedMs,
    /// The parts of the proven time with picture, with a silent host, with a picture that stood
    /// still.
    pub video: ElapsedMs,
    pub silent: ElapsedMs,
    pub frozen: ElapsedMs,
    /// The part of the proven time that cost nothing.
    pub free: ElapsedMs,
    pub charged: MicroCoins,
    /// The parts of the charge in bought and in given coins.
    pub paid: MicroCoins,
    pub promo: MicroCoins,
    pub host_share: ShareBps,
    pub host_earned: MicroCoins,
    pub platform_earned: MicroCoins,
}

/// Coins that a call gave back, handed through from the meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    pub reason: CreditReason,
    pub amount: MicroCoins,
    pub payer: CreditPayer,
    /// The records of the signed receipt that prove the reason, ends included.
    pub from_n: u32,
    pub to_n: u32,
}

/// Why coins were given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditReason {
    HostSilent,
    PictureFrozen,
    EarlyDrop,
    Support,
}

/// Who carries what was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreditPayer {
    Platform,
    Host,
    Both,
}
