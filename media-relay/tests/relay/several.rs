//! Several workers side by side.

use crate::scene::{Peer, Picture, Stage, relay_of};
use media_relay::Config;
use protocol::client::Party;
use protocol::service::RelayEvent;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use units::{CallId, ElapsedMs};

/// More than any test lasts.
const AMPLE_MS: u64 = 3_600_000;

/// A call on each of the stage's workers, each with a host that is connected.
async fn a_call_on_each(
    stage: &mut Stage,
    workers: usize,
) -> HashMap<SocketAddr, (CallId, crate::scene::Running)> {
    let mut calls = HashMap::new();
    // The chance that so many calls miss one of three workers is below 10^-17.
    for _ in 0..100 {
        if calls.len() == workers {
            break;
        }
        let call = stage.open(AMPLE_MS);
        let (peer, offer) = Peer::new(stage.clock, Picture::Vp8).await;
        let answer = stage.admit(call, Party::Host, &offer).await.unwrap();
        if let std::collections::hash_map::Entry::Vacant(free) = calls.entry(relay_of(&answer)) {
            free.insert((call, peer.run(&answer)));
            stage.event(|event| *event == RelayEvent::Connected { call, party: Party::Host }).await;
        }
    }
    assert_eq!(calls.len(), workers);
    calls
}

#[tokio::test]
async fn each_worker_carries_its_calls_beside_the_others_and_all_stop_with_their_last_totals() {
    let workers = 3;
    let config = Config { workers: 3, ..Config::default() };
    let mut stage = Stage::new(config);
    let mut hosts = a_call_on_each(&mut stage, workers).await;
    let mut fans = Vec::new();
    for (port, (call, _)) in &hosts {
        let (peer, offer) = Peer::new(stage.clock, Picture::Vp8).await;
        let answer = stage.admit(*call, Party::Fan, &offer).await.unwrap();
        assert_eq!(relay_of(&answer), *port, "both sides of a call meet at one worker");
        fans.push(peer.run(&answer));
    }
    for fan in &mut fans {
        fan.sees_more(50, 15).await;
    }
    for (_, host) in hosts.values_mut() {
        host.sees_more(50, 15).await;
    }
    let calls: HashSet<CallId> = hosts.values().map(|(call, _)| *call).collect();
    for call in &calls {
        stage.limit(*call, AMPLE_MS * 2);
    }
    stage.ask_to_stop();
    let mut proven = HashSet::new();
    while proven.len() < calls.len() {
        let last = stage.report(|report| report.last && calls.contains(&report.call)).await;
        assert!(last.to_fan.proven_ms > ElapsedMs(500), "{last:?}");
        assert!(proven.insert(last.call), "told twice: {last:?}");
    }
    let restarted = stage.events().iter().filter(|event| **event == RelayEvent::Restarted).count();
    assert_eq!(restarted, 1);
    stage.stop().await;
}

#[tokio::test]
async fn workers_have_successive_ports() {
    // Ports that were free a moment ago may be taken now: then others are tried.
    for _ in 0..20 {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = Config { listen: free, workers: 2, ..Config::default() };
        let Some(mut stage) = Stage::try_new(config) else { continue };
        let hosts = a_call_on_each(&mut stage, 2).await;
        let ports: HashSet<u16> = hosts.keys().map(SocketAddr::port).collect();
        assert_eq!(ports, HashSet::from([free.port(), free.port() + 1]));
        stage.stop().await;
        return;
    }
    panic!("no two free ports");
}
