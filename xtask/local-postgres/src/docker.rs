//! Servers in containers.

use anyhow::{Result, bail};

use crate::provider::{Order, Started};
use crate::settings::Settings;

pub(crate) fn start(_: &Settings, _: &Order) -> Result<Started> {
    bail!("not yet")
}
