//! Links between processes, over connections that break.

use crate::flaky::Proxy;
use futures::{SinkExt as _, StreamExt as _};
use prometheus::Registry;
use serde::{Deserialize, Serialize};
use service_kit::Clock;
use service_kit::link::{Kind, Link, Network, Secret, Settings};
use service_kit::operations::Readiness;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Word {
    Command(u64),
    Fact { subject: u128, sum: u64 },
    Last { subject: u128, sum: u64 },
    Long(String),
    Restarted,
}

fn kind() -> Kind<Word, Word> {
    let replaces = |word: &Word| match word {
        Word::Fact { subject, .. } | Word::Last { subject, .. } => Some(Uuid::from_u128(*subject)),
        Word::Command(_) | Word::Long(_) | Word::Restarted => None,
    };
    let lasts = |word: &Word| matches!(word, Word::Last { .. });
    Kind { replaces, lasts, restarted: Some(|| Word::Restarted) }
}

/// A process, as far as links know.
struct Process {
    registry: Registry,
    network: Network,
    readiness: Readiness,
}

impl Process {
    fn new(name: &str) -> Self {
        Self::with_secret(name, [7; 32])
    }

    fn with_secret(name: &str, secret: [u8; 32]) -> Self {
        let readiness = Readiness::default();
        let settings = Settings {
            name: name.to_owned().try_into().unwrap(),
            secret: Secret::new(&secret).unwrap(),
            clock: Clock::start(),
            readiness: readiness.clone(),
        };
        let registry = Registry::new();
        Self { network: Network::new(settings, &registry).unwrap(), registry, readiness }
    }

    /// A process that listens at a free port, with one door.
    async fn listening(name: &str) -> (Self, Link<Word, Word>, SocketAddr) {
        let mut process = Self::new(name);
        let link = process.network.door("door", kind());
        let at = process.network.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        (process, link, at)
    }

    fn dial(&mut self, at: SocketAddr) -> Link<Word, Word> {
        self.network.dial("link", format!("ws://{at}").parse().unwrap(), "door", kind())
    }

    /// What one of its metrics counted, over all links.
    fn counted(&self, metric: &str) -> f64 {
        let families = self.registry.gather();
        let named = families.iter().filter(|family| family.name() == metric);
        let counts = named.flat_map(|family| family.get_metric());
        counts.map(|metric| metric.get_counter().get_value()).sum()
    }

    /// How many connections its links have had.
    fn connections(&self) -> f64 {
        self.counted("link_connections_total")
    }

    async fn is_ready(&self) {
        timeout(PATIENCE, self.readiness.reached()).await.unwrap();
    }
}

async fn until(reached: impl Fn() -> bool) {
    let look = async {
        while !reached() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, look).await.unwrap();
}

async fn next(link: &mut Link<Word, Word>) -> Word {
    timeout(PATIENCE, link.incoming.recv()).await.unwrap().unwrap()
}

/// Nothing more comes for a while.
async fn quiet(link: &mut Link<Word, Word>) {
    let more = timeout(Duration::from_millis(300), link.incoming.recv()).await;
    assert!(more.is_err(), "{more:?}");
}

