#!/bin/sh
# Says what became of a job of Grid Engine: running, success or failed.
state=$(qstat -u '*' | awk -v job="$1" '$1 == job { print $5; exit }')
case $state in
*E*)
    # The queue could not start it and keeps it for its owner to look at.
    qdel "$1" >/dev/null
    echo failed
    exit
    ;;
?*)
    echo running
    exit
    ;;
esac
# Accounting tells of a job some seconds after its end, and never of one that was deleted before it began.
for second in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if record=$(qacct -j "$1" 2>/dev/null); then
        echo "$record" | awk '$1 == "failed" || $1 == "exit_status" { bad += $2 != 0 }
                              END { print bad ? "failed" : "success" }'
        exit
    fi
    sleep 1
done
echo failed
