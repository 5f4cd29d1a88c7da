//! The state as people read it.
