//! Common refusals of the verifier: its message, and what helps. Each row is tested with a program that the kernel
//! really refuses (`tests/refusals.rs`).

/// One trap.
struct Trap {
    /// Any of these is in the verifier's last message.
    says: &'static [&'static str],
    /// What helps.
    hint: &'static str,
}

/// The first matching row is used: special ones come first.
const TRAPS: &[Trap] = &[
    Trap {
        says: &[
            "pointer |= pointer",
            "R0 bitwise operator |= on pointer",
            "bitwise operator |= on pointer",
        ],
        hint: "`if (!a || !b)` on two pointers becomes an OR of pointers, which the verifier does not allow: \
               write two ifs",
    },
    Trap {
        says: &["32-bit pointer arithmetic", "partial copy of pointer"],
        hint: "ctx->data and ctx->data_end are 32-bit words that stand for pointers: widen each before the arithmetic, \
               `(void *)(long)ctx->data`",
    },
    Trap {
        says: &["bitwise operator", "pointer arithmetic with", "math between"],
        hint: "arithmetic on a packet pointer must be an addition of a number with a small known bound: mask the \
               offset first (`offset &= 0x1ff`), or use emptcp_at()",
    },
    Trap {
        says: &["offset is outside of the packet", "invalid access to packet"],
        hint: "compare with data_end before every access, with the same pointer that is read, or take the pointer by emptcp_at() \
               and test it: without `if (!pointer) return EMPTCP_CONTINUE;` the compiler takes it for valid and drops the check \
               inside; after a helper that changes the packet (pull, adjust, store) all packet pointers are void: ask \
               emptcp_at() again",
    },
    Trap {
        says: &["invalid mem access 'scalar'", "invalid mem access 'inv'"],
        hint: "this pointer is not valid (any more): after a helper that changes the packet, or after arithmetic that \
               the verifier cannot follow, take it again by emptcp_at(), and test it for NULL",
    },
    Trap {
        says: &["map_value_or_null", "mem_or_null", "_or_null'", "or_null_"],
        hint: "a look-up can fail: test the pointer for NULL before it is used",
    },
    Trap {
        says: &[
            "unbounded memory access",
            "min value is negative",
            "max value is outside",
            "unbounded min value",
        ],
        hint: "the verifier knows no bound of this offset or length: mask it (`offset &= 0x1ff`) or compare it with a \
               constant just before the access, and keep both in the same variable",
    },
    Trap {
        says: &[
            "infinite loop detected",
            "back-edge",
            "too many instructions",
            "BPF program is too large",
            "The sequence of",
        ],
        hint: "a loop needs a bound that the verifier can see: `for (int i = 0; i < CONSTANT; i++)`, with early \
               `break`; few branches inside",
    },
    Trap {
        says: &[
            "combined stack size",
            "invalid stack",
            "stack limit",
            "out of bounds stack",
            "invalid write to stack",
        ],
        hint: "a program has 512 bytes of stack, together with the functions that it calls: keep large values in a \
               per-CPU map",
    },
    Trap {
        says: &[
            "unknown func",
            "invalid func",
            "helper call is not allowed",
            "cannot use helper",
            "program of this type cannot use helper",
        ],
        hint: "this kernel or this hook does not have the helper: guard it by \
               EMPTCP_HOOK_TC / EMPTCP_HOOK_XDP or list fewer hooks in element.toml",
    },
    Trap {
        says: &[
            "!read_ok",
            "invalid read from stack",
            "invalid indirect read from stack",
        ],
        hint: "a variable is read before it was written: initialise it, whole structures by `= {}` (padding too)",
    },
    Trap {
        says: &[
            "cannot write into packet",
            "write into map forbidden",
            "cannot write into",
        ],
        hint: "this memory is read-only here: packets are changed by the edit functions of the SDK, and only by actors",
    },
    Trap {
        says: &["misaligned"],
        hint: "this access is not aligned: read the bytes one by one, or by bpf_skb_load_bytes",
    },
];

/// For a packet pointer with a variable part (`id` is not 0) and no known range.
const VARIABLE_OFFSET: &str = "the offset of this packet pointer is variable and has no bound that the verifier knows: \
    if it is from emptcp_at(), test it for NULL (`if (!pointer) return EMPTCP_CONTINUE;`), else the compiler drops the check \
    inside; if it is not, mask the offset (`offset &= 0x1ff`) and compare the same pointer with data_end, or use emptcp_at()";

/// For the path on which a pointer is NULL.
const NULL: &str = "this pointer can be NULL, and is not tested for it: emptcp_at(), emptcp_tcp() and emptcp_flow_record() \
    give NULL when the bytes or the record are not there; write `if (!pointer) return EMPTCP_CONTINUE;` (in a selector: \
    `return false;`) before it is used";

/// Whether the refused access uses a register that holds 0: NULL, on this path of the program.
fn is_null(words: &str, log: &str) -> bool {
    let Some((register, _)) = words.lines().find_map(|line| {
        line.split_once(" invalid mem access '")
            .filter(|(r, _)| r.starts_with('R'))
    }) else {
        return false;
    };
    // The last state of the register in the log: `R2=0`, `R2_w=0`; before Linux 5.18 `R2=inv0`, `R2_w=invP0`.
    let states = log.split([' ', '\n']).filter_map(|word| word.split_once('='));
    let last = states.rev().find(|(name, _)| name.trim_end_matches("_w") == register);
    last.is_some_and(|(_, value)| matches!(value, "0" | "P0" | "inv0" | "invP0"))
}

/// What usually helps for this message.
pub(crate) fn hint(words: &str, log: &str) -> Option<&'static str> {
    if words.contains("invalid access to packet") && words.contains("(id=") && !words.contains("(id=0,") {
        return Some(VARIABLE_OFFSET);
    }
    if is_null(words, log) {
        return Some(NULL);
    }
    let last_lines: Vec<&str> = log.lines().rev().take(8).collect();
    let row = |text: &str| {
        TRAPS
            .iter()
            .find(|trap| trap.says.iter().any(|says| text.contains(says)))
    };
    row(words)
        .or_else(|| last_lines.iter().find_map(|line| row(line)))
        .map(|trap| trap.hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_that_holds_0_was_a_pointer_that_nobody_tested_whatever_the_kernel_calls_it() {
        for (words, log, null) in [
            (
                "R2 invalid mem access 'scalar'",
                "39: (b7) r2 = 0 ; R2=0\n40: R1=pkt(r=0) R2=0 R3=1\n",
                true,
            ),
            ("R2 invalid mem access 'scalar'", "39: (b7) r2 = 0 ; R2_w=0\n", true),
            (
                "R2 invalid mem access 'inv'",
                "40: R1=pkt(id=0,off=0,r=0,imm=0) R2_w=inv0 R10=fp0\n",
                true,
            ),
            ("R2 invalid mem access 'inv'", "40: R2_w=invP0 R10=fp0\n", true),
            (
                "R2 invalid mem access 'scalar'",
                "39: R2=0\n40: R2=scalar(umax=9)\n",
                false,
            ),
            ("R2 invalid mem access 'scalar'", "39: R1=0 R12=0 R2=0xff\n", false),
            (
                "R2 invalid mem access 'map_value_or_null'",
                "39: R2=map_value_or_null(id=1)\n",
                false,
            ),
        ] {
            assert_eq!(is_null(words, log), null, "{log}");
            assert_eq!(hint(words, log) == Some(NULL), null, "{log}");
        }
    }
}
