# shellcheck shell=bash
# A real terminal to look at: tmux, with a server of its own whose socket is in the current directory.

in_tmux() { env -u TMUX TERM=xterm tmux -f /dev/null -S .tmux "$@"; }

# A terminal of COLUMNS columns on which the shell script FILE runs, and stays; .ended then has its exit status.
run_on_terminal() {  # COLUMNS FILE
  rm -f .ended
  in_tmux new-session -d -x "$1" -y 12 "bash $2; echo \"exit \$?\" >.ended; exec sleep 600"
}
resize_terminal() { in_tmux resize-window -x "$1"; }  # COLUMNS
close_terminal() { in_tmux kill-server 2>/dev/null || true; }

# What is on it, without empty lines.
screen() { in_tmux capture-pane -p | sed 's/ *$//' | grep . || true; }
