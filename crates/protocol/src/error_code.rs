//! Stable names of everything that can be refused or go wrong.

use serde::{Deserialize, Serialize};
use std::fmt;
use units::ElapsedMs;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $message:literal;)*) => {
        /// A stable dotted code. Clients branch on it; it never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $code)] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of PROTOCOL.md.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code as it stands on the wire.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// A sentence for people, in English. Clients show their own text in other languages.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),* }
            }
        }
    };
}

error_codes! {
    /// No token was sent.
    AuthMissing = "auth.missing", "A token is needed to connect.";
    /// The token is not one of ours.
    AuthInvalid = "auth.invalid", "This token is not valid.";
    /// The token's time is over.
    AuthExpired = "auth.expired", "This token has expired.";
    /// The token does not allow it.
    AuthForbidden = "auth.forbidden", "Your token does not allow this.";
    /// The frame is no JSON message of this protocol.
    ProtocolMalformed = "protocol.malformed", "The message could not be read.";
    /// The message's `type` is not known.
    ProtocolUnknownType = "protocol.unknown_type", "This type of message is not known.";
    /// The frame is over 64 KiB.
    ProtocolTooLarge = "protocol.too_large", "The message is larger than 64 KiB.";
    /// Too many messages in too short a time.
    ProtocolTooFast = "protocol.too_fast", "Too many messages; slow down.";
    /// HTTP: there is nothing at this address.
    HttpNotFound = "http.not_found", "There is nothing here.";
    /// The host is not online.
    HostOffline = "host.offline", "This host is not online.";
    /// The host does not sell this medium.
    HostNotOffering = "host.not_offering", "This host does not offer this kind of call.";
    /// The price is outside the operator's band.
    PriceOutOfBand = "price.out_of_band", "The price is outside the allowed range.";
    /// The price rose since the fan saw it.
    PriceChanged = "price.changed", "The price has changed; ask for a new quote.";
    /// Caller and callee are the same person.
    CallSelf = "call.self", "You can't call yourself.";
    /// The host is in another call.
    CallBusy = "call.busy", "This host is in another call.";
    /// The caller is in another call.
    CallAlready = "call.already", "You are in a call already.";
    /// There is no such call, or it is not yours.
    CallUnknown = "call.unknown", "There is no such call.";
    /// The call is not in a state in which this is possible.
    CallWrongState = "call.wrong_state", "This is not possible at this point of the call.";
    /// The balance does not cover the minimum.
    BillingNoFunds = "billing.no_funds", "Your balance does not cover the minimum for this call.";
    /// The fan owes for a purchase that the bank took back.
    BillingBlocked = "billing.blocked", "A payment was taken back; settle it before the next call.";
    /// The id of a credit, gift or call was used for another one.
    BillingIdReused = "billing.id_reused", "This id was used for something else.";
    /// The wallet can't hold as much.
    BillingTooLarge = "billing.too_large", "A balance can't hold this many coins.";
    /// The call is not settled, not this fan's, or cost less.
    BillingNotRefundable = "billing.not_refundable", "This can't be given back for this call.";
    /// The meter or its store can't answer now.
    BillingUnavailable = "billing.unavailable", "Billing is not available right now.";
    /// The offer lacks something the relay needs.
    MediaUnsupported = "media.unsupported", "This device's media can't be connected.";
    /// The relay can't answer now.
    MediaUnavailable = "media.unavailable", "Media is not available right now.";
    /// The server is shutting down.
    ServerDraining = "server.draining", "The server is restarting; try again shortly.";
    /// Our fault.
    ServerInternal = "server.internal", "Something went wrong on our side.";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Whether the same request can succeed later: `"never"`, or `{"after_ms": 1000}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Not without a change on the client's side.
    Never,
    /// After this time.
    AfterMs(ElapsedMs),
}
