//! Calls as clients see them.

use crate::client::Client;
use crate::stage::Stage;
use protocol::service::{MeterEvent, RelayEvent};
use serde_json::{Value, json};
use units::{CallId, ElapsedMs, MicroCoins};

/// Meera online, Asha there.
pub(crate) async fn there(stage: &Stage) -> (Client, Client) {
    let mut host = stage.host("meera").await;
    let prices = json!({"voice": 5_000_000, "video": 8_000_000});
    let answer = host.ask(json!({"type": "host.online", "prices": prices})).await;
    assert_eq!(answer["type"], "ok");
    (stage.fan("asha").await, host)
}

pub(crate) fn ring() -> Value {
    json!({"type": "call.ring", "host": "meera", "medium": "voice"})
}

/// A call that is live, and its id.
pub(crate) async fn live(stage: &Stage) -> (Client, Client, Value) {
    let (mut fan, mut host) = there(stage).await;
    let rung = fan.ask(ring()).await;
    let call = rung["call"]["call"].clone();
    host.event("call.incoming").await;
    host.send(json!({"type": "call.accept", "call": call})).await;
    for client in [&mut fan, &mut host] {
        client.call("connecting").await;
        client.send(json!({"type": "media.offer", "call": call, "sdp": "offer"})).await;
    }
    for client in [&mut fan, &mut host] {
        client.call("live").await;
    }
    (fan, host, call)
}

