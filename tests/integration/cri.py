# SPDX-License-Identifier: GPL-2.0-or-later
"""The little of CRI that a test of pods needs, over containerd's socket: crictl is not in Debian 12.

    cri.py image FILE FOLDER          an image of the folder that sleeps, as `ctr images import` takes it
    cri.py pods SOCKET COUNT AT-A-TIME
    cri.py sidecars SOCKET COMMAND...     a pod with a container for each shell command, which it runs

Messages are written by hand: https://github.com/kubernetes/cri-api, runtime/v1/api.proto.
"""
import concurrent.futures
import hashlib
import io
import json
import os
import sys
import tarfile
import time
import uuid


def varint(number):
    head = number & 0x7F
    return bytes([head]) if number < 0x80 else bytes([head | 0x80]) + varint(number >> 7)


def field(number, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def make_image(file, folder):
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(folder, arcname=".")
    config = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Entrypoint": ["/bin/sleep", "1000"]},
        "rootfs": {"type": "layers",
                   "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    })  # fmt: skip
    manifest = [{"Config": "config.json", "RepoTags": ["localhost/pause:1"], "Layers": ["layer.tar"]}]
    with tarfile.open(file, "w") as tar:
        for name, content in (("config.json", config.encode()), ("layer.tar", layer.getvalue()),
                              ("manifest.json", json.dumps(manifest).encode())):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def connect(socket):
    import grpc

    channel = grpc.insecure_channel(f"unix://{socket}")

    def call(method, request):
        return channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(request, timeout=120)

    return call


def sandbox_config(name, namespace):
    uid = str(uuid.uuid4())
    metadata = field(1, name) + field(2, uid) + field(3, namespace)
    group = field(1, f"/pe-runtimes/kubepods/besteffort/pod{uid}")
    # The kubelet makes it first.
    logs = f"/var/log/pods/{namespace}_{name}_{uid}"
    os.mkdir(logs)
    return field(1, metadata) + field(2, "other") + field(3, logs) + field(8, group)


def remove_pod(call, sandbox):
    call("StopPodSandbox", sandbox)
    call("RemovePodSandbox", sandbox)


def run_pods(socket, count, at_a_time):
    call = connect(socket)

    def run_pod(number):
        config = sandbox_config(f"box-{number}-7d4b9c6f5b-x2k9q", f"space-{number}")
        # PodSandboxConfig in, pod_sandbox_id out: each the first and only field.
        sandbox = call("RunPodSandbox", field(1, config))
        time.sleep(number * 7 % 10 / 10)
        remove_pod(call, sandbox)
        return f"box-{number}"

    with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
        for name in pool.map(run_pod, range(1, count + 1)):
            print(name, flush=True)


def run_sidecars(socket, commands):
    call = connect(socket)
    config = sandbox_config('q"uo\\te\n\u00e9', "space")
    sandbox = call("RunPodSandbox", field(1, config))
    for number, command in enumerate(commands):
        container = field(1, field(1, f"sidecar-{number}")) + field(2, field(1, "localhost/pause:1"))
        # Its id, as that of the sandbox.
        made = call("CreateContainer", sandbox + field(2, container) + field(3, config))
        call("StartContainer", made)
        answer = call("ExecSync", made + b"".join(field(2, word) for word in ("/bin/sh", "-c", command)))
        # Its last field is the exit code, which is left out if it is 0.
        if answer[-2:-1] == varint(3 << 3):
            sys.exit(repr(answer))
    remove_pod(call, sandbox)


if __name__ == "__main__":
    if sys.argv[1] == "image":
        make_image(*sys.argv[2:])
    elif sys.argv[1] == "sidecars":
        run_sidecars(sys.argv[2], sys.argv[3:])
    else:
        run_pods(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
