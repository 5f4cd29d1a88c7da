#!/bin/sh
# Plays a daemon in the tests of `holdfast run`: notes its process id and arguments in the folder $PLAY, and behaves
# as the files there say.
name=${0##*/}
trap 'echo "reloads"' HUP
trap 'echo "ends"; exit 0' TERM
if [ -e "$PLAY/$name.stubborn" ]; then trap '' TERM; fi
echo "$*" >"$PLAY/$name.arguments"
env >"$PLAY/$name.environment"
echo "$$" >>"$PLAY/$name.pids"
echo "hello"
printf 'an escape: \033[2J\n' >&2
if [ -e "$PLAY/$name.fails" ]; then exit 3; fi
while :; do sleep 0.05; done
