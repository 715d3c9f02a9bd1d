//! PURE. Changes of watches by themselves: one, many by label, or a whole file of them.
//!
//! ```text
//!   WatchOrder, CSV --fields--> what is written --table--> WatchTable --read--> Watch
//!   the watch as it is ----------------------------'
//! ```
//!
//! A watch is taken as the document would have it, changed there, and read as a document is: words
//! and faults are the same everywhere.

mod csv;
mod fields;
mod order;
mod parts;
mod sheet;
mod table;

pub use fields::{CheckFields, WatchFields};
pub use order::{Chosen, WatchOrder, change_watches};
pub use sheet::{Import, export_csv, import_csv};
pub(super) use table::check_table;
