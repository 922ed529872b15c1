//! Rooms of many: real clients, some of whom publish.

use super::config;
use crate::scene::{Guest, Hall};
use protocol::service::{GroupCommand, GroupEvent};

async fn three_listeners(hall: &mut Hall, publisher: &Guest) -> Vec<Guest> {
    let mut listeners = Vec::new();
    for _ in 0..3 {
        let listener = hall.listener().await;
        hall.hear(&listener, Some(publisher));
        listeners.push(listener);
    }
    listeners
}

#[tokio::test]
async fn one_publisher_is_seen_and_heard_by_all_whole_and_from_a_key_frame_on() {
    let mut hall = Hall::new(config());
    let publisher = hall.publisher().await;
    let mut listeners = three_listeners(&mut hall, &publisher).await;
    for listener in &mut listeners {
        let seen = listener.peer.sees_more(50, 15).await;
        assert_eq!(seen.broken_frames, 0, "{seen:?}");
        assert!(seen.key_frames >= 1, "{seen:?}");
    }
    // None is needed where its very first picture went to all of them.
    let asked = publisher.peer.now();
    assert!(asked.keyframe_requests <= 6, "wishes are merged: {asked:?}");
    // Nobody hears the listeners, and the publisher hears nobody.
    assert_eq!((asked.audio_frames, asked.video_frames), (0, 0));
    hall.stage.stop().await;
}

#[tokio::test]
async fn a_listener_that_turns_to_another_publisher_sees_a_picture_at_once() {
    let mut hall = Hall::new(config());
    let (one, mut other) = (hall.publisher().await, hall.publisher().await);
    let mut listeners = three_listeners(&mut hall, &one).await;
    for listener in &mut listeners {
        listener.peer.sees_more(10, 5).await;
    }
    let turned = &mut listeners[0];
    let asked = other.peer.now().keyframe_requests;
    let before = turned.peer.now();
    hall.hear(turned, Some(&other));
    other.peer.sees(|seen| seen.keyframe_requests > asked).await;
    let seen = turned.peer.sees(|seen| seen.key_frames > before.key_frames).await;
    assert_eq!(seen.broken_frames, 0, "{seen:?}");
    // The publisher that it has left may go.
    hall.say(GroupCommand::Leave { member: one.member });
    hall.told(|event| *event == GroupEvent::Gone { member: one.member }).await;
    let seen = turned.peer.sees_more(50, 15).await;
    assert_eq!(seen.broken_frames, 0, "{seen:?}");
    // The others hear nothing until they turn too.
    for listener in &mut listeners[1..] {
        hall.hear(listener, Some(&other));
        listener.peer.sees_more(20, 5).await;
    }
    hall.stage.stop().await;
}

#[tokio::test]
async fn who_is_muted_is_not_heard_until_it_is_no_more() {
    let mut hall = Hall::new(config());
    let (mut publisher, mut listener) = (hall.publisher().await, hall.listener().await);
    hall.hear(&listener, Some(&publisher));
    listener.peer.sees_more(10, 5).await;
    hall.mute(&publisher, true);
    // The answer to something later shows that it was heard.
    let offer = String::new();
    let (member, request) = (service_kit::entropy::member_id(), 2);
    hall.say(GroupCommand::Admit { member, request, offer });
    hall.told(|event| matches!(event, GroupEvent::Refused { request: 2, .. })).await;
    publisher.peer.sees(|seen| seen.frames_sent > 0).await;
    let sent = publisher.peer.now().frames_sent;
    let still = listener.peer.now();
    publisher.peer.sees(|seen| seen.frames_sent >= sent + 50).await;
    let later = listener.peer.now();
    // What was on its way when the answer came.
    assert!(later.audio_frames <= still.audio_frames + 5, "{still:?} {later:?}");
    hall.mute(&publisher, false);
    let seen = listener.peer.sees_more(20, 5).await;
    assert_eq!(seen.broken_frames, 0, "{seen:?}");
    hall.stage.stop().await;
}

#[tokio::test]
async fn who_closes_its_connection_is_told_gone_and_a_closed_room_carries_nothing() {
    let mut hall = Hall::new(config());
    let publisher = hall.publisher().await;
    let mut listeners = three_listeners(&mut hall, &publisher).await;
    for listener in &mut listeners {
        listener.peer.sees_more(10, 5).await;
    }
    let closing = listeners.remove(0);
    closing.peer.close();
    hall.told(|event| *event == GroupEvent::Gone { member: closing.member }).await;
    listeners[0].peer.sees_more(20, 5).await;
    hall.say(GroupCommand::Close);
    hall.told(|event| *event == GroupEvent::Closed).await;
    let mut publisher = publisher;
    let sent = publisher.peer.now().frames_sent;
    let still = listeners[0].peer.now();
    publisher.peer.sees(|seen| seen.frames_sent >= sent + 50).await;
    let later = listeners[0].peer.now();
    assert!(later.audio_frames <= still.audio_frames + 5, "{still:?} {later:?}");
    hall.stage.stop().await;
}
