use super::*;
use clap::CommandFactory as _;

#[test]
fn the_command_is_well_formed() {
    Args::command().debug_assert();
}
