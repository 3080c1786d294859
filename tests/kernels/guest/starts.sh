# shellcheck shell=bash
# Sixty starts, or as many as asked for, each ended by SIGKILL, while packets leave lo all the time:
# what follows a pointer of lo that is not there panics a kernel of the class 5.10 in a tenth of its
# starts. Of the word, a number says how many, and what begins with `--` is an option for the exporter.

starts=60 options=()
for word in ${word_of_test//,/ }; do
	case $word in
	[0-9]*) starts=$word ;;
	--*) options+=("$word") ;;
	esac
done
ulimit -l unlimited
traffic udp-send 127.0.0.1 9 1000000 64 2000 3>&- &
sender=$!
count=0
while [ $count -lt $starts ] && exporter_start "${options[@]}"; do
	exporter_end KILL
	count=$((count + 1))
	[ $((count % 10)) != 0 ] || note "start $count"
done
if [ $count = $starts ]; then
	ok "$starts starts"
else
	not_ok "$starts starts" "start $((count + 1)) fails" "$(</tmp/exporter.log)"
fi
kill $sender
if wait_for 60 nothing_attached; then
	ok "nothing stays attached"
	feature starts yes
else
	not_ok "nothing stays attached" "$(attached)"
fi
