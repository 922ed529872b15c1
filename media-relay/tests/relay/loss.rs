//! What is lost on either way is repaired, and what can't be is not held against the call.

use super::config;
use crate::scene::{Picture, Stage, Trouble};
use protocol::client::Party;
use protocol::service::RelayEvent;
use std::num::NonZeroU64;
use units::ElapsedMs;

const AMPLE_MS: u64 = 3_600_000;

/// A lossy mobile network: 5 %.
const EVERY: NonZeroU64 = NonZeroU64::new(20).unwrap();

#[tokio::test]
async fn what_is_lost_on_the_way_to_a_listener_is_repeated_and_bridged() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let trouble = Trouble::LosesIncoming(EVERY);
    let mut fan = stage.join_in(trouble, call, Party::Fan, Picture::Vp8).await;
    let mut host = stage.join(call, Party::Host, Picture::Vp8).await;
    // Every picture that the host sends until then, unbroken, although one in six lost a packet.
    let sent = host.sees(|seen| seen.video_frames_sent >= 50).await.video_frames_sent;
    let seen = fan.sees(|seen| seen.video_frames >= sent).await;
    assert_eq!(seen.broken_frames, 0, "{seen:?}");
    // Sound is not repeated.
    assert!(seen.audio_frames < host.now().frames_sent);

    let report = stage.report(|report| report.to_fan.lost > 0).await;
    assert!(report.to_fan.lost < report.to_fan.packets / 10, "{report:?}");
    let last = stage.close(call).await.to_fan;
    let unproven = last.forwarded_ms.saturating_sub(last.proven_ms);
    assert!(unproven <= ElapsedMs(200) && last.proven_ms > ElapsedMs(2_000), "{last:?}");
    stage.stop().await;
}

#[tokio::test]
async fn what_a_publisher_loses_on_its_way_is_asked_for_and_reaches_the_listener() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let mut fan = stage.join(call, Party::Fan, Picture::H264).await;
    let trouble = Trouble::LosesOutgoing(EVERY);
    let mut host = stage.join_in(trouble, call, Party::Host, Picture::H264).await;
    let sent = host.sees(|seen| seen.video_frames_sent >= 50).await.video_frames_sent;
    let seen = fan.sees(|seen| seen.video_frames >= sent).await;
    assert_eq!(seen.broken_frames, 0, "{seen:?}");
    let last = stage.close(call).await.to_fan;
    assert!(last.proven_ms > ElapsedMs(2_000), "{last:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_listener_whose_keys_come_late_still_gets_its_first_picture() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let mut host = stage.join(call, Party::Host, Picture::Vp8).await;
    // The host's one unasked key frame is gone before anyone listens.
    host.sees(|seen| seen.video_frames_sent >= 2).await;
    let late = Trouble::KeysComeLate;
    let mut fan = stage.join_in(late, call, Party::Fan, Picture::Vp8).await;
    fan.sees(|seen| seen.key_frames > 0).await;
    stage.event(|event| *event == RelayEvent::Flowing { call }).await;
    stage.stop().await;
}
