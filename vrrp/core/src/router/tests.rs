//! The whole transition table: every state against every event, and the timers each leaves behind.

mod bed;
mod lifecycle;
mod peculiar;
mod table;
mod wrong;
