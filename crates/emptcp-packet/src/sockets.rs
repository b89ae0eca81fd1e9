//! The MPTCP subflows of this host, as its own sockets report them (`mptcp-netlink`).

use crate::error::{OrKernel, Result};
use emptcp_abi::FlowKey;
use mptcp_netlink::{SockDiag, Subflow};
use std::{collections::HashSet, io};

/// The subflows of this network namespace's sockets.
pub(crate) fn keys() -> Result<HashSet<FlowKey>> {
    Ok(subflows()?.iter().map(|subflow| subflow.addresses.into()).collect())
}

/// All established MPTCP subflows of this network namespace.
pub(crate) fn subflows() -> Result<Vec<Subflow>> {
    let subflows = SockDiag::open().and_then(|mut diag| diag.subflows());
    subflows
        .map_err(io::Error::from)
        .or_kernel("list the sockets of this host")
}
