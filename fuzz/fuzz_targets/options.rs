//! Any bytes as an option area: the walk stays inside, and what it reads can be written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mptcp_wire::tcp::{Options, TcpOption};

fuzz_target!(|area: &[u8]| {
    let mut end = 0;
    for located in Options::new(area).flatten() {
        assert_eq!(located.offset(), end);
        end += located.bytes().len();
        assert_eq!(&area[located.offset()..end], located.bytes());
        let Ok(option) = located.parse() else { continue };
        let mut buffer = [0; 40];
        let length = option.emit(&mut buffer).expect("what was read fits in 40 bytes");
        assert_eq!(length, located.bytes().len());
        assert_eq!(TcpOption::parse(&buffer[..length]), Ok(option));
    }
});
