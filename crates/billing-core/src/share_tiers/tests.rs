//! Shares at the thresholds, whole months, and settings that can't be used.

use super::*;
use proptest::prelude::*;

fn amount(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

/// `from:bps,from:bps`.
fn schedule(mode: TierMode, tiers: &str) -> Result<Schedule, TiersError> {
    let tier = |text: &str| {
        let (from, bps) = text.split_once(':').unwrap();
        Tier { from: amount(from), host_share: ShareBps::new(bps.parse().unwrap()).unwrap() }
    };
    Schedule::new(mode, tiers.split(',').filter(|text| !text.is_empty()).map(tier).collect())
}

const PUBLISHED: &str = "0:6000,20000:6500,35000:7000,50000:7500,75000:8000";

#[test]
fn a_threshold_belongs_to_its_tier() {
    // gross; share; earned as a whole month, and marginal.
    for (gross, bps, whole, marginal) in [
        ("0", 6_000, "0", "0"),
        ("19999.99", 6_000, "11999.994", "11999.994"),
        ("20000.00", 6_500, "13000", "12000"),
        ("20000.000001", 6_500, "13000", "12000"),
        ("34999.99", 6_500, "22749.9935", "21749.9935"),
        ("35000", 7_000, "24500", "21750"),
        ("50000", 7_500, "37500", "32250"),
        ("75000", 8_000, "60000", "51000"),
        ("100000", 8_000, "80000", "71000"),
        ("9007199254.740992", 8_000, "7205759403.792793", "7205750403.792793"),
    ] {
        for (mode, expected) in [(TierMode::WholeMonth, whole), (TierMode::Marginal, marginal)] {
            let tiers = schedule(mode, PUBLISHED).unwrap();
            assert_eq!(tiers.share_at(amount(gross)).bps(), bps, "{gross}");
            assert_eq!(tiers.earned(amount(gross)), amount(expected), "{gross} {mode:?}");
        }
    }
}

#[test]
fn a_host_may_have_tiers_of_their_own() {
    let [meera, asha]: [UserId; 2] = ["meera", "asha"].map(|host| host.parse().unwrap());
    let own = schedule(TierMode::Marginal, "0:9000,2000:10000").unwrap();
    let tiers = ShareTiers::default().with_host(meera.clone(), own);
    for (host, gross, bps, earned) in [
        (&asha, "2500", 7_000, "1750"),
        (&meera, "1999.99", 9_000, "1799.991"),
        // The fee is 200, not 250.
        (&meera, "2500", 10_000, "2300"),
    ] {
        assert_eq!(tiers.share_at(host, amount(gross)).bps(), bps, "{host} {gross}");
        assert_eq!(tiers.earned(host, amount(gross)), amount(earned), "{host} {gross}");
    }
}

#[test]
fn neighbouring_tiers_may_have_the_same_share() {
    let tiers = schedule(TierMode::Marginal, "0:6000,100:6000").unwrap();
    assert_eq!(tiers.earned(amount("150")), amount("90"));
}

#[test]
fn an_adjustment_is_what_is_missing_and_never_takes_back() {
    let host = "meera".parse().unwrap();
    let tiers = ShareTiers::new(schedule(TierMode::WholeMonth, PUBLISHED).unwrap());
    for (gross, posted, expected) in [
        ("20000", "12000", "1000"),
        ("20000", "13000", "0"),
        ("20000", "14000", "0"),
        ("19999.99", "11999.994", "0"),
    ] {
        let adjustment = tiers.adjustment(&host, amount(gross), amount(posted));
        assert_eq!(adjustment, amount(expected), "{gross} {posted}");
    }
}

#[test]
fn tiers_that_can_not_be_used_name_the_setting() {
    for (json, error) in [
        ("{}", "set host_share_bps (0 to 10000) or tiers"),
        (r#"{"tiers": []}"#, "set host_share_bps (0 to 10000) or tiers"),
        (r#"{"host_share_bps": 7000, "tiers": []}"#, "either host_share_bps or tiers, not both"),
        (r#"{"host_share_bps": 10001}"#, "host_share_bps = 10001: a share is 0 to 10000"),
        (
            r#"{"tiers": [{"from": "0", "host_share_bps": 10001}]}"#,
            "tiers[0].host_share_bps = 10001: a share is 0 to 10000",
        ),
        (
            r#"{"tiers": [{"from": "1", "host_share_bps": 6000}]}"#,
            r#"tiers[0].from = "1.00": the first tier is from "0""#,
        ),
        (
            r#"{"tiers": [{"from": "0", "host_share_bps": 6000}, {"from": "-5", "host_share_bps": 6500}]}"#,
            r#"tiers[1].from = "-5": an amount is never negative"#,
        ),
        (
            r#"{"tiers": [{"from": "0", "host_share_bps": 6000}, {"from": "0.00", "host_share_bps": 6500}]}"#,
            r#"tiers[1].from = "0.00": each tier is from more"#,
        ),
        (
            r#"{"tiers": [{"from": "0", "host_share_bps": 6000}, {"from": "9", "host_share_bps": 5999}]}"#,
            "tiers[1].host_share_bps = 5999: a higher tier never has a lower share",
        ),
        (
            r#"{"host_share_bps": 7000, "hosts": {"meera": {"host_share_bps": 20000}}}"#,
            "hosts.meera: host_share_bps = 20000: a share is 0 to 10000",
        ),
        (r#"{"host_share_bps": 7000, "hosts": {"meera": {}}}"#, "hosts.meera: set host_share_bps"),
        (r#"{"host_share_bps": 7000, "mode": "monthly"}"#, "monthly"),
        (r#"{"host_share": 7000}"#, "unknown field `host_share`"),
    ] {
        let said = serde_json::from_str::<ShareTiers>(json).unwrap_err().to_string();
        assert!(said.contains(error), "{json}: {said}");
    }
}

#[test]
fn tiers_are_written_as_they_are_read() {
    for json in [
        r#"{"host_share_bps":7000,"mode":"whole_month"}"#,
        r#"{"mode":"marginal","tiers":[{"from":"0.00","host_share_bps":6000},{"from":"20000.00","host_share_bps":6500}],"hosts":{"meera":{"host_share_bps":8500,"mode":"whole_month"}}}"#,
    ] {
        let tiers: ShareTiers = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&tiers).unwrap(), json);
    }
}

prop_compose! {
    fn any_schedule()(
        marginal: bool,
        steps in proptest::collection::vec((1_u64..3_000_000, 0_u16..2_000), 0..5),
        first in 0_u16..2_000,
    ) -> Schedule {
        let mode = if marginal { TierMode::Marginal } else { TierMode::WholeMonth };
        let (mut from, mut bps) = (0, first);
        let mut tiers = vec![Tier { from: MicroCoins::ZERO, host_share: ShareBps::new(bps).unwrap() }];
        for (more, better) in steps {
            (from, bps) = (from + more, bps + better.min(10_000 - bps));
            let host_share = ShareBps::new(bps).unwrap();
            tiers.push(Tier { from: MicroCoins::new(from).unwrap(), host_share });
        }
        Schedule::new(mode, tiers).unwrap()
    }
}

proptest! {
    #[test]
    fn what_a_host_earned_in_a_month_never_falls(
        schedule in any_schedule(), gross in 0_u64..20_000_000, more in 0_u64..3_000_000,
    ) {
        let at = |micro: u64| schedule.earned(MicroCoins::new(micro).unwrap());
        prop_assert!(at(gross) <= at(gross + more));
        prop_assert!(at(gross + more).micro() - at(gross).micro() <= gross + more);
        prop_assert!(at(gross).micro() <= gross);
    }

    /// Calls are opened at the share reached so far, several at a time, and settled in any order.
    #[test]
    fn adjustments_bring_a_month_to_its_tier_exactly(
        schedule in any_schedule(),
        calls in proptest::collection::vec((0_u64..2_000_000, 0_usize..4, any::<bool>()), 0..30),
    ) {
        let host: UserId = "host".parse().unwrap();
        let tiers = ShareTiers::new(schedule);
        let (mut gross, mut posted) = (MicroCoins::ZERO, MicroCoins::ZERO);
        let mut grosses = vec![gross];
        for (charge, opened_before, adjusted_now) in calls {
            let charge = MicroCoins::new(charge).unwrap();
            let opened_at = grosses[grosses.len().saturating_sub(1 + opened_before)];
            let share = tiers.share_at(&host, opened_at);
            posted = posted.checked_add(crate::Split::of(charge, share).host).unwrap();
            gross = gross.checked_add(charge).unwrap();
            grosses.push(gross);
            prop_assert!(posted <= tiers.earned(&host, gross), "no call pays more than its tier");
            if adjusted_now {
                let missing = tiers.adjustment(&host, gross, posted);
                posted = posted.checked_add(missing).unwrap();
                prop_assert_eq!(posted, tiers.earned(&host, gross));
            }
        }
    }
}
