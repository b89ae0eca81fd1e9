/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Shared by the programs in the kernel and the library in user space: the only definition of every map key, map value
 * and number that both sides read. The Rust mirror is crates/emptcp-abi; a test of that crate compiles this file and
 * compares every size and offset.
 *
 * Rules: fixed-width types, no implicit padding, values in host order unless the type says __be.
 */
#ifndef EMPTCP_ABI_H
#define EMPTCP_ABI_H

/*
 * Raised with every change that older elements or older pinned maps would misread: sizes, offsets, meanings. Elements
 * have the version that they were built with, instances the one that made their maps; other versions are refused.
 */
#define EMPTCP_ABI_VERSION 4

/* ---- Chains --------------------------------------------------------------------------------------------
 * One prog array per hook (XDP ingress, tc ingress, tc egress). It holds two banks of slots, one for the policy
 * set in force and one for its successor. The low bit of the generation says which bank is in force, so that one
 * store switches every device and direction at once.
 */
#define EMPTCP_POLICIES 64     /* policies of one set */
#define EMPTCP_BANK_SLOTS 1024 /* slots of one bank */
#define EMPTCP_CHAIN_SLOTS (2 * EMPTCP_BANK_SLOTS)
/* Inside a bank: slot i < EMPTCP_POLICIES is the head of policy i, then further elements, then: */
#define EMPTCP_SLOT_FIRST_ELEMENT EMPTCP_POLICIES
#define EMPTCP_SLOT_LAST_ELEMENT (EMPTCP_BANK_SLOTS - 3)
#define EMPTCP_SLOT_SLOW_PATH (EMPTCP_BANK_SLOTS - 2)   /* core program emptcp_slow_path; bank 0 only, serves both */
#define EMPTCP_SLOT_NEXT_POLICY (EMPTCP_BANK_SLOTS - 1) /* core program emptcp_next_policy, in either bank */
#define EMPTCP_SLOT_END 0xffffffffu                     /* as a successor: the chain ends here */
#define EMPTCP_TAIL_CALLS 33                            /* the kernel's MAX_TAIL_CALL_CNT */
#define EMPTCP_CHAIN_LIMIT (EMPTCP_TAIL_CALLS - 1)      /* what chains may use: one call is kept for the slow path */

/* The value of the one-entry map emptcp_control, stored and loaded as one 64-bit word: generation in the low half,
 * features in the high half. */
enum emptcp_feature {
	EMPTCP_FEATURE_FLOW_VIEW = 1 << 0,  /* some element reads packet->flow */
	EMPTCP_FEATURE_CONNECTION = 1 << 1, /* some element reads packet->connection: count per connection */
	EMPTCP_FEATURE_STACKED = 1 << 2,    /* of two devices under policy one is on top of the other */
};

/* ---- Counters ------------------------------------------------------------------------------------------
 * Elements: per-CPU array emptcp_counters of struct emptcp_counter. Every policy and every element of a policy set
 * owns EMPTCP_ELEMENT_COUNTERS slots from the base that the loader writes into its .rodata.
 * Core: the per-CPU array emptcp_scratch (one entry) begins with __u64 core[EMPTCP_CORE_COUNTERS], packets only, so
 * that the fast path needs one look-up for scratch space and counters.
 */
#define EMPTCP_CORE_COUNTERS 32
#define EMPTCP_ELEMENT_COUNTERS 8
#define EMPTCP_COUNTERS 8192

/* The kind of an element, as its object declares it. */
enum emptcp_element_kind {
	EMPTCP_ELEMENT_SELECTOR = 1,
	EMPTCP_ELEMENT_ACTOR = 2,
};

struct emptcp_counter {
	__u64 packets; /* wire segments: an aggregate counts as its gso_segs */
	__u64 bytes;   /* TCP payload bytes */
};

