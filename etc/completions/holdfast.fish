# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_holdfast_global_optspecs
    string join \n socket= h/help V/version
end

function __fish_holdfast_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_holdfast_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_holdfast_using_subcommand
    set -l cmd (__fish_holdfast_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c holdfast -n "__fish_holdfast_needs_command" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_needs_command" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_needs_command" -s V -l version -d 'Print version'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "status" -d 'Show virtual servers and routers, real servers, the kernel\'s table and the daemons'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "explain" -d 'Say why a real server is in or out, or who has a virtual router\'s addresses, and what would change it'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "timeline" -d 'Show who was up, who was Active, and what clients lost, as text or as a picture'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "check-config" -d 'Check a configuration without touching anything'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "diff" -d 'Show what the next pass would change in the kernel\'s table, in ipvsadm\'s words'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "import" -d 'Make a configuration of what ipvsadm or keepalived has'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "export" -d 'Print the configuration in another program\'s language'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "lvs" -d 'Start, stop or restart the virtual servers: only ours, and with the question first'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "drain" -d 'Send a real server no new work'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "undrain" -d 'End a drain'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "takeover" -d 'Have a virtual router\'s addresses on this machine'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "yield" -d 'Have a virtual router\'s addresses on another machine'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "silence" -d 'Keep alerts from being told: add, list, remove'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "alert" -d 'Try whether alerts arrive'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "run" -d 'Run the daemons in the foreground, for containers and trials'
complete -c holdfast -n "__fish_holdfast_needs_command" -f -a "become-daemon" -d 'What `run` starts first for each daemon'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l json -d 'Print JSON (one document; with --watch one a line)'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -l watch -d 'Show it again at every change, until interrupted'
complete -c holdfast -n "__fish_holdfast_using_subcommand status" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand explain" -l virtual-server -d 'Only in this virtual server' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand explain" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand explain" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand explain" -l json -d 'Print JSON'
complete -c holdfast -n "__fish_holdfast_using_subcommand explain" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand timeline" -l since -d 'How far back, as in 30m, 24h, 7d' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand timeline" -l svg -d 'Write a picture (SVG) to this file; - is standard output' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand timeline" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand timeline" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand timeline" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand check-config" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand check-config" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand check-config" -l json -d 'Print JSON'
complete -c holdfast -n "__fish_holdfast_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand diff" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand diff" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand diff" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand diff" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and not __fish_seen_subcommand_from ipvsadm keepalived" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and not __fish_seen_subcommand_from ipvsadm keepalived" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and not __fish_seen_subcommand_from ipvsadm keepalived" -f -a "ipvsadm" -d 'A table as `ipvsadm -Sn` prints it'
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and not __fish_seen_subcommand_from ipvsadm keepalived" -f -a "keepalived" -d 'A configuration of keepalived'
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and __fish_seen_subcommand_from ipvsadm" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and __fish_seen_subcommand_from ipvsadm" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and __fish_seen_subcommand_from keepalived" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand import; and __fish_seen_subcommand_from keepalived" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand export; and not __fish_seen_subcommand_from ipvsadm" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand export; and not __fish_seen_subcommand_from ipvsadm" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand export; and not __fish_seen_subcommand_from ipvsadm" -f -a "ipvsadm" -d 'The table with every real server in it, as lines for `ipvsadm -R`'
complete -c holdfast -n "__fish_holdfast_using_subcommand export; and __fish_seen_subcommand_from ipvsadm" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand export; and __fish_seen_subcommand_from ipvsadm" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand export; and __fish_seen_subcommand_from ipvsadm" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and not __fish_seen_subcommand_from start stop restart" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and not __fish_seen_subcommand_from start stop restart" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and not __fish_seen_subcommand_from start stop restart" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and not __fish_seen_subcommand_from start stop restart" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and not __fish_seen_subcommand_from start stop restart" -f -a "start" -d 'Start lvsd, which makes the table'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and not __fish_seen_subcommand_from start stop restart" -f -a "stop" -d 'Stop lvsd and remove our services from the kernel\'s table'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and not __fish_seen_subcommand_from start stop restart" -f -a "restart" -d 'Restart lvsd; the table stays as it is'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from start" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from start" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from start" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from stop" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from stop" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from stop" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from stop" -l yes -d 'Don\'t ask'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from stop" -l drain -d 'Give our real servers weight 0 instead: what is there goes on'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from restart" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from restart" -l state -d 'The state file to read when the agent does not answer' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from restart" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand lvs; and __fish_seen_subcommand_from restart" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l why -d 'Why, for whoever looks at it next' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l for -d 'End it by itself after this time, as in 30m, 2h, 1d 12h' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l virtual-server -d 'Only in this virtual server' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -l force -d 'Do it even where no server would be left to serve'
complete -c holdfast -n "__fish_holdfast_using_subcommand drain" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand undrain" -l virtual-server -d 'Only in this virtual server' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand undrain" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand undrain" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand takeover" -l why -d 'Why, for whoever looks at it next' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand takeover" -l for -d 'End it by itself after this time, as in 30m, 2h, 1d 12h' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand takeover" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand takeover" -l end -d 'End the order there is: it goes by its priority again'
complete -c holdfast -n "__fish_holdfast_using_subcommand takeover" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand yield" -l why -d 'Why, for whoever looks at it next' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand yield" -l for -d 'End it by itself after this time, as in 30m, 2h, 1d 12h' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand yield" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand yield" -l end -d 'End the order there is: it goes by its priority again'
complete -c holdfast -n "__fish_holdfast_using_subcommand yield" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and not __fish_seen_subcommand_from add list remove" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and not __fish_seen_subcommand_from add list remove" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and not __fish_seen_subcommand_from add list remove" -f -a "add" -d 'Tell nobody of these troubles for a time'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and not __fish_seen_subcommand_from add list remove" -f -a "list" -d 'Show the silences in force'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and not __fish_seen_subcommand_from add list remove" -f -a "remove" -d 'Tell of them again'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l virtual-server -d 'Troubles of this virtual server, and of its real servers' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l server -d 'Troubles of this real server, in every virtual server or in the one named' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l virtual-router -d 'Troubles of this virtual router' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l severity -d 'Only troubles no graver than this: info, warning or critical' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l for -d 'How long, as in 30m, 2h, 1d 12h' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l why -d 'Why, for whoever looks at it next' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -l everything -d 'All troubles'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from list" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from remove" -l virtual-server -d 'Troubles of this virtual server, and of its real servers' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from remove" -l server -d 'Troubles of this real server, in every virtual server or in the one named' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from remove" -l virtual-router -d 'Troubles of this virtual router' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from remove" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from remove" -l everything -d 'All troubles'
complete -c holdfast -n "__fish_holdfast_using_subcommand silence; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand alert; and not __fish_seen_subcommand_from test" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand alert; and not __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand alert; and not __fish_seen_subcommand_from test" -f -a "test" -d 'Send a test through every channel of every route, and show what each answered'
complete -c holdfast -n "__fish_holdfast_using_subcommand alert; and __fish_seen_subcommand_from test" -l wait -d 'How long to wait for answers' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand alert; and __fish_seen_subcommand_from test" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand alert; and __fish_seen_subcommand_from test" -l json -d 'Print JSON'
complete -c holdfast -n "__fish_holdfast_using_subcommand alert; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand run" -l config -d 'The configuration' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand run" -l runtime-dir -d 'Where the socket goes, and the state file too unless --state says otherwise; made if it is not there' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand run" -l state -d 'The state file [default: /var/lib/holdfast/state.json, or state.json in --runtime-dir]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand run" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand run" -s h -l help -d 'Print help'
complete -c holdfast -n "__fish_holdfast_using_subcommand become-daemon" -l parent -d 'The process id of the caller' -r
complete -c holdfast -n "__fish_holdfast_using_subcommand become-daemon" -l socket -d 'The agent\'s socket [default: /run/holdfast/agent.sock]' -r -F
complete -c holdfast -n "__fish_holdfast_using_subcommand become-daemon" -s h -l help -d 'Print help'
