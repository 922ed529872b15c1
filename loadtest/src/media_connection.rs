//! One peer's WebRTC connection: offers, sends, counts.
//!
//! The `webrtc` crate does ICE, DTLS, SRTP, retransmissions and feedback: a stack of its own, so
//! that a mistake of the relay's can't be made on both sides.

use crate::media_sink::{Evidence, MediaSink};
use crate::media_source::{
    OPUS_PACKET_EVERY, OPUS_PAYLOAD_TYPE, OpusSource, RTX_PAYLOAD_TYPE, VP8_FRAME_EVERY,
    VP8_PAYLOAD_TYPE, Vp8Source, begins_key_frame,
};
use rtc::interceptor::Registry;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8,
};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpRtxParameters, RtpCodecKind,
};
use service_kit::{Clock, entropy};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use units::{ElapsedMs, Medium};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::media_stream::{MediaStreamTrack, Track};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCBundlePolicy, RTCConfigurationBuilder, RTCPeerConnectionState, RTCSessionDescription,
    configure_nack, configure_rtcp_reports, configure_twcc,
};

/// How often a receiver without a picture asks for one: a few times the way there and back. More
/// often would ask for a second key frame while the first is on its way.
const KEY_FRAME_ASKED_EVERY: ElapsedMs = ElapsedMs(200);

/// A connection that sends what its medium calls for and counts all that passes.
pub struct MediaConnection {
    connection: Arc<dyn PeerConnection>,
    sink: MediaSink,
    state: watch::Receiver<RTCPeerConnectionState>,
    audio: Arc<TrackLocalStaticRTP>,
    video: Option<Arc<TrackLocalStaticRTP>>,
    senders: JoinSet<()>,
}

/// What the peer connection reports.
struct Observer {
    state: watch::Sender<RTCPeerConnectionState>,
    clock: Clock,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Observer {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        tokio::spawn(watch_track(track, self.clock));
    }
}

/// Reads a track to its end (the crate's queues are bounded, and it complains when they fill) and
/// asks for a key frame as long as there is no picture to begin with, as a decoder does: the first
/// packets may come before our end has its keys.
async fn watch_track(track: Arc<dyn TrackRemote>, clock: Clock) {
    let mut has_picture = track.kind().await != RtpCodecKind::Video;
    let mut ask_next = clock.now();
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        has_picture = has_picture || begins_key_frame(&packet.payload);
        if !has_picture && clock.now() >= ask_next {
            ask_next = clock.now() + KEY_FRAME_ASKED_EVERY;
            let media_ssrc = packet.header.ssrc;
            let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
            if track.write_rtcp(vec![Box::new(request)]).await.is_err() {
                return;
            }
        }
    }
}

impl MediaConnection {
    /// A connection from a free port of `local` that is ready to offer or answer `medium`.
    ///
    /// # Errors
    /// What the crate reports, such as a port that can't be bound.
    pub async fn open(
        local: IpAddr,
        medium: Medium,
        clock: Clock,
    ) -> Result<Self, webrtc::error::Error> {
        let sink = MediaSink::default();
        let mut codecs = codecs()?;
        let registry = configure_nack(Registry::new(), &mut codecs);
        let registry = configure_rtcp_reports(registry);
        let registry = configure_twcc(registry, &mut codecs)?;
        let (slot, tap) = sink.tap(clock);

        let (state_sender, state) = watch::channel(RTCPeerConnectionState::New);
        let bundled = RTCConfigurationBuilder::new().with_bundle_policy(RTCBundlePolicy::MaxBundle);
        let connection = PeerConnectionBuilder::new()
            .with_configuration(bundled.build())
            .with_media_engine(codecs)
            .with_interceptor_registry(registry.with(slot, tap))
            .with_handler(Arc::new(Observer { state: state_sender, clock }))
            .with_udp_addrs(vec![SocketAddr::new(local, 0)])
            .build()
            .await?;
        let connection: Arc<dyn PeerConnection> = Arc::new(connection);

        let audio = track(RtpCodecKind::Audio, opus());
        connection.add_track(audio.clone()).await?;
        let video = match medium {
            Medium::Voice => None,
            Medium::Video => {
                let video = track(RtpCodecKind::Video, vp8());
                connection.add_track(video.clone()).await?;
                Some(video)
            }
        };
        Ok(Self { connection, sink, state, audio, video, senders: JoinSet::new() })
    }