enum emptcp_core_counter {
	EMPTCP_CORE_NOT_TCP,            /* not Ethernet/IP/TCP: passed */
	EMPTCP_CORE_FRAGMENT,           /* IP fragment: passed, never parsed as TCP */
	EMPTCP_CORE_MALFORMED,          /* headers shorter than they claim: passed */
	EMPTCP_CORE_UNTRACKED,          /* TCP, but no MPTCP subflow that we know: passed */
	EMPTCP_CORE_TRACKED,            /* belongs to a flow record */
	EMPTCP_CORE_SELECTED,           /* some policy matches this flow */
	EMPTCP_CORE_RESOLVED,           /* policies of a flow resolved (first packet, or new generation) */
	EMPTCP_CORE_FLOW_NEW,           /* half-open flow records made by a handshake */
	EMPTCP_CORE_FLOW_ESTABLISHED,   /* flow records promoted to the main table */
	EMPTCP_CORE_FLOW_CLOSED,        /* flow records removed after FIN or RST */
	EMPTCP_CORE_FLOW_FAILED,        /* flow record could not be stored: passed */
	EMPTCP_CORE_CONNECTION_NEW,     /* connection records made */
	EMPTCP_CORE_CONNECTION_UNKNOWN, /* MP_JOIN with a token that we do not know */
	EMPTCP_CORE_CHAIN_BROKEN,       /* a tail call found no program: passed (must stay 0) */
	EMPTCP_CORE_TRUNCATED,          /* headers not in the linear part and could not be pulled: passed */
	EMPTCP_CORE_FLOW_EVICTED,       /* an established flow's record was evicted for a newer one: its set was full */
	EMPTCP_CORE_EVENT_LOST,         /* an event was not written: two writers met on one CPU */
	EMPTCP_CORE_UNACCEPTABLE, /* its numbers cannot be the sender's: changed no record (docs/flow-records.md) */
	EMPTCP_CORE_SYN_ON_ESTABLISHED, /* SYN or SYN-ACK of a subflow that is established: changed no record */
	EMPTCP_CORE_REANCHORED,         /* a record's numbers replaced: the other side acknowledges them */
	EMPTCP_CORE_SEEN_BEFORE,        /* a device below or above has counted the packet already */
	EMPTCP_CORE_FLOW_PARTIAL,       /* records made in mid-stream: the handshake was not seen */
	EMPTCP_CORE_COUNTERS_USED
};

/* ---- Packet ---------------------------------------------------------------------------------------------- */

/* What a segment is and carries: packet->types. The first byte of every group is named in the policy language. */
enum emptcp_packet_type {
	EMPTCP_SYN = 1 << 0, /* SYN without ACK */
	EMPTCP_SYNACK = 1 << 1,
	EMPTCP_THIRD_ACK = 1 << 2, /* first ACK of the opener (MP_CAPABLE or MP_JOIN third ACK) */
	EMPTCP_PURE_ACK = 1 << 3,  /* ACK, no payload, no SYN, FIN or RST */
	EMPTCP_ACK = 1 << 4,       /* ACK flag set */
	EMPTCP_DATA = 1 << 5,      /* payload present */
	EMPTCP_FIN = 1 << 6,
	EMPTCP_RST = 1 << 7,
	EMPTCP_MP_CAPABLE = 1 << 8, /* from here: options present */
	EMPTCP_MP_JOIN = 1 << 9,
	EMPTCP_DSS = 1 << 10,
	EMPTCP_ADD_ADDR = 1 << 11, /* announcement, not echo */
	EMPTCP_ADD_ADDR_ECHO = 1 << 12,
	EMPTCP_REMOVE_ADDR = 1 << 13,
	EMPTCP_MP_PRIO = 1 << 14,
	EMPTCP_MP_FAIL = 1 << 15,
	EMPTCP_MP_FASTCLOSE = 1 << 16,
	EMPTCP_MP_TCPRST = 1 << 17,
	EMPTCP_MP_EXPERIMENTAL = 1 << 18, /* subtypes 0x9-0xf */
	EMPTCP_DSS_MAP = 1 << 19,         /* DSS carries a mapping */
	EMPTCP_DSS_ACK = 1 << 20,         /* DSS carries a DATA_ACK */
	EMPTCP_DATA_FIN = 1 << 21,
	EMPTCP_SACK = 1 << 22, /* SACK blocks present */
	EMPTCP_TIMESTAMPS = 1 << 23,
	EMPTCP_OPTIONS_BROKEN = 1 << 24, /* the option list does not parse: nothing may be written */
	EMPTCP_UNACCEPTABLE = 1 << 25,   /* its numbers cannot be the sender's (docs/flow-records.md) */
	EMPTCP_MAPPED = 1 << 26, /* dsn and data_level_length are set: DSS mapping, or the implicit one of MP_CAPABLE */
	EMPTCP_PSH = 1 << 27,
};
#define EMPTCP_ANY_MPTCP 0x7ff00 /* every MP_* and DSS bit above */

