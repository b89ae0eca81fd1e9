//! The program that the kernel runs on each packet before it copies anything (classic BPF, `linux/filter.h`): TCP only.

use nix::libc;

/// `SKF_AD_OFF + SKF_AD_PROTOCOL`: the EtherType, in host order.
const ETHER_TYPE: u32 = 0xffff_f000;
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const VLAN: u32 = 0x8100;
const SERVICE_VLAN: u32 = 0x88a8;

/// Bytes of a VLAN tag at the network header: control information, EtherType.
pub(super) const TAG: u32 = 4;
/// Where its EtherType is.
const TAG_TYPE: u32 = 2;

const IPV4_PROTOCOL: u32 = 9;
const IPV6_NEXT_HEADER: u32 = 6;
const TCP: u32 = 6;
/// Headers of IPv6 that TCP may follow: hop-by-hop, routing, fragment, authentication, destination.
const EXTENSIONS: [u32; 5] = [0, 43, 44, 51, 60];

/// Whether this EtherType is that of a VLAN tag.
pub(super) fn is_vlan(ether_type: u16) -> bool {
    [VLAN, SERVICE_VLAN].contains(&ether_type.into())
}

/// One instruction, before the targets of its branches are known.
enum Step {
    LoadHalf(u32),
    LoadByte(u32),
    /// Jumps to the label if the loaded value equals this, otherwise continues.
    If(u32, Label),
    Return(u32),
    Here(Label),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    V4,
    V6,
    Tagged,
    TaggedV4,
    TaggedV6,
    Accept,
}

/// Accepts the first `length` bytes of TCP over IPv4 and IPv6, with at most one VLAN tag that the kernel left in place.
pub(super) fn program(length: u32) -> Vec<libc::sock_filter> {
    let mut steps = vec![
        Step::LoadHalf(ETHER_TYPE),
        Step::If(IPV4, Label::V4),
        Step::If(IPV6, Label::V6),
        Step::If(VLAN, Label::Tagged),
        Step::If(SERVICE_VLAN, Label::Tagged),
        Step::Return(0),
        Step::Here(Label::Tagged),
        Step::LoadHalf(TAG_TYPE),
        Step::If(IPV4, Label::TaggedV4),
        Step::If(IPV6, Label::TaggedV6),
        Step::Return(0),
    ];
    for (label, offset) in [(Label::V4, 0), (Label::TaggedV4, TAG)] {
        steps.extend([
            Step::Here(label),
            Step::LoadByte(offset + IPV4_PROTOCOL),
            Step::If(TCP, Label::Accept),
            Step::Return(0),
        ]);
    }
    for (label, offset) in [(Label::V6, 0), (Label::TaggedV6, TAG)] {
        steps.extend([
            Step::Here(label),
            Step::LoadByte(offset + IPV6_NEXT_HEADER),
            Step::If(TCP, Label::Accept),
        ]);
        steps.extend(EXTENSIONS.map(|header| Step::If(header, Label::Accept)));
        steps.push(Step::Return(0));
    }
    steps.extend([Step::Here(Label::Accept), Step::Return(length)]);
    assemble(&steps)
}

/// Replaces labels by distances. All branches go forward, by less than 256 instructions.
fn assemble(steps: &[Step]) -> Vec<libc::sock_filter> {
    let is_code = |step: &&Step| !matches!(step, Step::Here(_));
    let place = |label: Label| {
        let marked = steps
            .iter()
            .position(|step| matches!(step, Step::Here(here) if *here == label));
        steps.iter().take(marked.unwrap_or(0)).filter(is_code).count()
    };
    let instruction = |code: u32, jt: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf: 0,
        k,
    };
    let code = steps.iter().filter(is_code).enumerate();
    code.map(|(position, step)| match step {
        Step::LoadHalf(offset) => instruction(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, *offset),
        Step::LoadByte(offset) => instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, *offset),
        Step::If(value, label) => {
            let distance = place(*label).saturating_sub(position + 1);
            let code = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
            instruction(code, u8::try_from(distance).unwrap_or(u8::MAX), *value)
        }
        Step::Return(length) => instruction(libc::BPF_RET | libc::BPF_K, 0, *length),
        // Filtered out above.
        Step::Here(_) => instruction(libc::BPF_RET | libc::BPF_K, 0, 0),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel does; loads beyond the packet end it with 0.
    fn run(program: &[libc::sock_filter], ether_type: u16, packet: &[u8]) -> u32 {
        let (mut accumulator, mut at) = (0_u32, 0_usize);
        loop {
            let step = program[at];
            at += 1;
            match u32::from(step.code) {
                code if code == libc::BPF_LD | libc::BPF_H | libc::BPF_ABS && step.k == ETHER_TYPE => {
                    accumulator = ether_type.into();
                }
                code if code == libc::BPF_LD | libc::BPF_H | libc::BPF_ABS => {
                    let Some(bytes) = packet.get(step.k as usize..step.k as usize + 2) else {
                        return 0;
                    };
                    accumulator = u32::from(bytes[0]) << 8 | u32::from(bytes[1]);
                }
                code if code == libc::BPF_LD | libc::BPF_B | libc::BPF_ABS => {
                    let Some(&byte) = packet.get(step.k as usize) else {
                        return 0;
                    };
                    accumulator = byte.into();
                }
                code if code == libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K => {
                    at += usize::from(if accumulator == step.k { step.jt } else { step.jf });
                }
                code if code == libc::BPF_RET | libc::BPF_K => return step.k,
                code => panic!("{code:#x}"),
            }
        }
    }

    #[test]
    fn only_tcp_passes_with_and_without_a_tag() {
        let program = program(160);
        let (mut v4, mut v6) = (vec![0x45; 40], vec![0x60; 60]);
        v4[9] = 6;
        v6[6] = 6;
        let tagged = |ether_type: u16, packet: &[u8]| {
            let mut bytes = vec![0, 5];
            bytes.extend(ether_type.to_be_bytes());
            bytes.extend(packet);
            bytes
        };
        assert_eq!(run(&program, 0x0800, &v4), 160);
        assert_eq!(run(&program, 0x86dd, &v6), 160);
        assert_eq!(run(&program, 0x8100, &tagged(0x0800, &v4)), 160);
        assert_eq!(run(&program, 0x88a8, &tagged(0x86dd, &v6)), 160);
        v6[6] = 44;
        assert_eq!(run(&program, 0x86dd, &v6), 160);
        (v4[9], v6[6]) = (17, 58);
        assert_eq!(run(&program, 0x0800, &v4), 0);
        assert_eq!(run(&program, 0x86dd, &v6), 0);
        assert_eq!(run(&program, 0x8100, &tagged(0x0800, &v4)), 0);
        assert_eq!(run(&program, 0x0806, &v4), 0);
        assert_eq!(run(&program, 0x0800, &v4[..5]), 0);
    }
}
