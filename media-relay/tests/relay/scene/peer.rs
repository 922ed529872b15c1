//! A client made of another WebRTC stack (`str0m`), so that a mistake of ours can't hide in both.

use super::DEADLINE;
use super::trouble::{Trouble, Wire};
use service_kit::Clock;
use std::time::Duration;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

const AUDIO_EVERY: Duration = Duration::from_millis(20);
/// Every third audio packet is accompanied by a video frame: 60 ms.
const VIDEO_EVERY: u64 = 3;
const AUDIO_BYTES: usize = 80;
/// Three packets a frame.
const VIDEO_BYTES: usize = 3_000;

/// What a peer sends besides audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Picture {
    None,
    Vp8,
    H264,
}

/// What a peer has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connected: bool,
    pub(crate) audio_frames: u64,
    pub(crate) video_frames: u64,
    /// Those that are key frames, and those before which something was missing.
    pub(crate) key_frames: u64,
    pub(crate) broken_frames: u64,
    pub(crate) keyframe_requests: u64,
    pub(crate) frames_sent: u64,
    pub(crate) video_frames_sent: u64,
    pub(crate) closed: bool,
}

/// A peer that has made its offer.
pub(crate) struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    pending: SdpPendingOffer,
    clock: Clock,
    audio: Mid,
    video: Option<Mid>,
    sends: bool,
    trouble: Trouble,
}

/// A peer that sends and receives.
pub(crate) struct Running {
    seen: watch::Receiver<Seen>,
    orders: mpsc::UnboundedSender<Order>,
}

enum Order {
    /// Say goodbye.
    Close,
    /// Offer to begin ICE anew.
    Restart(oneshot::Sender<String>),
    /// The answer to that.
    Answered(String),
}

impl Peer {
    /// A peer, and its offer.
    pub(crate) async fn new(clock: Clock, picture: Picture) -> (Self, String) {
        Self::with(clock, picture, Direction::SendRecv).await
    }

    /// A peer that only receives audio and video, and its offer.
    pub(crate) async fn listener(clock: Clock) -> (Self, String) {
        Self::with(clock, Picture::Vp8, Direction::RecvOnly).await
    }

    async fn with(clock: Clock, picture: Picture, direction: Direction) -> (Self, String) {
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false);
        let config = match picture {
            Picture::None | Picture::Vp8 => config.enable_vp8(true),
            Picture::H264 => config.enable_h264(true),
        };
        let mut rtc = config.build(clock.instant_at(clock.now_us()));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        rtc.add_local_candidate(Candidate::host(address, "udp").unwrap()).unwrap();
        let mut change = rtc.sdp_api();
        let mut add = |kind| change.add_media(kind, direction, Some("s".to_owned()), None, None);
        let audio = add(MediaKind::Audio);
        let video = (picture != Picture::None).then(|| add(MediaKind::Video));
        let (offer, pending) = change.apply().unwrap();
        let (sends, trouble) = (direction == Direction::SendRecv, Trouble::None);
        let peer = Self { rtc, socket, pending, clock, audio, video, sends, trouble };
        (peer, offer.to_sdp_string())
    }

    /// The same peer, in trouble.
    pub(crate) fn suffers(self, trouble: Trouble) -> Self {
        Self { trouble, ..self }
    }

    /// Connects by `answer` and sends audio, and video if offered, until it is dropped.
    pub(crate) fn run(mut self, answer: &str) -> Running {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.rtc.sdp_api().accept_answer(self.pending, answer).unwrap();
        let (seen_by, seen) = watch::channel(Seen::default());
        let (orders, ordered) = mpsc::unbounded_channel();
        let client = Client {
            rtc: self.rtc,
            socket: self.socket,
            clock: self.clock,
            audio: self.audio,
            video: self.video,
            sends: self.sends,
            wire: Wire::new(self.trouble),
            frame: 0,
            key_frame_due: true,
            pending: None,
        };
        tokio::spawn(client.live(ordered, seen_by));
        Running { seen, orders }
    }
}

impl Running {
    /// Waits until what the peer has seen fulfils `wish`.
    pub(crate) async fn sees(&mut self, wish: impl FnMut(&Seen) -> bool) -> Seen {
        let seen = timeout(DEADLINE, self.seen.wait_for(wish)).await;
        if let Ok(seen) = seen {
            return *seen.expect("the peer lives");
        }
        drop(seen);
        panic!("has only seen {:?}", self.now());
    }

    /// Waits until that many more frames of both kinds have come.
    pub(crate) async fn sees_more(&mut self, audio: u64, video: u64) -> Seen {
        let before = self.now();
        self.sees(|seen| {
            seen.audio_frames >= before.audio_frames + audio
                && seen.video_frames >= before.video_frames + video
        })
        .await
    }

    pub(crate) fn now(&self) -> Seen {
        *self.seen.borrow()
    }

    pub(crate) fn close(&self) {
        self.orders.send(Order::Close).unwrap();
    }

    /// An offer to begin ICE anew.
    pub(crate) async fn restart(&self) -> String {
        let (made, offer) = oneshot::channel();
        self.orders.send(Order::Restart(made)).unwrap();
        offer.await.unwrap()
    }

    /// Goes on by the answer to that.
    pub(crate) fn answered(&self, answer: &str) {
        self.orders.send(Order::Answered(answer.to_owned())).unwrap();
    }
}