enum emptcp_side {
	EMPTCP_LOCAL = 0,  /* this side of the device: sends at egress */
	EMPTCP_REMOTE = 1, /* the other side of the device: sends at ingress */
};

enum emptcp_direction {
	EMPTCP_EGRESS = 0,  /* sent by EMPTCP_LOCAL */
	EMPTCP_INGRESS = 1, /* sent by EMPTCP_REMOTE */
};

/* A subflow as seen from one device: "local" is this side of the device, which on an end host is the host. A
 * gateway sees a forwarded subflow once on each side. IPv4 addresses are IPv4-mapped (RFC 4291 2.5.5.2). */
struct emptcp_flow_key {
	__be32 local[4];
	__be32 remote[4];
	__be16 local_port;
	__be16 remote_port;
};

/* ---- Flow table ------------------------------------------------------------------------------------------ */

enum emptcp_flow_state {
	EMPTCP_FLOW_ADOPTING = 0,    /* first seen in mid-stream, one direction only so far */
	EMPTCP_FLOW_SYN = 1,         /* SYN seen */
	EMPTCP_FLOW_SYNACK = 2,      /* SYN-ACK that fits seen */
	EMPTCP_FLOW_ESTABLISHED = 3, /* third ACK that fits seen, or adopted in mid-stream */
	EMPTCP_FLOW_CLOSING = 4,     /* one FIN sent and acknowledged */
	EMPTCP_FLOW_CLOSED = 5,      /* both FINs acknowledged, or RST */
};

enum emptcp_flow_flag {
	EMPTCP_FLOW_INITIAL = 1 << 0,      /* opened with MP_CAPABLE */
	EMPTCP_FLOW_JOINED = 1 << 1,       /* opened with MP_JOIN */
	EMPTCP_FLOW_PARTIAL = 1 << 2,      /* handshake not seen: role, scale, token may be unknown */
	EMPTCP_FLOW_LOCAL_OPENED = 1 << 3, /* the local side sent the SYN */
	EMPTCP_FLOW_REMOTE_OPENED = 1 << 4,
	EMPTCP_FLOW_BACKUP_LOCAL = 1 << 5, /* the local side asked for backup (MP_JOIN B or MP_PRIO) */
	EMPTCP_FLOW_BACKUP_REMOTE = 1 << 6,
	EMPTCP_FLOW_ADDRESS_IDS = 1 << 7, /* address ids are known */
	EMPTCP_FLOW_CHECKSUM = 1 << 8,    /* DSS checksums required */
	/*
	 * A RST of this side had a possible, but not the exact sequence number, and no acceptable segment followed yet.
	 */
	EMPTCP_FLOW_RESET_SUSPECTED_LOCAL = 1 << 9,
	EMPTCP_FLOW_RESET_SUSPECTED_REMOTE = 1 << 10,
	EMPTCP_FLOW_COUNTED = 1 << 11,       /* among the subflows of its connection; for the core alone */
	EMPTCP_FLOW_ENDED = 1 << 12,         /* an actor has ended it; the record goes with its next segment */
	EMPTCP_FLOW_ONE_DIRECTION = 1 << 13, /* only one side's segments pass here */
	/* A DSN of this side lies far from what is known (dsn_jump); a DATA_ACK will decide. */
	EMPTCP_FLOW_DSN_JUMP_LOCAL = 1 << 14,
	EMPTCP_FLOW_DSN_JUMP_REMOTE = 1 << 15,
};

