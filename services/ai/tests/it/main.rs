//! The service as its users see it.

mod dependencies;
mod score;