pub(crate) fn id(call: &Value) -> CallId {
    call.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_paid_call_from_the_list_of_hosts_to_the_receipt() {
    let mut stage = Stage::new().await;
    let (mut fan, mut host) = there(&stage).await;
    assert_eq!(fan.welcome["price_bands"]["video"]["min_micro_per_min"], 2_000_000);
    assert_eq!(fan.welcome["resumed"], false);

    let hosts = fan.ask(json!({"type": "hosts.watch"})).await;
    let prices = json!({"voice": 5_000_000, "video": 8_000_000});
    let card = json!({"user": "meera", "name": "MEERA", "state": "online", "prices": prices});
    assert_eq!(hosts["hosts"], json!([card]));
    let quote = json!({"type": "quote.ask", "host": "meera", "medium": "video"});
    let quote = fan.ask(quote).await;
    assert_eq!(quote["quote"]["rate_micro_per_min"], 8_000_000);
    assert_eq!(quote["quote"]["balance_micro"], 100_000_000);

    let rung = fan.ask(ring()).await["call"].clone();
    assert_eq!((&rung["state"], &rung["you"]), (&json!("ringing"), &json!("fan")));
    assert_eq!(rung["host_share_bps"], 6_500);
    let call = rung["call"].clone();
    let incoming = host.event("call.incoming").await["call"].clone();
    assert_eq!((&incoming["call"], &incoming["you"]), (&call, &json!("host")));
    assert_eq!(incoming["peer"]["name"], "ASHA");
    assert_eq!(fan.event("host.updated").await["host"]["state"], "busy");

    let accepted = host.ask(json!({"type": "call.accept", "call": call})).await;
    assert_eq!(accepted["type"], "ok");
    assert_eq!(stage.order().await, "open voice");
    assert_eq!(stage.order().await, "room for 20000");
    for client in [&mut fan, &mut host] {
        client.call("connecting").await;
        let offer = json!({"type": "media.offer", "call": call, "sdp": "offer"});
        let answer = client.ask(offer).await;
        assert_eq!(answer["sdp"], "answer to offer");
    }
    for client in [&mut fan, &mut host] {
        client.call("live").await;
    }

    let shown = json!({"type": "media.state", "call": call, "audio": false, "video": false});
    assert_eq!(host.ask(shown).await["type"], "ok");
    assert_eq!(fan.call("live").await["peer"]["audio"], false);
    let metered = MeterEvent::Metered {
        call: id(&call),
        proven_ms: ElapsedMs(6_000),
        video_ms: ElapsedMs::ZERO,
        charged: MicroCoins::new(500_000).unwrap(),
        host_earned: MicroCoins::new(325_000).unwrap(),
        balance: MicroCoins::new(99_500_000).unwrap(),
        remaining_ms: ElapsedMs(1_194_000),
        paused: false,
    };
    stage.meter.send(metered).unwrap();
    let low = MeterEvent::LowFunds {
        call: id(&call),
        threshold_ms: ElapsedMs(60_000),
        remaining_ms: ElapsedMs(59_000),
    };
    stage.meter.send(low).unwrap();
    assert_eq!(fan.event("call.tick").await["balance_micro"], 99_500_000);
    assert_eq!(host.event("call.tick").await.get("balance_micro"), None);
    assert_eq!(host.event("call.low_funds").await["threshold_ms"], 60_000);

    let hung_up = fan.ask(json!({"type": "call.hang_up", "call": call})).await;
    assert_eq!(hung_up["type"], "ok");
    assert_eq!(stage.order().await, "close room");
    assert_eq!(stage.order().await, "end HungUpByFan");
    let ended = [fan.event("call.ended").await, host.event("call.ended").await];
    for end in &ended {
        assert_eq!(end["reason"], "hung_up_by_fan");
        assert_eq!(end["receipt"]["charged_micro"], 1_000_000);
        assert_eq!(end["receipt"], ended[0]["receipt"]);
    }
    assert_eq!(fan.event("host.updated").await["host"]["state"], "online");
    drop((fan, host));
    stage.stop().await.unwrap();
}

#[tokio::test]
async fn the_end_of_funds_ends_the_call() {
    let mut stage = Stage::new().await;
    let (mut fan, mut host, call) = live(&stage).await;
    stage.relay.send(RelayEvent::LimitReached { call: id(&call) }).unwrap();
    assert_eq!(fan.event("call.ended").await["reason"], "funds_exhausted");
    assert_eq!(host.event("call.ended").await["receipt"]["reason"], "funds_exhausted");
    for order in ["open voice", "room for 20000", "close room", "end FundsExhausted"] {
        assert_eq!(stage.order().await, order);
    }
}

#[tokio::test]
async fn calls_that_are_not_taken_cost_nothing() {
    let config = signaling::Config { ring_timeout_ms: 300, ..signaling::Config::default() };
    let mut stage = Stage::with(config, true).await;
    let (mut fan, mut host) = there(&stage).await;
    for (who, request, reason) in [
        ("host", "call.decline", "declined"),
        ("fan", "call.cancel", "cancelled"),
        ("nobody", "", "unanswered"),
    ] {
        let call = fan.ask(ring()).await["call"]["call"].clone();
        host.event("call.incoming").await;
        match who {
            "host" => host.send(json!({"type": request, "call": call})).await,
            "fan" => fan.send(json!({"type": request, "call": call})).await,
            _ => 0,
        };
        for client in [&mut fan, &mut host] {
            let ended = client.event("call.ended").await;
            assert_eq!((&ended["reason"], ended.get("receipt")), (&json!(reason), None));
        }
    }
    assert!(stage.orders.try_recv().is_err(), "the meter and the relay heard of no call");
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_by_code() {
    let stage = Stage::new().await;
    let (mut fan, mut host) = there(&stage).await;
    let ring_at = |host: &str, medium: &str, at_most: Option<u64>| {
        let mut request = json!({"type": "call.ring", "host": host, "medium": medium});
        if let Some(price) = at_most {
            request["at_most_micro_per_min"] = json!(price);
        }
        request
    };
    let nobody = "0193a1b2-0000-7000-8000-000000000001";
    for (request, code) in [
        (ring_at("asha", "voice", None), "call.self"),
        (ring_at("noor", "voice", None), "host.offline"),
        (ring_at("meera", "voice", Some(4_999_999)), "price.changed"),
        (json!({"type": "host.offline"}), "auth.forbidden"),
        (json!({"type": "call.accept", "call": nobody}), "call.unknown"),
    ] {
        assert_eq!(fan.refused(request.clone()).await, code, "{request}");
    }
    let only_video = json!({"type": "host.online", "prices": {"video": 8_000_000}});
    assert_eq!(host.ask(only_video).await["type"], "ok");
    assert_eq!(fan.refused(ring()).await, "host.not_offering");
    for (request, code) in [
        (ring_at("meera", "voice", None), "call.self"),
        (ring_at("asha", "voice", None), "auth.forbidden"),
        (json!({"type": "host.online", "prices": {"voice": 999_999}}), "price.out_of_band"),
        (json!({"type": "host.online", "prices": {"video": 1_999_999}}), "price.out_of_band"),
        (json!({"type": "host.online", "prices": {"video": 15_000_001}}), "price.out_of_band"),
    ] {
        assert_eq!(host.refused(request.clone()).await, code, "{request}");
    }
    let mut poor = stage.fan("bela").await;
    assert_eq!(poor.refused(ring_at("meera", "video", None)).await, "billing.no_funds");

    let call = fan.ask(ring_at("meera", "video", None)).await["call"]["call"].clone();
    assert_eq!(poor.refused(ring_at("meera", "video", None)).await, "call.busy");
    assert_eq!(fan.refused(ring_at("meera", "video", None)).await, "call.already");
    assert_eq!(poor.refused(json!({"type": "call.hang_up", "call": call})).await, "call.unknown");
    let offer = json!({"type": "media.offer", "call": call, "sdp": "no opus"});
    assert_eq!(fan.refused(offer.clone()).await, "call.wrong_state");
    assert_eq!(host.ask(json!({"type": "call.accept", "call": call})).await["type"], "ok");
    let refusal = fan.ask(offer).await;
    assert_eq!(
        (&refusal["code"], &refusal["detail"]),
        (&json!("media.unsupported"), &json!("opus"))
    );
}