#define EMPTCP_SCALE_UNKNOWN 0xff
#define EMPTCP_WINDOW_LARGEST (1u << 30) /* 65535 << 14, rounded up (RFC 7323 section 2.2) */
#define EMPTCP_WINDOW_LEAST 66000u       /* what the check of numbers allows at least */
#define EMPTCP_RANGES 4
#define EMPTCP_RUN 8 /* segments that show numbers to be true when the other side acknowledges them */

/* Sequence numbers from begin to the one before end. */
struct emptcp_range {
	__u32 begin;
	__u32 end;
};

enum emptcp_known {
	EMPTCP_KNOWN_STARTED = 1 << 0,       /* end, contiguous, base are valid */
	EMPTCP_KNOWN_ACKNOWLEDGING = 1 << 1, /* acknowledgement, sack_edge are valid */
};

enum emptcp_fin {
	EMPTCP_FIN_NONE = 0,
	EMPTCP_FIN_SENT = 1,
	EMPTCP_FIN_ACKNOWLEDGED = 2,
};

/* One side of a subflow: docs/flow-records.md defines every field. What each packet needs comes first. */
struct emptcp_sender {
	__u64 packets;         /* wire segments */
	__u64 bytes;           /* TCP payload bytes, retransmissions included */
	__u64 last_ns;         /* its last acceptable segment; 0: none */
	__u64 rtt_sent_ns;     /* when the segment that times the round trip was sent (0: none outstanding) */
	__u64 dsn_next;        /* one past the highest DSN mapped (0: none yet) */
	__u32 end;             /* one past the highest sequence number sent */
	__u32 contiguous;      /* everything from base up to here was seen */
	__u32 acknowledgement; /* highest acknowledgement number sent */
	__u32 sack_edge;       /* highest edge of SACK sent, at least acknowledgement */
	__u32 window;          /* of its last segment, bytes */
	__u32 window_max;      /* the largest that may be in use, bytes */
	__u32 rtt_end;         /* the acknowledgement that ends the sample */
	__u32 rtt_timestamp;   /* TSval of the segment that began it */
	__u8 known;            /* enum emptcp_known */
	__u8 range_count;
	__u8 window_scale; /* EMPTCP_SCALE_UNKNOWN when the SYN was not seen */
	__u8 address_id;
	__u8 fin; /* enum emptcp_fin */
	__u8 run_count;
	__u8 reserved[2];
	__u64 dsn_first;       /* lowest 64-bit DSN mapped (0: none yet) */
	__u64 idsn;            /* initial DSN from the key (0: unknown) */
	__u32 isn;             /* initial sequence number, when the SYN was seen */
	__u32 base;            /* where `contiguous` began */
	__u32 retransmissions; /* segments of which part had been seen before */
	__u32 uncertain;       /* segments for which that is unknown */
	__u32 unacceptable;    /* segments in this side's name with impossible numbers */
	__u32 reanchored;      /* times that the numbers were replaced */
	__u32 rtt_us;          /* smoothed, from here to this side's peer and back; RFC 6298 weights */
	__u32 rtt_min_us;
	__u32 rtt_samples;
	__u32 fin_end;   /* one past its FIN */
	__u32 run_begin; /* the run of unacceptable segments just seen */
	__u32 run_end;
	struct emptcp_range ranges[EMPTCP_RANGES]; /* seen above `contiguous`, in order */
};