    /// An SDP offer. Candidates are not waited for: the server learns our address from our checks.
    ///
    /// # Errors
    /// What the crate reports.
    pub async fn offer(&self) -> Result<String, webrtc::error::Error> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer.clone()).await?;
        Ok(self.connection.local_description().await.unwrap_or(offer).sdp)
    }

    /// Takes the answer to [`Self::offer`]; media goes out as soon as the connection stands.
    ///
    /// # Errors
    /// An answer that can't be read or does not fit the offer.
    pub async fn accept(&mut self, answer: String) -> Result<(), webrtc::error::Error> {
        let answer = RTCSessionDescription::answer(answer)?;
        self.connection.set_remote_description(answer).await?;
        self.send();
        Ok(())
    }

    /// What was seen so far.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.sink.evidence()
    }

    /// Where the connection stands, as the crate names it.
    #[must_use]
    pub fn state(&self) -> String {
        self.state.borrow().to_string()
    }

    /// Stops sending, says goodbye, and returns all that was seen.
    pub async fn close(mut self) -> Evidence {
        self.senders.shutdown().await;
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "closing a peer connection");
        }
        self.sink.evidence()
    }

    fn send(&mut self) {
        let state = self.state.clone();
        self.senders.spawn(send_audio(state.clone(), self.audio.clone()));
        if let Some(video) = &self.video {
            self.senders.spawn(send_video(state, video.clone(), self.sink.clone()));
        }
    }
}

/// One packet every 20 ms until the connection ends. What a stall held up goes out at once, as
/// from a real encoder.
async fn send_audio(
    state: watch::Receiver<RTCPeerConnectionState>,
    track: Arc<TrackLocalStaticRTP>,
) {
    let Some(ssrc) = connected(state, &track).await else { return };
    let mut source = OpusSource::new(ssrc, first_sequence());
    let mut due = tokio::time::interval(OPUS_PACKET_EVERY);
    loop {
        due.tick().await;
        if track.write_rtp(source.packet()).await.is_err() {
            return;
        }
    }
}

/// One frame every 40 ms until the connection ends; a key frame when the other side asks for one.
async fn send_video(
    state: watch::Receiver<RTCPeerConnectionState>,
    track: Arc<TrackLocalStaticRTP>,
    sink: MediaSink,
) {
    let Some(ssrc) = connected(state, &track).await else { return };
    let mut source = Vp8Source::new(ssrc, first_sequence());
    let mut due = tokio::time::interval(VP8_FRAME_EVERY);
    loop {
        due.tick().await;
        for packet in source.frame(sink.take_key_frame_request()) {
            if track.write_rtp(packet).await.is_err() {
                return;
            }
        }
    }
}

/// The track's SSRC once the connection stands; `None` if it never will.
async fn connected(
    mut state: watch::Receiver<RTCPeerConnectionState>,
    track: &TrackLocalStaticRTP,
) -> Option<u32> {
    state.wait_for(|state| *state == RTCPeerConnectionState::Connected).await.ok()?;
    track.ssrcs().await.first().copied()
}

/// Below 2^15, as RFC 3711 section 3.3.1 advises: a wrap among the first packets, some of them
/// lost, would leave the receiver with a wrong roll-over counter.
fn first_sequence() -> u16 {
    u16::from_be_bytes(entropy::bytes()) & 0x7fff
}

fn track(kind: RtpCodecKind, codec: RTCRtpCodec) -> Arc<TrackLocalStaticRTP> {
    let ssrc = || u32::from_be_bytes(entropy::bytes());
    let rtx = (kind == RtpCodecKind::Video).then(|| RTCRtpRtxParameters { ssrc: ssrc() });
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc()),
            rtx,
            ..RTCRtpCodingParameters::default()
        },
        codec,
        ..RTCRtpEncodingParameters::default()
    };
    let name = format!("loadtest-{kind}");
    let track = MediaStreamTrack::new("loadtest".into(), name.clone(), name, kind, vec![coding]);
    Arc::new(TrackLocalStaticRTP::new(track))
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

fn vp8() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_VP8.to_owned(),
        clock_rate: 90_000,
        ..RTCRtpCodec::default()
    }
}

fn codecs() -> Result<MediaEngine, webrtc::error::Error> {
    let rtx = RTCRtpCodec {
        mime_type: MIME_TYPE_RTX.to_owned(),
        clock_rate: 90_000,
        sdp_fmtp_line: format!("apt={VP8_PAYLOAD_TYPE}"),
        ..RTCRtpCodec::default()
    };
    let mut codecs = MediaEngine::default();
    for (rtp_codec, payload_type, kind) in [
        (opus(), OPUS_PAYLOAD_TYPE, RtpCodecKind::Audio),
        (vp8(), VP8_PAYLOAD_TYPE, RtpCodecKind::Video),
        (rtx, RTX_PAYLOAD_TYPE, RtpCodecKind::Video),
    ] {
        codecs.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, kind)?;
    }
    Ok(codecs)
}

