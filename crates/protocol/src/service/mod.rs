//! Messages between our own services.
//!
//! Every message is either a cumulative fact ("call 7 has carried 61,000 ms") or a command that
//! names its subject by id, so a resend is always safe. Within one process they travel over
//! channels; between processes as JSON.

mod group;
mod meter;
mod relay;

pub use group::{GroupCommand, GroupEvent, GroupLine, GroupTrack, LineMedium};
pub use meter::{CallTerms, CreditKind, MeterCommand, MeterEvent, QuoteFacts, SignedReceipt};
pub use relay::{Carried, MediaReport, OfferRefusal, RelayCommand, RelayEvent, RelayLimit};