/* The policies that match a flow in one direction: the result of the classifier, for one generation and device. */
struct emptcp_resolution {
	__u32 generation;
	__u32 ifindex;
	__u64 policies;
};

/* Devices on top of each other: the result for the last packet at the device that saw it first. */
struct emptcp_passage {
	__u64 ran;   /* policies that have run for it */
	__u32 types; /* found by the core: EMPTCP_THIRD_ACK, EMPTCP_UNACCEPTABLE, EMPTCP_MAPPED */
	__u32 idle;  /* silence of the subflow before it, in units of 1024 ns; top bit: the packet has ended it */
	struct emptcp_resolution other; /* the policies at the device that sees it next */
};

#define EMPTCP_PASSAGE_CLOSED (1u << 31)

/* Key of emptcp_stacked: `upper` is on top of `lower`, as a bridge on its port or a VLAN device on its parent. */
struct emptcp_device_pair {
	__u32 upper;
	__u32 lower;
};

struct emptcp_flow {
	__u64 id;       /* unique while the instance lives: the key of elements' own per-flow state */
	__u64 first_ns; /* CLOCK_MONOTONIC */
	__u64 last_ns;
	__u64 connection;  /* key in emptcp_connections, 0 while unknown */
	__u32 local_token; /* 0 while unknown */
	__u32 remote_token;
	__u32 ifindex;                          /* where it was first seen; of stacked devices the lowest */
	__u16 flags;                            /* enum emptcp_flow_flag */
	__u8 state;                             /* enum emptcp_flow_state */
	__u8 version;                           /* MPTCP version: 0, 1; 0xff unknown */
	struct emptcp_resolution resolution[2]; /* by enum emptcp_direction */
	__u64 watch;                            /* not 0: every packet takes the slow path (docs/flow-records.md) */
	struct emptcp_sender sender[2];         /* by enum emptcp_side */
	struct emptcp_passage passage[2];       /* by enum emptcp_direction */
	__u64 dsn_jump;                         /* one past the mapping that is far from all known, see the flags */
};

/*
 * The main table: sets of EMPTCP_FLOW_WAYS slots. Map emptcp_flow_sets holds a tag for each slot of a set, 0 for a free
 * one; map emptcp_flows holds the slots, slot = set * EMPTCP_FLOW_WAYS + way. A key's hash gives its set (low bits),
 * its tag (top byte, never 0) and the way that it takes when that is free (the three bits below the tag). The hash is
 * emptcp_flow_hash() of bpf/core/flow_table.h, keyed by a secret of the instance. Reason not to use the kernel's hash
 * map: a hit there is several function calls, 45 ns with mitigations for returns (retpolines, Safe RET); this look-up
 * is inlined and takes a few ns.
 */
#define EMPTCP_FLOW_WAYS 8

struct emptcp_flow_set {
	__u8 tag[EMPTCP_FLOW_WAYS];
};

struct emptcp_slot {
	struct emptcp_flow flow; /* first, so that a pointer to the slot is one to the record, NULL or not */
	struct emptcp_flow_key key;
	__u32 reserved;
};

#define EMPTCP_SECRETS 6

/* The only entry of map emptcp_table, written once when the instance is made. */
struct emptcp_table {
	__u64 secret[EMPTCP_SECRETS];
	__u32 set_mask; /* number of sets less one; a power of two of them */
	__u32 reserved;
};

/*
 * What a socket of this host reports about its subflow: input of the core program emptcp_adopt, after an Ethernet
 * header.
 */
struct emptcp_adoption {
	struct emptcp_flow_key key;
	__u32 token[2]; /* by enum emptcp_side, 0: unknown */
	__u16 flags;    /* enum emptcp_flow_flag */
	__u8 version;   /* of MPTCP */
	__u8 made;      /* an earlier run has made the connection: its subflows are counted now */
	__u64 connection;
	__u8 address_id[2];   /* by enum emptcp_side */
	__u8 window_scale[2]; /* by enum emptcp_side, EMPTCP_SCALE_UNKNOWN when the host does not know */
	__u8 reserved[4];
};

