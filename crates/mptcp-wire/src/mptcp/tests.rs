use super::*;
use crate::sequence::{DataSequenceNumber, SubflowSequenceNumber, WireDataSequenceNumber};
use crate::stage::Stage;
use crate::types::{AddressId, JoinHmac, Key, Nonce, Token, TruncatedHmac, Version};
use proptest::option::of;
use proptest::prelude::*;
use std::format;
use std::net::IpAddr;
use std::vec::Vec;

fn parse(bytes: &[u8]) -> Result<MptcpOption> {
    View::new_checked(bytes).and_then(|view| MptcpOption::parse(&view))
}

fn key() -> impl Strategy<Value = Key> {
    any::<[u8; 8]>().prop_map(Key)
}

fn capable() -> impl Strategy<Value = MpCapable> {
    let keys = prop_oneof![
        Just(CapableKeys::None),
        key().prop_map(CapableKeys::Sender),
        (key(), key()).prop_map(|(sender, receiver)| CapableKeys::Both { sender, receiver }),
        (key(), key(), any::<u16>(), any::<Option<u16>>()).prop_map(|(sender, receiver, data_length, checksum)| {
            CapableKeys::BothWithData {
                sender,
                receiver,
                data_length,
                checksum,
            }
        }),
    ];
    (keys, any::<u8>(), any::<bool>()).prop_map(|(keys, flags, old)| {
        let old = old && matches!(keys, CapableKeys::Sender(_) | CapableKeys::Both { .. });
        MpCapable {
            version: if old { Version::V0 } else { Version::V1 },
            flags: CapableFlags(flags),
            keys,
        }
    })
}

fn join() -> impl Strategy<Value = MpJoin> {
    let head = any::<(bool, u8, u32)>();
    prop_oneof![
        (head, any::<u32>()).prop_map(|((backup, id, nonce), token)| MpJoin::Syn {
            backup,
            address_id: AddressId(id),
            token: Token(token),
            nonce: Nonce(nonce)
        }),
        (head, any::<u64>()).prop_map(|((backup, id, nonce), hmac)| MpJoin::SynAck {
            backup,
            address_id: AddressId(id),
            hmac: TruncatedHmac(hmac),
            nonce: Nonce(nonce)
        }),
        any::<[u8; 20]>().prop_map(|hmac| MpJoin::Ack { hmac: JoinHmac(hmac) }),
    ]
}

fn dss() -> impl Strategy<Value = Dss> {
    let number = || {
        prop_oneof![
            any::<u32>().prop_map(WireDataSequenceNumber::Short),
            any::<u64>().prop_map(WireDataSequenceNumber::Long)
        ]
    };
    let mapping = (number(), any::<u32>(), any::<u16>(), any::<Option<u16>>()).prop_map(
        |(data_sequence, subflow, length, checksum)| Mapping {
            data_sequence,
            subflow_sequence: SubflowSequenceNumber(subflow),
            length,
            checksum,
        },
    );
    (of(number()), of(mapping), any::<bool>()).prop_map(|(data_ack, mapping, data_fin)| Dss {
        data_ack,
        mapping,
        data_fin,
    })
}

fn add_addr() -> impl Strategy<Value = AddAddr> {
    let form = prop_oneof![
        Just(AddAddrForm::Version0),
        Just(AddAddrForm::Echo),
        any::<u64>().prop_map(|hmac| AddAddrForm::Announcement(TruncatedHmac(hmac))),
    ];
    (any::<u8>(), any::<IpAddr>(), any::<Option<u16>>(), form).prop_map(|(id, address, port, form)| AddAddr {
        address_id: AddressId(id),
        address,
        port,
        form,
    })
}

