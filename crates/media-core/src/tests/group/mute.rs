//! What is kept from everybody leaves no trace in their streams.

use super::*;

impl Stage {
    fn mute(&mut self, client: usize, line: usize, muted: bool) -> Result<(), GroupError> {
        let (now, leg) = (self.now(), self.clients[client].0);
        let done = self.forwarder.mute_in_group(now, (leg, line), muted, &mut self.out);
        self.deliver();
        done
    }
}

#[test]
fn what_is_muted_leaves_no_gap_and_sound_goes_on_with_the_next_packet() {
    let mut stage = Stage::with_listeners(2);
    stage.audio(0, 500);
    for sequence in [501, 502] {
        stage.mute(0, AUDIO, true).unwrap();
        stage.audio(0, sequence);
    }
    stage.mute(0, AUDIO, false).unwrap();
    stage.audio(0, 503);
    for listener in [1, 2] {
        assert_eq!(stage.sequences(listener, AUDIO), [0, 1]);
    }
}

#[test]
fn muted_video_goes_on_with_a_key_frame_that_is_asked_for() {
    let mut stage = Stage::with_listeners(2);
    stage.video(0, 500, KEY);
    stage.mute(0, VIDEO, true).unwrap();
    stage.pass(1_000);
    stage.keyframes_asked(0);
    stage.video(0, 501, KEY);
    stage.pass(1_000);
    assert_eq!(stage.keyframes_asked(0), 0);
    stage.mute(0, VIDEO, false).unwrap();
    assert_eq!(stage.keyframes_asked(0), 1, "one for all listeners");
    stage.video(0, 502, DELTA);
    stage.video(0, 503, KEY);
    stage.video(0, 504, DELTA);
    for listener in [1, 2] {
        assert_eq!(stage.sequences(listener, VIDEO), [0, 1, 2]);
    }
    // It is no news that nothing is muted.
    stage.mute(0, VIDEO, false).unwrap();
    stage.video(0, 505, DELTA);
    assert_eq!(stage.sequences(1, VIDEO), [3]);
}

#[test]
fn only_what_is_sent_can_be_muted() {
    let mut stage = Stage::with_listeners(1);
    let (now, nobody) = (stage.now(), GroupLeg { group: stage.group, seat: 9 });
    let none = GroupLeg { group: 9, seat: 0 };
    assert_eq!(stage.mute(0, 7, true), Err(GroupError::NoLine));
    let mut muted = |leg| stage.forwarder.mute_in_group(now, (leg, AUDIO), true, &mut stage.out);
    assert_eq!(muted(nobody), Err(GroupError::NoMember));
    assert_eq!(muted(none), Err(GroupError::NoGroup));
}
