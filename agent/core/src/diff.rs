//! The difference between a wanted and an actual table, as the least edits.
