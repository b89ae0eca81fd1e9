/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One 4-tuple, whichever end sends: the eMPTCP paper's subflow selector. */
#include <emptcp/element.h>

struct arguments {
	struct emptcp_prefix address_a;
	struct emptcp_prefix address_b;
	__u16 port_a[2];
	__u16 port_b[2];
};
ARGUMENTS;

static __always_inline bool end_matches(const __be32 *address, __u16 port, const volatile struct emptcp_prefix *prefix,
					const volatile __u16 *ports)
{
	return port >= ports[0] && port <= ports[1] && emptcp_prefix_matches(address, prefix->address, prefix->length);
}

SELECTOR(subflow)
{
	const struct emptcp_flow_key *key = &packet->key;
	__u16 local = bpf_ntohs(key->local_port), remote = bpf_ntohs(key->remote_port);

	if (end_matches(key->local, local, &arguments.address_a, arguments.port_a) &&
	    end_matches(key->remote, remote, &arguments.address_b, arguments.port_b))
		return true;
	return end_matches(key->local, local, &arguments.address_b, arguments.port_b) &&
	       end_matches(key->remote, remote, &arguments.address_a, arguments.port_a);
}
