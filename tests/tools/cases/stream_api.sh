# shellcheck shell=bash
# The stream API of the library as other programs use it.
# shellcheck disable=SC2154,SC2034  # the runner's variables

# limit 120
test_stream_c_api() {
  timeout 100 "$bin/../tests/rdpipe/c_api" "$host" "$fabric" || fail "c_api: $?"
}

start_echo_server() {  # LANGUAGE
  start "$bin/../tests/tools/echo_server_$1" 0 "$key" "$fabric" >server.out 2>server.err </dev/null
  await_line server.out "listening on port"
  port=$(sed -n 's/^listening on port //p' server.out)
}

echo_in_language() {  # LANGUAGE
  start_echo_server "$1"
  make_data 1000001 in
  timeout 60 "$bin/../tests/tools/echo_client_$1" "$host" "$port" "$key" "$fabric" <in >out || fail "echo_client: $?"
  cmp in out || fail "the echo differs"
  await_line server.out "over ${fabric^^}: done"
}
test_stream_echo_c() { echo_in_language c; }
test_stream_echo_cpp() { echo_in_language cpp; }

# The next client is served after one that was killed.
test_stream_killed_client() {
  start_echo_server c
  make_data 100000 in
  mkfifo pipe
  exec {pipe}<>pipe
  "$bin/../tests/tools/echo_client_c" "$host" "$port" "$key" "$fabric" <pipe >out &
  local client=$!
  started+=("$client")
  head -c 20000 in >&"$pipe"
  until [[ -s out ]]; do pause 0.02; runs "$client" || fail "the client has ended"; done
  kill -KILL "$client"
  await_line server.out "reset|went away|in the middle|no longer"
  timeout 60 "$bin/../tests/tools/echo_client_c" "$host" "$port" "$key" "$fabric" <in >out || fail "echo_client: $?"
  cmp in out || fail "the echo differs"
}

test_stream_wrong_key() {
  start_echo_server c
  ! "$bin/../tests/tools/echo_client_c" "$host" "$port" another-key-than-that "$fabric" </dev/null 2>client.err ||
    fail "it was let in"
  grep -q "wrong key" client.err || fail "$(cat client.err)"
}