fn say(link: &Link<Word, Word>, numbers: impl IntoIterator<Item = u64>) {
    for n in numbers {
        link.outgoing.send(Word::Command(n)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_once_and_in_order_over_connections_that_break() {
    const EACH: u64 = 3_000;
    let (_listener, mut left, at) = Process::listening("left").await;
    let proxy = Proxy::start(at).await;
    let mut dialer = Process::new("right");
    let mut right = dialer.dial(proxy.address);
    let (to_right, to_left) = (left.outgoing.clone(), right.outgoing.clone());
    let talking = tokio::spawn(async move {
        for n in 0..EACH {
            to_right.send(Word::Command(n)).unwrap();
            to_left.send(Word::Command(EACH + n)).unwrap();
            if n % 2 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for n in 0..EACH {
        assert_eq!(next(&mut right).await, Word::Command(n));
        assert_eq!(next(&mut left).await, Word::Command(EACH + n));
    }
    talking.await.unwrap();
    quiet(&mut left).await;
    quiet(&mut right).await;
    assert!(proxy.cuts() > 10, "only {} connections were cut", proxy.cuts());
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_hears_everything_and_is_heard() {
    let (process, mut hub, at) = Process::listening("hub").await;
    let mut dialers = [Process::new("a"), Process::new("b"), Process::new("c")];
    let mut links = dialers.each_mut().map(|process| process.dial(at));
    process.is_ready().await;
    for dialer in &dialers {
        dialer.is_ready().await;
    }
    say(&hub, [1, 2]);
    for (n, link) in links.iter_mut().enumerate() {
        assert_eq!([next(link).await, next(link).await], [Word::Command(1), Word::Command(2)]);
        say(link, [n as u64]);
    }
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(next(&mut hub).await);
    }
    heard.sort_by_key(|word| format!("{word:?}"));
    assert_eq!(heard, [0, 1, 2].map(Word::Command));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_peer_beside_a_busy_one_stays_connected() {
    let (_process, mut hub, at) = Process::listening("hub").await;
    let mut dialers = [Process::new("quiet"), Process::new("busy")];
    let [_quiet, busy] = dialers.each_mut().map(|process| process.dial(at));
    dialers[0].is_ready().await;
    // For longer than a silence may be.
    for n in 0..120 {
        say(&busy, [n]);
        assert_eq!(next(&mut hub).await, Word::Command(n));
        sleep(Duration::from_millis(50)).await;
    }
    assert!(dialers[0].connections() < 1.5, "{} connections", dialers[0].connections());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_restarts_gets_what_it_had_not_acknowledged_and_is_known_to_have_restarted() {
    let (mut listener, mut left, at) = Process::listening("left").await;
    // Said before anybody is there.
    say(&left, [0]);
    let mut dialer = Process::new("right");
    let mut right = dialer.dial(at);
    assert_eq!(next(&mut right).await, Word::Command(0));
    say(&right, [1]);
    assert_eq!(next(&mut left).await, Word::Command(1));

    // Killed: nothing is said any more, nothing is acknowledged.
    drop((dialer, right));
    say(&left, [2, 3]);
    let mut dialer = Process::new("right");
    let mut right = dialer.dial(at);
    assert_eq!(next(&mut left).await, Word::Restarted);
    assert_eq!([next(&mut right).await, next(&mut right).await], [2, 3].map(Word::Command));
    say(&right, [4]);
    assert_eq!(next(&mut left).await, Word::Command(4));

    // The listener is killed, and comes back at the same address.
    listener.network.close().await;
    drop(left);
    say(&right, [5]);
    listener = Process::new("left");
    let mut left = listener.network.door("door", kind());
    listener.network.listen(at).await.unwrap();
    assert_eq!(next(&mut left).await, Word::Command(5));
    assert_eq!(next(&mut right).await, Word::Restarted);
    quiet(&mut left).await;
    quiet(&mut right).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_a_service_that_has_ended_is_left_to_its_next_run() {
    let (listener, left, at) = Process::listening("left").await;
    let mut dialer = Process::new("right");
    let Link { outgoing, incoming } = dialer.dial(at);
    dialer.is_ready().await;
    drop(incoming);
    say(&left, [1]);
    until(|| listener.counted("link_sent_messages_total") > 0.5).await;
    drop(outgoing);
    dialer.network.close().await;
    let mut dialer = Process::new("right");
    assert_eq!(next(&mut dialer.dial(at)).await, Word::Command(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_a_service_are_delivered_before_its_links_close() {
    let (_listener, mut left, at) = Process::listening("left").await;
    let mut dialer = Process::new("right");
    let right = dialer.dial(at);
    dialer.is_ready().await;
    say(&right, 0..5_000);
    drop(right);
    dialer.network.close().await;
    for n in 0..5_000 {
        assert_eq!(left.incoming.try_recv().unwrap(), Word::Command(n));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_facts_about_one_subject_only_the_last_waits() {
    let (_listener, mut left, at) = Process::listening("left").await;
    let mut dialers = [Process::new("away"), Process::new("here")];
    let [away, mut here] = dialers.each_mut().map(|process| process.dial(at));
    for (n, link) in [&away, &here].into_iter().enumerate() {
        say(link, [n as u64]);
        next(&mut left).await;
    }
    let [dialer, _here] = dialers;
    drop((dialer, away));
    for sum in 0..10_000 {
        left.outgoing.send(Word::Fact { subject: 1, sum }).unwrap();
        left.outgoing.send(Word::Fact { subject: 2, sum: 2 * sum }).unwrap();
    }
    say(&left, [1]);
    // Everything has been queued once the one who is here has the last of it.
    while next(&mut here).await != Word::Command(1) {}
    let mut dialer = Process::new("away");
    let mut away = dialer.dial(at);
    assert_eq!(next(&mut away).await, Word::Fact { subject: 1, sum: 9_999 });
    assert_eq!(next(&mut away).await, Word::Fact { subject: 2, sum: 19_998 });
    assert_eq!(next(&mut away).await, Word::Command(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn last_words_are_told_to_every_new_run_though_the_one_before_had_them() {
    let (_listener, mut left, at) = Process::listening("left").await;
    let last = |subject, sum| Word::Last { subject, sum };
    for word in [Word::Command(1), Word::Fact { subject: 1, sum: 1 }, last(1, 2), last(2, 1)] {
        left.outgoing.send(word).unwrap();
    }
    let mut dialer = Process::new("right");
    let mut right = dialer.dial(at);
    for word in [Word::Command(1), last(1, 2), last(2, 1)] {
        assert_eq!(next(&mut right).await, word);
    }
    // What it says afterwards acknowledges all of that.
    say(&right, [1]);
    assert_eq!(next(&mut left).await, Word::Command(1));
    quiet(&mut right).await;

    // Killed, and started again; and another one for the first time.
    drop((dialer, right));
    for name in ["right", "late"] {
        let mut dialer = Process::new(name);
        let mut link = dialer.dial(at);
        for word in [last(1, 2), last(2, 1)] {
            assert_eq!(next(&mut link).await, word, "{name}");
        }
        quiet(&mut link).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_reads_slowly_makes_its_peers_wait_and_loses_nothing() {
    const MANY: u64 = 60_000;
    let (_listener, left, at) = Process::listening("left").await;
    let mut dialer = Process::new("right");
    let mut right = dialer.dial(at);
    dialer.is_ready().await;
    say(&left, 0..MANY);
    // Longer than a silence may be: a slow service is no lost connection.
    sleep(Duration::from_secs(6)).await;
    say(&right, [1]);
    for n in 0..MANY {
        assert_eq!(next(&mut right).await, Word::Command(n));
    }
    quiet(&mut right).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_too_far_behind_is_given_up_and_both_sides_hear_of_it() {
    let (_listener, mut left, at) = Process::listening("left").await;
    let proxy = Proxy::start_calm(at).await;
    let mut dialer = Process::new("right");
    let mut right = dialer.dial(proxy.address);
    say(&left, [0]);
    assert_eq!(next(&mut right).await, Word::Command(0));
    proxy.freeze();
    // More than 64 MiB in all.
    for _ in 0..200 {
        left.outgoing.send(Word::Long("x".repeat(400 * 1024))).unwrap();
    }
    assert_eq!(next(&mut left).await, Word::Restarted);
    proxy.thaw();
    loop {
        match next(&mut right).await {
            Word::Restarted => break,
            Word::Long(_) => {}
            other @ (Word::Command(_) | Word::Fact { .. } | Word::Last { .. }) => {
                panic!("{other:?}")
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_nothing_and_disturb_nobody() {
    let (_listener, mut left, at) = Process::listening("left").await;
    let mut right = Process::new("right");
    let mut known = right.dial(at);
    right.is_ready().await;

    let mut liar = Process::with_secret("liar", [8; 32]);
    let mut lies = liar.dial(at);
    // Of the same name as one who is there.
    let mut twin = Process::new("right");
    let mut twins = twin.dial(at);
    let mut lost = Process::new("lost");
    let mut nowhere =
        lost.network.dial("link", format!("ws://{at}").parse().unwrap(), "cellar", kind());
    for link in [&lies, &twins, &nowhere] {
        say(link, [666]);
    }
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 5_000], b"{}", b""] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        // It may hang up at once.
        let _ = stream.write_all(garbage).await;
        let _ = timeout(Duration::from_millis(50), stream.read_u8()).await;
    }
    for frame in ["", "{}", "null", "{\"ack\":1,\"messages\":[[1,\"Restarted\"]]}", "\u{1}"] {
        let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{at}")).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().into_text().unwrap().contains("challenge"));
        socket.send(Message::text(frame)).await.unwrap();
        let answer = timeout(PATIENCE, socket.next()).await.unwrap();
        assert!(!matches!(answer, Some(Ok(Message::Text(text))) if text.contains("welcome")));
    }

    say(&left, [1]);
    assert_eq!(next(&mut known).await, Word::Command(1));
    say(&known, [2]);
    assert_eq!(next(&mut left).await, Word::Command(2));
    for link in [&mut left, &mut lies, &mut twins, &mut nowhere] {
        quiet(link).await;
    }
    assert!(!liar.readiness.reasons().is_empty() && !lost.readiness.reasons().is_empty());
}

/// A link's peer of another version may say what this one does not know.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_can_t_be_read_is_skipped_and_the_others_count() {
    #[derive(Serialize, Deserialize)]
    enum Later {
        Command(u64),
        Unheard(u8),
    }
    let (_listener, mut left, at) = Process::listening("left").await;
    let mut dialer = Process::new("right");
    let kind: Kind<Later, Later> = Kind { replaces: |_| None, lasts: |_| false, restarted: None };
    let address = format!("ws://{at}").parse().unwrap();
    let right = dialer.network.dial("link", address, "door", kind);
    for word in [Later::Command(1), Later::Unheard(2), Later::Command(3)] {
        right.outgoing.send(word).unwrap_or_else(|_| panic!("the link has ended"));
    }
    assert_eq!([next(&mut left).await, next(&mut left).await], [1, 3].map(Word::Command));
    drop(right);
    dialer.network.close().await;
}
