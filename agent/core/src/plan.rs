//! Facts and configuration into the wanted table.
