#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# client-curl.sh HOST PORT CERTS N: as client.py, with curl and Nagle's algorithm on (its own default is off).
for _ in $(seq "$4"); do
    curl -sS -k --noproxy '*' --max-time 10 --no-tcp-nodelay --cert "$3/web.pem" --key "$3/web.key" -o /dev/null \
        -w '%{time_total}\n' "https://$1:$2/" || exit 1
done | sort -n | awk '{ time[NR] = $1 } END { if (NR == 0) exit 1; printf "%.1f\n", time[int(NR / 2) + 1] * 1000 }'
