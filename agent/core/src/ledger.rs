//! Merging reports into the state.