/* What emptcp_adopt did: bits of its return value. */
enum emptcp_adopted {
	EMPTCP_ADOPTED_STORED = 1 << 0,     /* a record was made */
	EMPTCP_ADOPTED_COMPLETED = 1 << 1,  /* a record that the data path had made got what its packets do not show */
	EMPTCP_ADOPTED_CONNECTION = 1 << 2, /* the connection was made */
};

struct emptcp_totals {
	__u64 packets; /* segments, both directions */
	__u64 bytes;   /* payload */
	__u64 retransmissions;
};

/* A connection as seen from one side. Key of emptcp_connections: __u64 id. */
struct emptcp_connection {
	__u64 id;
	__u64 first_ns;
	__u64 last_ns;
	__u64 packets;
	__u64 bytes; /* payload, both directions, all subflows */
	__u64 retransmissions;
	/* By enum emptcp_side; 0: unknown. */
	__u64 idsn[2];
	__u64 data_ack[2]; /* highest DATA_ACK sent by each side */
	__u64 dsn_next[2]; /* one past the highest DSN mapped, to 2^24 */
	__u32 token[2];
	__u32 window_max[2]; /* largest window that a subflow has advertised, bytes */
	__u32 subflows;      /* ever established */
	__u8 version;
	__u8 reserved[3];
	struct emptcp_totals ended; /* totals of ended subflows */
	__u64 noted_ns;             /* when this entry was made: later than first_ns if an older one was evicted */
};

/* Key of emptcp_tokens; value: __u64 connection id. */
struct emptcp_token_key {
	__u32 token;
	__u32 side; /* enum emptcp_side: whose token */
};

/* Keys from MP_CAPABLE. Map emptcp_keys, readable by root alone, keyed by __u64 connection id. */
struct emptcp_keys {
	__u8 key[2][8]; /* by enum emptcp_side, network order */
};

/* ---- Classifier ------------------------------------------------------------------------------------------
 * The static part of every policy as a graph of rules, evaluated once per flow, direction, device and generation.
 * Map emptcp_rules: array of 2 * EMPTCP_RULES, one half per bank. Evaluation starts at rule 0 of the bank.
 */
#define EMPTCP_RULES 512
#define EMPTCP_RULE_END 0xffff

/*
 * A kind names the fact that a rule tests: four 32-bit words, in network order for addresses; other facts stand in host
 * order in the first word and the rest is 0. A rule matches when low <= first word (host order) <= high, and every word
 * agrees with `address` where `mask` has bits. An unused half of the test is written as 0..0xffffffff, or mask 0:
 * evaluation has no branch per kind, so that the verifier can check five hundred rules.
 */
enum emptcp_rule_kind {
	EMPTCP_RULE_STOP = 0,       /* evaluation ends: what an empty bank holds */
	EMPTCP_RULE_ACCEPT = 1,     /* always matches; `accept` is 1: the flow matches policy `policy` */
	EMPTCP_RULE_DIRECTION = 2,  /* enum emptcp_direction */
	EMPTCP_RULE_DEVICE = 3,     /* ifindex */
	EMPTCP_RULE_IP_VERSION = 4, /* 4 or 6 */
	EMPTCP_RULE_SOURCE = 5,     /* address of the packet's sender, IPv4 mapped */
	EMPTCP_RULE_DESTINATION = 6,
	EMPTCP_RULE_SOURCE_PORT = 7,
	EMPTCP_RULE_DESTINATION_PORT = 8,
	EMPTCP_RULE_KINDS = 16, /* room for facts: a power of two */
};

