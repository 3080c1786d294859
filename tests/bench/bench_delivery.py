# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory and CPU of each way of delivery at 1,000 interfaces, beside the Pushgateway's way of the same run."""
import http.server
import threading

from bench import (
    Exporter, Namespace, cpu_s, figure, helper, main, median, quick, resident, wait_attached, wait_for,
)
from bench_scrape import FIRST, give_traffic

COUNT = 1000
INTERVAL_S = 1
STATES = quick(8, 2)
ROUNDS = quick(3, 1)
WAYS = {
    "push": ("--push.url={url}", f"--push.interval={INTERVAL_S}s"),
    "remote write 1": ("--remote-write.url={url}", f"--remote-write.interval={INTERVAL_S}s"),
    "remote write 2": ("--remote-write.url={url}", f"--remote-write.interval={INTERVAL_S}s", "--remote-write.protocol=2"),
    "otlp": ("--otlp.url={url}", f"--otlp.interval={INTERVAL_S}s"),
}
TARGETS = {"remote write 1": "≤ 4 MB more"}


class Receiver:
    """Takes everything."""

    def __init__(self, host):
        receiver = self
        self.requests = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = self.headers["Content-Length"]
                if length is None:
                    while size := int(self.rfile.readline(), 16):
                        self.rfile.read(size + 2)
                    self.rfile.readline()
                else:
                    self.rfile.read(int(length))
                receiver.requests += 1
                self.send_response(200)
                self.send_header("X-Prometheus-Remote-Write-Samples-Written", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        with host.inside():
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def measure(host, receiver, way):
    """MB, and percent of a CPU."""
    with Exporter(host, *(option.format(url=receiver.url) for option in WAYS[way])) as exporter:
        wait_attached(exporter, COUNT)
        give_traffic(host, COUNT)
        before = receiver.requests
        wait_for(lambda: receiver.requests > before + 1, f"{way}: it delivers", 30)
        pid, begin_s = exporter.process.pid, None
        threading.Event().wait(3 * INTERVAL_S)
        begin_s = cpu_s(pid)
        threading.Event().wait(STATES * INTERVAL_S)
        percent = (cpu_s(pid) - begin_s) / STATES / INTERVAL_S * 100
        memory = resident(pid)
        assert "level=error" not in exporter.log()
        return (memory["all"] - memory["maps"]) / 1e6, percent


def delivery():
    found = {way: [] for way in WAYS}
    with Namespace("pe-b") as host:
        helper(host, "links", "add", FIRST, COUNT // 2)
        helper(host, "links", "up", FIRST, COUNT // 2)
        receiver = Receiver(host)
        try:
            for _ in range(ROUNDS):
                for way, values in found.items():
                    values.append(measure(host, receiver, way))
        finally:
            receiver.close()
    memory, cpu = ({way: median(v[i] for v in values) for way, values in found.items()} for i in range(2))
    for way in WAYS:
        figure(f"{way} of {COUNT:,} interfaces, resident memory", memory[way], "MB", memory["push"], "push",
               TARGETS.get(way))
        figure(f"{way} of {COUNT:,} interfaces each second, CPU", cpu[way], "%", cpu["push"], "push")


if __name__ == "__main__":
    main(delivery)