/// The other role, which only a peer without a server has.
#[cfg(test)]
impl MediaConnection {
    pub(crate) async fn answer(&mut self, offer: String) -> Result<String, webrtc::error::Error> {
        let offer = RTCSessionDescription::offer(offer)?;
        self.connection.set_remote_description(offer).await?;
        let answer = self.connection.create_answer(None).await?;
        self.connection.set_local_description(answer).await?;
        self.send();
        Ok(self.local_sdp().await)
    }

    /// Our description with our candidates in it, which peers without a server need.
    async fn local_sdp(&self) -> String {
        let mut due = tokio::time::interval(std::time::Duration::from_millis(10));
        loop {
            due.tick().await;
            if let Some(local) = self.connection.local_description().await
                && local.sdp.contains("a=candidate")
            {
                return local.sdp;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const DEADLINE: Duration = Duration::from_secs(20);

    async fn call(medium: Medium) -> (MediaConnection, MediaConnection) {
        let clock = Clock::start();
        let mut fan = MediaConnection::open(LOCAL, medium, clock).await.unwrap();
        let mut host = MediaConnection::open(LOCAL, medium, clock).await.unwrap();
        fan.offer().await.unwrap();
        let answer = host.answer(fan.local_sdp().await).await.unwrap();
        fan.accept(answer).await.unwrap();
        (fan, host)
    }

    async fn until(condition: impl Fn() -> bool) -> Result<(), tokio::time::error::Elapsed> {
        let poll = async {
            let mut due = tokio::time::interval(Duration::from_millis(10));
            while !condition() {
                due.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, poll).await
    }

    #[tokio::test]
    async fn the_offer_asks_for_all_that_a_bill_is_proven_by() {
        let connection = MediaConnection::open(LOCAL, Medium::Video, Clock::start()).await.unwrap();
        let sdp = connection.offer().await.unwrap();
        for line in [
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:96 VP8/90000",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            "a=rtcp-fb:111 transport-cc",
            "a=rtcp-fb:96 transport-cc",
            "a=rtcp-fb:96 nack",
            "a=rtcp-fb:96 nack pli",
            "a=ssrc-group:FID ",
            "a=rtcp-mux",
            "a=group:BUNDLE ",
        ] {
            assert!(sdp.contains(line), "{line:?} is missing in\n{sdp}");
        }
        let extensions = sdp.matches("transport-wide-cc-extensions-01").count();
        assert_eq!((extensions, sdp.matches("a=sendrecv").count()), (2, 2), "{sdp}");
        connection.close().await;
    }

    #[tokio::test]
    async fn two_peers_carry_voice_and_confirm_it() {
        let (fan, host) = call(Medium::Voice).await;
        let flows = until(|| {
            [&fan, &host].iter().all(|peer| {
                let seen = peer.evidence();
                seen.received.media_ms >= ElapsedMs(1_000)
                    && seen.feedback_sent >= 5
                    && seen.feedback_received >= 5
            })
        });
        flows.await.unwrap_or_else(|_| panic!("{} {:?}", fan.state(), fan.evidence()));
        let (fan, host) = (fan.close().await, host.close().await);
        assert_eq!(fan.received.video_packets, 0);
        assert!(fan.received.audio_packets <= host.sent.audio_packets);
        let sent_ms = fan.received.audio_packets * 20;
        assert!(sent_ms.abs_diff(fan.received.media_ms.0) <= 500, "{fan:?}");
    }

    #[tokio::test]
    async fn a_key_frame_request_is_answered_by_a_key_frame() {
        let (fan, host) = call(Medium::Video).await;
        until(|| fan.evidence().received.video_packets >= 10)
            .await
            .unwrap_or_else(|_| panic!("{} {:?}", fan.state(), fan.evidence()));
        // What a fan sends whose decoder is lost.
        let media_ssrc = host.video.as_ref().unwrap().ssrcs().await[0];
        let request = PictureLossIndication { sender_ssrc: 0, media_ssrc };
        let known = fan.evidence().received.key_frames;
        fan.video.as_ref().unwrap().write_rtcp(vec![Box::new(request)]).await.unwrap();
        until(|| fan.evidence().received.key_frames > known)
            .await
            .unwrap_or_else(|_| panic!("{:?}", host.evidence()));
        assert!(host.evidence().key_frames_asked >= 1);
        fan.close().await;
        host.close().await;
    }
}
