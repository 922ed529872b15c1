//! A room of many on a running relay.

use super::{Peer, Picture, Running, Stage};
use protocol::service::{
    GroupCommand, GroupEvent, GroupTrack, LineMedium, RelayCommand, RelayEvent,
};
use service_kit::entropy;
use units::{GroupId, MemberId};

pub(crate) struct Hall {
    pub(crate) stage: Stage,
    group: GroupId,
}

/// A member that is connected, and its m-lines.
pub(crate) struct Guest {
    pub(crate) member: MemberId,
    pub(crate) peer: Running,
    lines: Vec<(LineMedium, String)>,
}

impl Hall {
    pub(crate) fn new(config: media_relay::Config) -> Self {
        let hall = Self { stage: Stage::new(config), group: entropy::group_id() };
        hall.say(GroupCommand::Open);
        hall
    }

    pub(crate) fn say(&self, command: GroupCommand) {
        self.stage.send(RelayCommand::Group { group: self.group, command });
    }

    pub(crate) async fn publisher(&mut self) -> Guest {
        let peer = Peer::new(self.stage.clock, Picture::Vp8).await;
        self.enter(peer).await
    }

    pub(crate) async fn listener(&mut self) -> Guest {
        let peer = Peer::listener(self.stage.clock).await;
        self.enter(peer).await
    }

    async fn enter(&mut self, (peer, offer): (Peer, String)) -> Guest {
        let member = entropy::member_id();
        self.say(GroupCommand::Admit { member, request: 1, offer });
        let of = |event: &GroupEvent| matches!(event, GroupEvent::Answered { member: of, .. } if *of == member);
        let told = self.told(of).await;
        let GroupEvent::Answered { answer, lines, .. } = told else { panic!("{told:?}") };
        let peer = peer.run(&answer);
        self.told(|event| *event == GroupEvent::Connected { member }).await;
        let lines = lines.into_iter().map(|line| (line.medium, line.line)).collect();
        Guest { member, peer, lines }
    }

    /// Lets a listener's only slots carry what a publisher sends, or nothing.
    pub(crate) fn hear(&self, listener: &Guest, publisher: Option<&Guest>) {
        for medium in [LineMedium::Audio, LineMedium::Video] {
            let track = publisher.map(|publisher| GroupTrack {
                member: publisher.member,
                line: publisher.line(medium),
            });
            let (listener, line) = (listener.member, listener.line(medium));
            self.say(GroupCommand::Hear { listener, line, track });
        }
    }

    pub(crate) fn mute(&self, publisher: &Guest, muted: bool) {
        for (_, line) in &publisher.lines {
            let (member, line) = (publisher.member, line.clone());
            self.say(GroupCommand::Mute { member, line, muted });
        }
    }

    /// The first event of the room that matches.
    pub(crate) async fn told(&mut self, matches: impl Fn(&GroupEvent) -> bool) -> GroupEvent {
        let ours = self.group;
        let of = |event: &RelayEvent| matches!(event, RelayEvent::Group { group, event } if *group == ours && matches(event));
        let RelayEvent::Group { event, .. } = self.stage.event(of).await else {
            unreachable!("only such events match")
        };
        event
    }
}

impl Guest {
    /// Its m-line for a medium.
    pub(crate) fn line(&self, medium: LineMedium) -> String {
        let line = self.lines.iter().find(|(of, _)| *of == medium);
        line.map(|(_, line)| line.clone()).expect("one of each")
    }
}
