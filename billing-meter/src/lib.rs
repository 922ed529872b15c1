//! Billing meter service: ticks, settlement, recovery.
