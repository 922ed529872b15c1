//! What the service tells its operators.

use billing_core::{Notice, Totals};
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use units::MonotonicMs;

/// Rules that the meter and the store check all the time, by their label.
const RULES: [&str; 3] = ["charged_within_plan", "media_within_connected", "open_call_known"];

/// Handles of all metrics of the service.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    ticks: IntCounter,
    tick_late: Histogram,
    charged: IntCounter,
    earned: IntCounter,
    absorbed: IntCounter,
    free: IntCounterVec,
    warnings: IntCounter,
    store_failures: IntCounter,
    opened: IntCounter,
    settled: IntCounter,
    open_calls: IntGauge,
    unsettled: IntGauge,
    shards: IntGauge,
    checkpoint_age: IntGauge,
    violations: IntGaugeVec,
    /// What the counters have been told.
    told: Totals,
}

impl Metrics {
    /// # Errors
    /// If `registry` has metrics of these names already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let late = HistogramOpts::new(
            "billing_meter_tick_lateness_seconds",
            "How long after its time a tick began.",
        );
        let tick_late =
            Histogram::with_opts(late.buckets(vec![0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0]))?;
        registry.register(Box::new(tick_late.clone()))?;
        let free = IntCounterVec::new(
            Opts::new(
                "billing_meter_free_media_milliseconds_total",
                "Media of settled calls that cost nothing, by reason.",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(free.clone()))?;
        let violations = IntGaugeVec::new(
            Opts::new(
                "billing_meter_invariant_violations",
                "Figures that differ though they must not, by rule; 0 when right.",
            ),
            &["rule"],
        )?;
        registry.register(Box::new(violations.clone()))?;
        for rule in RULES {
            violations.with_label_values(&[rule]).set(0);
        }
        Ok(Self {
            ticks: counter("billing_meter_ticks_total", "Ticks.")?,
            tick_late,
            charged: counter("billing_meter_debited_microcoins_total", "Taken from fans.")?,
            earned: counter("billing_meter_earned_microcoins_total", "The hosts' part of it.")?,
            absorbed: counter(
                "billing_meter_absorbed_microcoins_total",
                "Proven media that the funds did not cover, at its price.",
            )?,
            free,
            warnings: counter("billing_meter_warnings_total", "Warnings of low funds.")?,
            store_failures: counter("billing_meter_store_failures_total", "Failed commands.")?,
            opened: counter("billing_meter_calls_opened_total", "Calls written down.")?,
            settled: counter("billing_meter_calls_settled_total", "Bills that are final.")?,
            open_calls: gauge("billing_meter_open_calls", "Calls that are metered.")?,
            unsettled: gauge("billing_meter_settlement_backlog", "Ended calls without a bill.")?,
            shards: gauge("billing_meter_shards_owned", "Wallet shards held here.")?,
            checkpoint_age: gauge(
                "billing_meter_checkpoint_age_milliseconds",
                "Time since progress was last made durable; 0 while no call is open.",
            )?,
            violations,
            told: Totals::default(),
        })
    }

    /// Brings the metrics up to these totals.
    pub(crate) fn tell(&mut self, now: MonotonicMs, totals: Totals) {
        let told = &self.told;
        if totals.ticks > told.ticks {
            #[expect(
                clippy::float_arithmetic,
                clippy::cast_precision_loss,
                reason = "a metric in seconds; no money is near"
            )]
            self.tick_late.observe(totals.tick_late.0 as f64 / 1_000.0);
        }
        for (counter, value, before) in [
            (&self.ticks, totals.ticks, told.ticks),
            (&self.charged, totals.charged_micro, told.charged_micro),
            (&self.earned, totals.earned_micro, told.earned_micro),
            (&self.absorbed, totals.absorbed_micro, told.absorbed_micro),
            (&self.warnings, totals.warnings, told.warnings),
            (&self.store_failures, totals.store_failures, told.store_failures),
            (&self.opened, totals.opened, told.opened),
            (&self.settled, totals.settled, told.settled),
            (&self.free.with_label_values(&["tariff"]), totals.free_ms, told.free_ms),
            (&self.free.with_label_values(&["unproven"]), totals.unproven_ms, told.unproven_ms),
        ] {
            counter.inc_by(value.saturating_sub(before));
        }
        let age = totals.checkpointed_at.map_or(0, |at| now.since(at).0);
        for (gauge, value) in [
            (&self.open_calls, totals.open_calls),
            (&self.unsettled, totals.unsettled),
            (&self.shards, totals.shards),
            (&self.checkpoint_age, if totals.open_calls == 0 { 0 } else { clamp(age) }),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        for (rule, count) in &totals.violations {
            self.violation(rule, *count);
        }
        self.told = totals;
    }

    /// Tells what a comparison found.
    pub(crate) fn notice(&self, notice: &Notice) {
        if let Notice::Reconciled(differences) = notice {
            for (rule, count) in differences {
                self.violation(rule, *count);
            }
        }
    }

    /// Tells what the audit at the start found: how many differences by rule.
    pub(crate) fn violation(&self, rule: &str, count: u64) {
        self.violations.with_label_values(&[rule]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

fn clamp(ms: u64) -> usize {
    usize::try_from(ms).unwrap_or(usize::MAX)
}
