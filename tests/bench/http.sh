# shellcheck shell=bash
# usage: tests/bench.sh http [TURNS [SECONDS]]
# farmux's data path, HAProxy (http-reuse always) and nginx (keepalive) in turn, one worker each,
# before one nginx, under one wrk; in a network namespace of their own that dies with this script.
# CPU time is what the scheduler gave the balancer's threads; a row is the median of the turns.
#
#   http-keepalive    32 connections, 1 KiB answers, as fast as they come
#   http-quiet        2 connections, so that little is batched
#   http-connection   a new client connection for each request
#   http-mebibyte     32 connections, 1 MiB answers
#   idle-memory       resident memory of a node that serves nothing

turns=${1:-5}
seconds=${2:-3}
((turns >= 1 && seconds >= 1)) || die "usage: tests/bench.sh http [TURNS [SECONDS]]"

# Everything below runs as process 1 of a namespace: whatever it leaves behind dies with it.
if [[ ${FARMUX_BENCH_INSIDE:-} != yes ]]; then
    say "measuring: about $((turns * 3 * 4 * (seconds + 1))) s"
    exec_inside=(env FARMUX_BENCH_INSIDE=yes bash -euo pipefail -c
        'source deploy/setup.sh; source tests/bench/http.sh "$@"' http "$turns" "$seconds")
    as_root unshare --net --pid --fork --kill-child --mount --mount-proc "${exec_inside[@]}"
    return 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ip link set lo up
mkdir "$work/www"
chmod 755 "$work" "$work/www"
head -c 1024 /dev/zero | tr '\0' a >"$work/www/kibibyte"
head -c 1048576 /dev/zero | tr '\0' b >"$work/www/mebibyte"

nginx_conf() { # NAME SERVER-BLOCK: one worker in the foreground
    cat >"$work/$1.conf" <<END
daemon off; worker_processes 1; pid $work/$1.pid; error_log $work/$1.log;
events { worker_connections 8192; }
http {
    access_log off; keepalive_requests 1000000000; client_body_temp_path $work/$1.body;
    proxy_temp_path $work/$1.proxy; fastcgi_temp_path $work/$1.f; uwsgi_temp_path $work/$1.u;
    scgi_temp_path $work/$1.s; $2
}
END
}

nginx_conf origin "server { listen 127.0.0.1:8000 backlog=4096; root $work/www; }"
nginx_conf nginx "upstream farm { server 127.0.0.1:8000; keepalive 128; keepalive_requests 1000000000; }
    server {
        listen 127.0.0.1:8003 backlog=4096;
        location / {
            proxy_pass http://farm; proxy_http_version 1.1; proxy_set_header Connection '';
            proxy_set_header Host \$host; proxy_set_header X-Forwarded-Proto http;
            proxy_set_header X-Forwarded-For \$remote_addr;
        }
    }"
cat >"$work/haproxy.cfg" <<END
global
    nbthread 1
    maxconn 4000
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    http-reuse always
    option forwardfor
listen farm
    bind 127.0.0.1:8002
    http-request set-header X-Forwarded-Proto http
    server origin 127.0.0.1:8000
END

nginx -c "$work/origin.conf" &
nginx -c "$work/nginx.conf" 2>/dev/null &
nginx_pid=$!
haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
haproxy_pid=$!
target/release/dataplane 1 127.0.0.1:8001 http round-robin 127.0.0.1:8000 &
farmux_pid=$!
declare -A pid_of=([farmux]=$farmux_pid [haproxy]=$haproxy_pid [nginx]=$nginx_pid)

until_answers() { # PORT
    for _ in $(seq 100); do
        curl -sf -o "$work/got" "http://127.0.0.1:$1/kibibyte" && return
        sleep 0.05
    done
    die "nothing answers on port $1: $(cat "$work"/*.log)"
}
for port in 8000 8001 8002 8003; do until_answers $port; done

port_of() { case $1 in farmux) echo 8001 ;; haproxy) echo 8002 ;; nginx) echo 8003 ;; esac; }

cpu_ns() { # NAME: nanoseconds on a CPU, of all threads of all processes of this balancer
    local pid pids files=()
    pids=$(pgrep -P "${pid_of[$1]}" || true)
    for pid in "${pid_of[$1]}" $pids; do files+=(/proc/"$pid"/task/*/schedstat); done
    awk '{ sum += $1 } END { printf "%.0f\n", sum }' "${files[@]}"
}

measure() { # BALANCER PATH CONNECTIONS [WRK-ARGUMENT…]: "us-per-request requests-per-second"
    local name=$1 path=$2 connections=$3 before after
    shift 3
    before=$(cpu_ns "$name")
    wrk -t1 -c"$connections" -d"${seconds}s" "$@" "http://127.0.0.1:$(port_of "$name")/$path" >"$work/wrk"
    after=$(cpu_ns "$name")
    if grep -q 'Non-2xx\|Socket errors' "$work/wrk"; then
        # A close that crosses a new request is wrk's own affair, but must not go unseen.
        grep 'Non-2xx\|Socket errors' "$work/wrk" | sed "s/^/$name: /" >&2
    fi
    awk -v ns=$((after - before)) '/requests in/ { n = $1 } /Requests\/sec/ { r = $2 }
        END { printf "%.2f %.0f\n", ns / 1000 / n, r }' "$work/wrk"
}

median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

row() { # ROW PATH CONNECTIONS [WRK-ARGUMENT…]
    local row=$1 turn name
    local balancers=(farmux haproxy nginx)
    shift
    rm -f "$work"/turns.*
    for ((turn = 0; turn < turns; turn++)); do
        for name in "${balancers[@]}"; do measure "$name" "$@" >>"$work/turns.$name"; done
        # Rotation: nobody always goes first.
        balancers=("${balancers[@]:1}" "${balancers[0]}")
    done
    local line=$row us
    for name in farmux haproxy nginx; do
        us=$(cut -d' ' -f1 "$work/turns.$name" | median)
        line+=" ${name}_us=$us"
        declare "${name}_us=$us"
    done
    for name in farmux haproxy nginx; do
        line+=" ${name}_rps=$(cut -d' ' -f2 "$work/turns.$name" | median)"
    done
    # shellcheck disable=SC2154 # declared above
    line+=" ratio=$(awk -v a="$farmux_us" -v b="$haproxy_us" 'BEGIN { printf "%.2f", a / b }')"
    echo "$line turns=$turns"
}

idle_memory() {
    local pid=$farmux_pid what="data path" kib
    if [[ -x target/release/farmux ]]; then
        mkdir "$work/data"
        cat >"$work/node.toml" <<END
name = "bench"
peer = ["127.0.0.1:7946"]
admin = "127.0.0.1:9443"
socket = "$work/admin.sock"
data = "$work/data"
[networks]
lan = "lo"
END
        target/release/farmux run --config "$work/node.toml" >"$work/node.log" 2>&1 &
        for _ in $(seq 100); do [[ -S $work/admin.sock ]] && break; sleep 0.05; done
        if FARMUX_SOCKET="$work/admin.sock" target/release/farmux cluster init --name bench \
            >>"$work/node.log" 2>&1; then
            pid=$!
            what="node"
            sleep 2
        else
            sed 's/^/node: /' "$work/node.log" >&2
        fi
    fi
    kib=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
    awk -v kib="$kib" -v what="$what" 'BEGIN { printf "idle-memory mb=%.1f of=\"%s\"\n", kib / 1024, what }'
}

row http-keepalive kibibyte 32
row http-quiet kibibyte 2
row http-connection kibibyte 32 -H "Connection: close"
row http-mebibyte mebibyte 32
idle_memory
