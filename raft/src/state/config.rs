//! The configuration: everything an operator decides, as one value that a revision replaces.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Contact, Farm, Vip};
use crate::id::{ContactName, FarmName, VipName};

/// Everything an operator decides; one revision replaces the whole of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Config {
    /// Floating addresses.
    pub vips: BTreeMap<VipName, Vip>,
    /// Farms.
    pub farms: BTreeMap<FarmName, Farm>,
    /// Who is paged.
    pub contacts: BTreeMap<ContactName, Contact>,
}