struct emptcp_rule {
	__u8 kind;
	__u8 policy;
	__u8 accept; /* 1 for EMPTCP_RULE_ACCEPT, else 0 */
	__u8 reserved;
	__u16 on_match; /* index in the bank, or EMPTCP_RULE_END */
	__u16 on_miss;
	__u32 low;
	__u32 high;
	__be32 address[4];
	__be32 mask[4];
};

/* ---- Events ----------------------------------------------------------------------------------------------
 * Each CPU has a ring of slots; the newest event takes the slot of the oldest. Readers map the rings into their memory,
 * change nothing there and keep their own place, so that every reader sees every event. (A BPF ring buffer can neither
 * overwrite nor serve several readers.) Event n of a CPU, counted from 0, lies in slot cpu * slots + n % slots of the
 * array emptcp_events. Every event begins with struct emptcp_event; body_length bytes follow.
 */
enum emptcp_event_kind {
	EMPTCP_EVENT_CONNECTION = 1, /* get_connect: struct emptcp_event_connection */
	EMPTCP_EVENT_SUBFLOW = 2,    /* get_subflow: struct emptcp_event_subflow */
	EMPTCP_EVENT_RECORD = 3,     /* record: struct emptcp_flow */
	EMPTCP_EVENT_USER = 64,      /* from here on: events of custom elements, body as bytes */
};

#define EMPTCP_EVENT_BODY 512
#define EMPTCP_EVENT_BYTES 576 /* header and body */
#define EMPTCP_EVENT_WORDS 72

/*
 * The ring of one CPU: map emptcp_event_rings, an entry for each possible CPU, so large that no two share a cache line.
 */
struct emptcp_event_ring {
	__u64 next;    /* number of the next event */
	__u64 slots;   /* slots of each CPU's ring, the same for all */
	__u64 writers; /* programs that take a number just now */
	__u64 reserved[5];
};

struct emptcp_event_slot {
	__u64 sequence; /* 0: never used; 2n + 1: event n is being written; 2n + 2: it is complete */
	/*
	 * Over sequence, length and words, by emptcp_event_sum(). A reader that copies while another event is written,
	 * or on a CPU that reorders stores, sees it.
	 */
	__u64 checksum;
	__u32 length; /* bytes of the event, header included */
	__u32 reserved;
	__u64 words[EMPTCP_EVENT_WORDS];
};

struct emptcp_event {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 flow;    /* flow id */
	struct emptcp_flow_key key;
	__u32 policy; /* stable id of the policy that emitted it */
	__u16 kind;
	__u16 body_length;
	__u8 direction;
	__u8 reserved[3];
};

struct emptcp_event_connection {
	__u64 connection;
	__u32 token[2]; /* by enum emptcp_side, 0: unknown */
	__u8 version;
	__u8 opened_by; /* enum emptcp_side */
	__u8 keys_included;
	__u8 reserved[5];
	__u8 key[2][8]; /* only when the policy asks by keys=yes */
};

enum emptcp_subflow_change {
	EMPTCP_SUBFLOW_ESTABLISHED = 1,
	EMPTCP_SUBFLOW_CLOSED = 2,
};

/* What is unknown about a subflow whose handshake was not seen. */
enum emptcp_subflow_unknown {
	EMPTCP_UNKNOWN_OPENER = 1 << 0,      /* opened_by */
	EMPTCP_UNKNOWN_ROLE = 1 << 1,        /* initial */
	EMPTCP_UNKNOWN_ADDRESS_IDS = 1 << 2, /* address_id */
};

struct emptcp_event_subflow {
	__u64 connection;
	__u32 token[2];
	__u8 change;    /* enum emptcp_subflow_change */
	__u8 opened_by; /* enum emptcp_side */
	__u8 initial;
	__u8 backup;
	__u8 address_id[2];
	__u8 reset;   /* closed by RST */
	__u8 unknown; /* enum emptcp_subflow_unknown */
};

#endif
