complete -c dnscheck -l server -d 'Address (fe80::1%eth0, 10.0.0.1#5353); repeatable' -r
complete -c dnscheck -l servers-file -d 'One address per line, # comments; - for stdin' -r -F
complete -c dnscheck -l need-servers -d 'Servers that must pass: all, any, 2, …' -r
complete -c dnscheck -s p -l port -d 'Port [default: 53; dot, doq 853; doh 443]' -r
complete -c dnscheck -l source -d 'Address of this machine to ask from' -r
complete -c dnscheck -l interface -d 'Interface or VRF to ask by' -r
complete -c dnscheck -l mark -d 'Mark of the packets (SO_MARK), 7 or 0x7' -r
complete -c dnscheck -l dscp -d 'Differentiated services code point' -r
complete -c dnscheck -l qname -d 'Name; may hold {rand}, {epoch}, {server}' -r
complete -c dnscheck -l qtype -d 'A, AAAA, TYPE65280, … [default: A or SOA]' -r
complete -c dnscheck -l qclass -d 'Class to ask in: IN, CH, HS [default: IN]' -r
complete -c dnscheck -l ask -d 'Further question: "NAME CLASS TYPE RCODE,…"' -r
complete -c dnscheck -l advise -d 'Further question whose failure only degrades' -r
complete -c dnscheck -l need -d 'Questions that must pass: all, any, 2, …' -r
complete -c dnscheck -l bufsize -d 'Largest datagram to be sent back [default: 1232]' -r
complete -c dnscheck -l edns-version -d 'Version of EDNS' -r
complete -c dnscheck -l subnet -d 'Client subnet to ask for' -r
complete -c dnscheck -l padding -d 'Pad the query to blocks [default: 128]' -r
complete -c dnscheck -l expect-rcode -d 'Codes that pass, with commas [default: NOERROR]' -r
complete -c dnscheck -l forbid-rcode -d 'Codes that never pass; others do' -r
complete -c dnscheck -l expect-answer -d 'Answer that must come, as in a zone file' -r
complete -c dnscheck -l match -d 'Expression that an answer must match' -r
complete -c dnscheck -l within -d 'Network that an address must lie in' -r
complete -c dnscheck -l fit -d 'Any, all or exactly what is expected [default: any]' -r
complete -c dnscheck -l answer-count -d 'Number of answers: 3, 2..4, 2.. or ..4' -r
complete -c dnscheck -l ttl -d 'Time to live of every answer, in seconds' -r
complete -c dnscheck -l expect-authority -d '"TYPE DATA" in the authority section' -r
complete -c dnscheck -l authority-count -d 'Number of records there' -r
complete -c dnscheck -l expect-additional -d '"TYPE DATA" in the additional section' -r
complete -c dnscheck -l additional-count -d 'Number of records there' -r
complete -c dnscheck -l flags -d 'Flags that must be set: aa,tc,rd,ra,ad,cd' -r
complete -c dnscheck -l forbid-flags -d 'Flags that must not be set' -r
complete -c dnscheck -l expect-nsid -d 'Expression for the server\'s identity' -r
complete -c dnscheck -s w -l warn -d 'Degraded outside: 50ms, or a plugin\'s range' -r
complete -c dnscheck -s c -l crit -d 'Down outside of this latency' -r
complete -c dnscheck -l serial -d 'Least serial of the zone (RFC 1982)' -r
complete -c dnscheck -l primary -d 'Primary to compare with; the newest counts' -r
complete -c dnscheck -l max-lag -d 'How far behind it may be [default: 0]' -r
complete -c dnscheck -l grace -d 'How long a server may take to catch up' -r
complete -c dnscheck -l expect-expire -d 'Least time to the zone\'s expiry: 1h, 2d' -r
complete -c dnscheck -l rrsig -d 'Signed, and good for this long still' -r
complete -c dnscheck -l rrsig-warn -d 'Degraded when good for less than this' -r
complete -c dnscheck -l trust-anchor -d '"ZONE DS …" or "ZONE DNSKEY …" to validate by' -r
complete -c dnscheck -l trust-anchor-file -d 'File of such records, as /usr/share/dns/root.key' -r -F
complete -c dnscheck -l tls-name -d 'Name of the certificate [default: the address]' -r
complete -c dnscheck -l ca -d 'PEM file of who is trusted [default: system\'s]' -r -F
complete -c dnscheck -l pin -d 'SHA-256 of a key, base64; enough without --ca' -r
complete -c dnscheck -l cert-warn -d 'Degraded when a certificate ends sooner: 14d' -r
complete -c dnscheck -l client-cert -d 'PEM file of the certificate to show' -r -F
complete -c dnscheck -l client-key -d 'PEM file of its private key' -r -F
complete -c dnscheck -l doh-path -d 'Path for doh [default: /dns-query]' -r
complete -c dnscheck -l doh-method -d 'POST or GET, for doh [default: POST]' -r
complete -c dnscheck -l http-version -d 'HTTP 1.1 or 2, for doh [default: either]' -r
complete -c dnscheck -s t -l timeout -d 'Limit of all tries: 500ms, 2s [default: 1s]' -r
complete -c dnscheck -l tries -d 'Queries within that time [default: 2]' -r
complete -c dnscheck -l try-timeout -d 'Time from try to try [default: equal parts]' -r
complete -c dnscheck -l transport -d 'udp, tcp, udp+tcp, dot, doh, doq [default: udp]' -r
complete -c dnscheck -l count -d 'Probe so many times [default: 1]' -r
complete -c dnscheck -l interval -d 'From probe to probe [default: 1s]' -r
complete -c dnscheck -l format -d 'text, json, plugin or prometheus [default: text]' -r
complete -c dnscheck -l weight -d 'Exit with the weight plus 2 (misc_dynamic)' -r
complete -c dnscheck -l rd -d 'Desire recursion (the default)'
complete -c dnscheck -l no-rd -d 'Do not desire recursion'
complete -c dnscheck -l cd -d 'Set CD: the server is not to validate'
complete -c dnscheck -l ad -d 'Set AD: say whether the answer is validated'
complete -c dnscheck -l mixed-case -d 'Letters in random case, to be repeated (0x20)'
complete -c dnscheck -l edns -d 'Use EDNS'
complete -c dnscheck -l do -d 'Set DO: send signatures'
complete -c dnscheck -l nsid -d 'Ask who the server is'
complete -c dnscheck -l cookie -d 'Send a cookie'
complete -c dnscheck -l expire -d 'Ask a secondary when its zone expires'
complete -c dnscheck -l allow-empty -d 'Pass NOERROR without an answer, too'
complete -c dnscheck -l expect-empty -d 'Pass only NOERROR without an answer'
complete -c dnscheck -l insecure -d 'Verify nothing of the certificate'
complete -c dnscheck -l tcp -d 'Ask over TCP, not only after truncation'
complete -c dnscheck -l udp-and-tcp -d 'Ask over UDP, then TCP; both must pass'
complete -c dnscheck -s v -l verbose -d 'Show the replies, too'
complete -c dnscheck -s h -l help -d 'Print help'
complete -c dnscheck -s V -l version -d 'Print version'
