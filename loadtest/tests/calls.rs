//! Calls against a real server, started from the executable beside this test.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use indicatif::ProgressBar;
use loadtest::Report;
use loadtest::calls::{self, Options, Target};
use protocol::client::EndReason;
use std::time::Duration;
use units::{ElapsedMs, Medium, MicroCoins};

/// The calls of `medium` at 6.00 per minute, by fans who own `coins`.
async fn report(medium: Medium, talk: Duration, coins: &str) -> Report {
    let options = Options {
        calls: 2,
        talk,
        medium,
        rate: "6.00".parse().unwrap(),
        ramp: Duration::ZERO,
        target: Target::OwnServer { coins: coins.parse().unwrap() },
    };
    calls::run(&options, &ProgressBar::hidden()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bills_of_video_calls_that_are_hung_up_are_exact() {
    let report = report(Medium::Video, Duration::from_secs(3), "100.00").await;
    assert!(report.is_exact(), "{report}");
    for call in &report.calls {
        let evidence = call.evidence.as_ref().unwrap();
        assert_eq!(evidence.fan.reason, EndReason::HungUpByFan);
        let received = evidence.fan.evidence.received;
        assert!(received.audio_packets > 100 && received.video_packets > 100, "{received:?}");
        assert!(received.key_frames > 0, "the fan's decoder never had a picture: {received:?}");
        assert!(evidence.host.evidence.received.audio_packets > 100, "voice goes both ways");
        assert!(evidence.fan.receipt.as_ref().unwrap().proven_ms >= ElapsedMs(2_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_with_the_last_micro_coin() {
    let report = report(Medium::Voice, Duration::from_secs(60), "1.20").await;
    assert!(report.is_exact(), "{report}");
    for call in &report.calls {
        let evidence = call.evidence.as_ref().unwrap();
        assert_eq!(evidence.fan.reason, EndReason::FundsExhausted);
        assert_eq!(evidence.balance_after, MicroCoins::ZERO);
        assert_eq!(evidence.fan.receipt.as_ref().unwrap().proven_ms, ElapsedMs(12_000));
    }
}
