# SPDX-License-Identifier: GPL-2.0-or-later
"""Types lines into a shell at a terminal and says what it made of them.

completion.py SHELL FOLDER: completions are in FOLDER, under the names by which the shells find them.
Of each line of standard input, in which $ stands for a tabulator: the arguments of the command that ran.
"""
import os
import pty
import select
import sys
import time

DEADLINE_S = 30

# The command shows its arguments. The prompt is one that no output has.
SETUP = {
    "bash": """. {folder}/packet-exporter; PS1=$'\\x01'
""",
    "zsh": """PS1=$'\\x01'; fpath=({folder} $fpath); autoload -U compinit; compinit -u -D
unsetopt beep zle_bracketed_paste; zstyle ':completion:*' menu no
""",
}
COMMAND = "packet-exporter() {{ printf '<%s>' \"$@\"; echo; }}; cd {folder}\n"


class Terminal:
    def __init__(self, argv):
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="dumb", PS1="", COLUMNS="500", INPUTRC="/dev/null")
            os.execvp(argv[0], argv)

    def write(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, mark):
        text, end = "", time.monotonic() + DEADLINE_S
        while mark not in text:
            if not select.select([self.fd], [], [], max(end - time.monotonic(), 0))[0]:
                sys.exit(f"not within {DEADLINE_S} s: {mark!r}; there is {text!r}")
            text += os.read(self.fd, 65536).decode(errors="replace")
        return text


def main(shell, folder):
    argv = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell]
    terminal = Terminal(argv)
    terminal.write((COMMAND + SETUP[shell] + "echo go$((1))\n").format(folder=folder))
    terminal.read_until("go1")
    for line in sys.stdin.read().splitlines():
        terminal.write(f"packet-exporter {line.replace('$', chr(9))}\n")
        shown = terminal.read_until(">\r\n")
        print(shown.split("\r\n")[-2].rpartition("\r")[2])
    terminal.write("exit\n")


main(*sys.argv[1:])
