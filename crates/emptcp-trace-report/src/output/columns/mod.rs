//! The columns of the four tables. Their names follow from the fields of the records:
//!
//! * a value for each direction: `data` is `data_c2s` and `data_s2c`;
//! * parts of a field: `rtt` is `rtt_c2s_n`, `rtt_c2s_mean` and so on; `detail` is `detail_gap` and so on;
//! * a pair: `tokens` is `tokens_client` and `tokens_server`.
//!
//! The first column of each table is `trace`, so that `trace` and `conn_id` identify a connection in all of them.

mod connections;
mod events;
mod strays;
mod subflows;

pub use connections::connections;
pub use events::events;
pub use strays::strays;
pub use subflows::subflows;

#[cfg(test)]
mod tests;