pub(crate) fn option() -> impl Strategy<Value = MptcpOption> {
    prop_oneof![
        capable().prop_map(MptcpOption::from),
        join().prop_map(MptcpOption::from),
        dss().prop_map(MptcpOption::from),
        add_addr().prop_map(MptcpOption::from),
        prop::collection::vec(any::<u8>().prop_map(AddressId), 1..=37)
            .prop_map(|ids| RemoveAddr::new(&ids).unwrap().into()),
        any::<(bool, Option<u8>)>().prop_map(|(backup, id)| MpPrio {
            backup,
            address_id: id.map(AddressId)
        }
        .into()),
        any::<u64>().prop_map(|number| MpFail {
            data_sequence: DataSequenceNumber(number)
        }
        .into()),
        key().prop_map(|receiver_key| MpFastclose { receiver_key }.into()),
        any::<(bool, u8)>().prop_map(|(transient, reason)| MpTcprst {
            transient,
            reason: ResetReason(reason)
        }
        .into()),
        (9_u8..=15, 0_u8..=15, prop::collection::vec(any::<u8>(), 0..=37))
            .prop_map(|(subtype, nibble, content)| UnknownSubtype::new(subtype, nibble, &content).unwrap().into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_emitted_parses_to_the_same(option in option()) {
        let mut buffer = [0; 40];
        let length = option.emit(&mut buffer).unwrap();
        prop_assert_eq!(length, option.buffer_length());
        prop_assert_eq!(usize::from(buffer[1]), length);
        prop_assert_eq!(parse(&buffer[..length]), Ok(option));
        prop_assert_eq!(View::new_checked(&buffer[..length]).unwrap().subtype(), option.subtype());
        let too_small = Error::BufferTooSmall { needed: length, available: length - 1 };
        prop_assert_eq!(option.emit(&mut buffer[..length - 1]), Err(too_small));
    }

    #[test]
    fn any_content_gives_an_option_of_the_same_length_or_an_error_that_names_it(
        subtype in any::<u8>(),
        content in prop::collection::vec(any::<u8>(), 0..=37),
    ) {
        let mut bytes = std::vec![30, content.len() as u8 + 3, subtype];
        bytes.extend(content);
        match parse(&bytes) {
            Ok(option) => prop_assert_eq!(option.buffer_length(), bytes.len()),
            Err(Error::OptionLength { option, length, .. }) => {
                prop_assert!(option.starts_with(Subtype::from_number(subtype >> 4).name()));
                prop_assert_eq!(length, bytes.len());
            }
            Err(Error::OptionValue { option, .. }) => prop_assert_eq!(option, "MP_CAPABLE"),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

/// Every length of every subtype, with all content zero and every nibble: exactly those of the RFCs are accepted.
#[test]
fn exactly_the_lengths_of_the_rfcs_are_accepted() {
    let accepted = |first: u8, content_byte: u8| -> Vec<usize> {
        (3..=40)
            .filter(|length| {
                let mut bytes = std::vec![0; *length];
                bytes[..3].copy_from_slice(&[30, *length as u8, first]);
                if let Some(byte) = bytes.get_mut(3) {
                    *byte = content_byte;
                }
                parse(&bytes).is_ok()
            })
            .collect()
    };
    assert_eq!(accepted(0x00, 0), [12, 20]);
    assert_eq!(accepted(0x01, 0), [4, 12, 20, 22, 24]);
    assert_eq!(accepted(0x02, 0), [0_usize; 0]);
    assert_eq!(accepted(0x10, 0), [12, 16, 24]);
    for flags in 0..=0x1f_u8 {
        let ack = [0, 4, 0, 8][usize::from(flags & 3)];
        let map = [0, 10, 0, 14][usize::from(flags >> 2 & 3)];
        let mut expected = std::vec![4 + ack + map];
        if map != 0 {
            expected.push(4 + ack + map + 2);
        }
        // Reserved bits of both flag bytes change nothing.
        assert_eq!(accepted(0x2f, flags | 0xe0), expected, "DSS flags {flags:#x}");
    }
    assert_eq!(accepted(0x34, 0), [8, 10, 16, 18, 28, 30]);
    assert_eq!(accepted(0x36, 0), [16, 18, 20, 22, 28, 30]);
    assert_eq!(accepted(0x30, 0), [16, 18, 28, 30]);
    assert_eq!(accepted(0x31, 0), [8, 10, 20, 22]);
    assert_eq!(accepted(0x40, 0), (4..=40).collect::<Vec<_>>());
    assert_eq!(accepted(0x51, 0), [3, 4]);
    assert_eq!(accepted(0x60, 0), [12]);
    assert_eq!(accepted(0x70, 0), [12]);
    assert_eq!(accepted(0x81, 0), [4]);
    for subtype in 0x9..=0xf {
        assert_eq!(accepted(subtype << 4, 0), (3..=40).collect::<Vec<_>>());
    }
}

#[test]
fn an_option_is_laid_out_byte_by_byte_as_in_the_rfc() {
    let dss = Dss {
        data_ack: Some(WireDataSequenceNumber::Short(0x0102_0304)),
        mapping: Some(Mapping {
            data_sequence: WireDataSequenceNumber::Long(0x1112_1314_1516_1718),
            subflow_sequence: SubflowSequenceNumber(0x2122_2324),
            length: 0x3132,
            checksum: Some(0x4142),
        }),
        data_fin: true,
    };
    let mut buffer = [0; 40];
    let length = dss.emit(&mut buffer).unwrap();
    let expected = [
        30, 24, 0x20, 0x1d, 1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24, 0x31,
        0x32, 0x41, 0x42,
    ];
    assert_eq!(&buffer[..length], expected);

    let add_addr = AddAddr {
        address_id: AddressId(5),
        address: "10.1.2.3".parse().unwrap(),
        port: Some(0x1234),
        form: AddAddrForm::Announcement(TruncatedHmac(0x0102_0304_0506_0708)),
    };
    let length = add_addr.emit(&mut buffer).unwrap();
    assert_eq!(
        &buffer[..length],
        [30, 18, 0x30, 5, 10, 1, 2, 3, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8]
    );

    let join = MpJoin::Syn {
        backup: true,
        address_id: AddressId(2),
        token: Token(0x0a0b_0c0d),
        nonce: Nonce(0x0102_0304),
    };
    let length = join.emit(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], [30, 12, 0x11, 2, 0x0a, 0x0b, 0x0c, 0x0d, 1, 2, 3, 4]);
}

#[test]
fn the_handshake_stage_decides_which_form_is_right() {
    let capable = |version, keys| MpCapable {
        version,
        flags: CapableFlags::HMAC,
        keys,
    };
    let key = Key([1; 8]);
    let (none, one) = (CapableKeys::None, CapableKeys::Sender(key));
    let both = CapableKeys::Both {
        sender: key,
        receiver: key,
    };
    let fits = |version, keys| {
        [Stage::Syn, Stage::SynAck, Stage::Ack].map(|stage| capable(version, keys).check_stage(stage).is_ok())
    };
    assert_eq!(fits(Version::V1, none), [true, false, false]);
    assert_eq!(fits(Version::V1, one), [false, true, false]);
    assert_eq!(fits(Version::V1, both), [false, false, true]);
    assert_eq!(fits(Version::V0, one), [true, true, false]);
    assert_eq!(fits(Version::V0, both), [false, false, true]);
    let error = capable(Version::V1, one).check_stage(Stage::Syn).unwrap_err();
    assert_eq!(
        format!("{error}"),
        "MP_CAPABLE: length 12, expected 4 in a version 1 SYN"
    );
    let join = MpJoin::Ack {
        hmac: JoinHmac([0; 20]),
    };
    assert!(join.check_stage(Stage::Ack).is_ok() && join.check_stage(Stage::SynAck).is_err());
}

#[test]
fn version_0_is_not_emitted_in_a_form_that_it_does_not_have() {
    let option = MpCapable {
        version: Version::V0,
        flags: CapableFlags::HMAC,
        keys: CapableKeys::None,
    };
    let expected = Error::OptionLength {
        option: "MP_CAPABLE version 0",
        length: 4,
        expected: "12 or 20",
    };
    assert_eq!(option.emit(&mut [0; 40]), Err(expected));
}

#[test]
fn an_error_says_which_option_its_length_and_what_was_expected() {
    let error = parse(&[30, 7, 0x20, 0x05, 0, 0, 0]).unwrap_err();
    assert_eq!(format!("{error}"), "DSS: length 7, expected 18 or 20 by its flags");
    let error = parse(&[30, 4, 0x03, 0]).unwrap_err();
    assert_eq!(format!("{error}"), "MP_CAPABLE: version is 3, expected 0 or 1");
    let error = parse(&[30, 3, 0x40]).unwrap_err();
    assert_eq!(format!("{error}"), "REMOVE_ADDR: length 3, expected 4 to 40");
    assert!(RemoveAddr::new(&[]).is_err());
    assert!(UnknownSubtype::new(8, 0, &[]).is_err());
}
