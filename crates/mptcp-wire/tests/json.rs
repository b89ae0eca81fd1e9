//! Identities in JSON.
#![cfg(feature = "serde")]

use mptcp_wire::{AddressId, DataSequenceNumber, FourTuple, Key, Side, Token, Version};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;

fn is_in_json<T: Serialize + DeserializeOwned + Debug + PartialEq>(value: T, text: &str) {
    assert_eq!(serde_json::to_string(&value).unwrap(), text);
    assert_eq!(serde_json::from_str::<T>(text).unwrap(), value);
}

#[test]
fn json_has_the_form_that_people_write_and_small_numbers_as_numbers() {
    is_in_json(Token(0xab), "\"0x000000ab\"");
    is_in_json(Key([0, 1, 2, 3, 4, 5, 6, 7]), "\"0x0001020304050607\"");
    is_in_json(DataSequenceNumber(u64::MAX), "\"18446744073709551615\"");
    is_in_json(AddressId(7), "7");
    is_in_json(Version::V1, "1");
    is_in_json(Side::Remote, "\"remote\"");
    is_in_json(
        FourTuple::new("10.0.0.1:4000".parse().unwrap(), "[::1]:80".parse().unwrap()),
        "{\"local\":\"10.0.0.1:4000\",\"remote\":\"[::1]:80\"}",
    );
}

#[test]
fn json_that_is_no_token_says_what_was_expected() {
    let error = serde_json::from_str::<Token>("\"1234\"").unwrap_err().to_string();
    assert!(error.contains("expected a token such as 0x1234abcd"), "{error}");
    assert!(serde_json::from_str::<Version>("2").is_err());
}