struct Client {
    rtc: Rtc,
    socket: UdpSocket,
    clock: Clock,
    audio: Mid,
    video: Option<Mid>,
    sends: bool,
    wire: Wire,
    frame: u64,
    /// The first picture is a key frame, and so is the one after each request.
    key_frame_due: bool,
    /// What was offered and not answered yet.
    pending: Option<SdpPendingOffer>,
}

impl Client {
    async fn live(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        seen_by: watch::Sender<Seen>,
    ) {
        let mut seen = Seen::default();
        let mut buffer = vec![0; 2_048];
        let mut ticks = tokio::time::interval(AUDIO_EVERY);
        loop {
            let wake_at = self.drain(&mut seen).await;
            seen_by.send_replace(seen);
            if seen.closed || !self.rtc.is_alive() {
                return;
            }
            let now = |clock: &Clock| clock.instant_at(clock.now_us());
            tokio::select! {
                order = orders.recv() => match order {
                    // Dropped by the test: vanish without a word.
                    None => return,
                    Some(Order::Close) => { self.rtc.close().unwrap(); }
                    Some(Order::Restart(made)) => {
                        let mut change = self.rtc.sdp_api();
                        change.ice_restart(true);
                        let (offer, pending) = change.apply().unwrap();
                        self.pending = Some(pending);
                        made.send(offer.to_sdp_string()).unwrap();
                    }
                    Some(Order::Answered(answer)) => {
                        let answer = SdpAnswer::from_sdp_string(&answer).unwrap();
                        let pending = self.pending.take().unwrap();
                        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
                    }
                },
                _ = ticks.tick() => self.send(&mut seen).await,
                () = tokio::time::sleep_until(wake_at.into()) => {
                    self.rtc.handle_input(Input::Timeout(now(&self.clock))).unwrap();
                }
                received = self.socket.recv_from(&mut buffer) => {
                    let (len, source) = received.unwrap();
                    let local = self.socket.local_addr().unwrap();
                    if !self.wire.arrives(&buffer[..len]) {
                        continue;
                    }
                    if let Ok(datagram) = Receive::new(Protocol::Udp, source, local, &buffer[..len]) {
                        let input = Input::Receive(now(&self.clock), datagram);
                        self.rtc.handle_input(input).unwrap();
                    }
                }
            }
        }
    }

    async fn drain(&mut self, seen: &mut Seen) -> std::time::Instant {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => return at,
                Output::Transmit(datagram) => {
                    if self.wire.leaves(&datagram.contents) {
                        let sent = self.socket.send_to(&datagram.contents, datagram.destination);
                        sent.await.unwrap();
                    }
                }
                Output::Event(Event::Connected) => seen.connected = true,
                Output::Event(Event::Closed) => seen.closed = true,
                Output::Event(Event::KeyframeRequest(_)) => {
                    seen.keyframe_requests += 1;
                    self.key_frame_due = true;
                }
                Output::Event(Event::MediaData(data)) => {
                    if data.params.spec().codec == Codec::Opus {
                        assert_eq!(&*data.data, [1; AUDIO_BYTES]);
                        seen.audio_frames += 1;
                    } else {
                        assert!(data.data.len() >= VIDEO_BYTES, "{}", data.data.len());
                        seen.broken_frames += u64::from(seen.video_frames > 0 && !data.contiguous);
                        seen.key_frames += u64::from(data.is_keyframe());
                        seen.video_frames += 1;
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    async fn send(&mut self, seen: &mut Seen) {
        if !(self.sends && self.rtc.is_connected()) {
            return;
        }
        self.frame += 1;
        seen.frames_sent += 1;
        self.write(self.audio, vec![1; AUDIO_BYTES]);
        self.drain(seen).await;
        if let Some(mid) = self.video.filter(|_| self.frame.is_multiple_of(VIDEO_EVERY)) {
            let key_frame = std::mem::take(&mut self.key_frame_due);
            self.write(mid, self.picture(mid, key_frame));
            seen.video_frames_sent += 1;
        }
    }

    /// A frame that passes for one of the m-line's codec.
    fn picture(&self, mid: Mid, key_frame: bool) -> Vec<u8> {
        let parameters = self.rtc.media(mid).unwrap().remote_pts()[0];
        let codecs = self.rtc.codec_config();
        let codec = codecs.find(|params| params.pt() == parameters).unwrap().spec().codec;
        let mut frame = vec![7; VIDEO_BYTES];
        if codec == Codec::H264 {
            // One NAL unit: an IDR slice (type 5) or another slice (type 1).
            frame.splice(0..5, [0, 0, 0, 1, if key_frame { 0x65 } else { 0x41 }]);
            frame.extend([7; 8]);
        } else {
            // RFC 6386 section 9.1: bit 0 clear says key frame.
            frame[0] = u8::from(!key_frame);
        }
        frame
    }

    fn write(&mut self, mid: Mid, frame: Vec<u8>) {
        let payload_type = self.rtc.media(mid).unwrap().remote_pts()[0];
        let now = self.clock.now_us();
        let time = Duration::from_micros(now.0).into();
        let wallclock = self.clock.instant_at(now);
        if let Some(writer) = self.rtc.writer(mid) {
            writer.write(payload_type, wallclock, time, frame).unwrap();
        }
    }
}
