//! Serialization of MPTCP identifiers in records: as numbers; tokens as 8 hexadecimal digits without a prefix.

use mptcp_wire::mptcp::ResetReason;
use mptcp_wire::{AddressId, Token, Version};
use serde::{Serialize, Serializer};

/// The tokens of client and server.
pub(crate) fn tokens<S: Serializer>(tokens: &[Option<Token>; 2], serializer: S) -> Result<S::Ok, S::Error> {
    tokens
        .map(|token| token.map(|Token(number)| format!("{number:08x}")))
        .serialize(serializer)
}

/// A version, as in MP_CAPABLE.
pub(super) fn version<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    version.number().serialize(serializer)
}

/// A version, or null.
pub(crate) fn optional_version<S: Serializer>(version: &Option<Version>, serializer: S) -> Result<S::Ok, S::Error> {
    version.map(Version::number).serialize(serializer)
}

/// An address identifier.
pub(super) fn address_id<S: Serializer>(id: &AddressId, serializer: S) -> Result<S::Ok, S::Error> {
    id.0.serialize(serializer)
}

/// An address identifier, or null.
pub(super) fn optional_address_id<S: Serializer>(id: &Option<AddressId>, serializer: S) -> Result<S::Ok, S::Error> {
    id.map(|id| id.0).serialize(serializer)
}

/// A token, or null.
pub(super) fn optional_token<S: Serializer>(token: &Option<Token>, serializer: S) -> Result<S::Ok, S::Error> {
    token.map(|Token(number)| format!("{number:08x}")).serialize(serializer)
}

/// Several address identifiers.
pub(super) fn address_ids<S: Serializer>(ids: &[AddressId], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(ids.iter().map(|id| id.0))
}

/// The address identifiers at client and server.
pub(super) fn both_address_ids<S: Serializer>(ids: &[Option<AddressId>; 2], serializer: S) -> Result<S::Ok, S::Error> {
    ids.map(|id| id.map(|id| id.0)).serialize(serializer)
}

/// The reason in MP_TCPRST.
pub(super) fn reason<S: Serializer>(reason: &ResetReason, serializer: S) -> Result<S::Ok, S::Error> {
    reason.0.serialize(serializer)
}

/// A reason, or null.
pub(super) fn optional_reason<S: Serializer>(reason: &Option<ResetReason>, serializer: S) -> Result<S::Ok, S::Error> {
    reason.map(|reason| reason.0).serialize(serializer)
}
