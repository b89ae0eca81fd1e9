//! Temporary.
#![allow(missing_docs)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    NoInstance,
    NothingInForce,
    BadPolicy,
    OtherBuild,
    Io,
    NoDevice,
    NotPermitted,
    Other,
}
pub(crate) trait Kind {
    fn kind(&self) -> ErrorKind;
    fn device(&self) -> Option<&str>;
    fn policy(&self) -> Option<&str>;
    fn element(&self) -> Option<&str>;
    fn path(&self) -> Option<&std::path::Path>;
    fn errno(&self) -> Option<i32>;
}
impl Kind for emptcp_packet::Error {
    fn kind(&self) -> ErrorKind {
        use emptcp_packet::Error as E;
        match self {
            E::NoInstance { .. } => ErrorKind::NoInstance,
            E::NothingInForce { .. } => ErrorKind::NothingInForce,
            E::State { .. } => ErrorKind::OtherBuild,
            _ => ErrorKind::Other,
        }
    }
    fn device(&self) -> Option<&str> {
        use emptcp_packet::Error as E;
        match self {
            E::UnknownDevice { device, .. } => Some(device),
            _ => None,
        }
    }
    fn policy(&self) -> Option<&str> {
        use emptcp_packet::Error as E;
        match self {
            E::UnknownDevice { policy, .. } => Some(policy),
            _ => None,
        }
    }
    fn element(&self) -> Option<&str> {
        None
    }
    fn path(&self) -> Option<&std::path::Path> {
        None
    }
    fn errno(&self) -> Option<i32> {
        None
    }
}
