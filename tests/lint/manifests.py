# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints what is wrong with manifests: manifests.py ALL PODMONITOR REFERENCE DOCKERFILE.

Kubernetes' own client ignores a field that it does not know, and so does an API server unless it is
asked; here each key must be an attribute of the client's model of that place, and each value of its
type. What is required is found by building the objects.
"""
import copy
import json
import re
import sys

import yaml
from kubernetes import client
from kubernetes.client import models

SCALARS = {"str": str, "int": int, "bool": bool, "float": (int, float), "datetime": str}
KINDS = {"Namespace": "V1Namespace", "ResourceQuota": "V1ResourceQuota", "DaemonSet": "V1DaemonSet"}
NAME = "packet-exporter"
LABELS = {"app.kubernetes.io/name": NAME}

# Of monitoring.coreos.com/v1: the fields in use, by the operator's API reference.
SELECTOR = {"matchLabels": {"*": str}}
PODMONITOR = {
    "apiVersion": str, "kind": str,
    "metadata": {"name": str, "namespace": str, "labels": {"*": str}},
    "spec": {
        "selector": SELECTOR,
        "podMetricsEndpoints": [{
            "port": str, "path": str, "interval": str, "scrapeTimeout": str, "scheme": str,
            "honorLabels": bool,
            "relabelings": [{
                "sourceLabels": [str], "separator": str, "targetLabel": str, "regex": str,
                "replacement": str, "action": str,
            }],
        }],
    },
}


class UniqueKeys(yaml.SafeLoader):
    """A key that stands twice is an error, as for the API server."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        if len(keys) != len(set(keys)):
            raise ValueError(f"a key stands twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def walk(value, kind, path):
    """What is not as the client's model `kind` has it."""
    if kind == "object":  # what is either a number or a string
        return
    listed, mapped = re.fullmatch(r"list\[(.*)\]", kind), re.fullmatch(r"dict\(str, (.*)\)", kind)
    if listed or mapped:
        wanted = list if listed else dict
        if not isinstance(value, wanted):
            yield f"{path}: not a {wanted.__name__}"
            return
        for key, item in enumerate(value) if listed else value.items():
            yield from walk(item, (listed or mapped)[1], f"{path}.{key}")
    elif kind in SCALARS:
        if not isinstance(value, SCALARS[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{path}: {value!r} is no {kind}"
    elif not isinstance(value, dict):
        yield f"{path}: {value!r} is no {kind}"
    else:
        model = getattr(models, kind)
        names = {name: attribute for attribute, name in model.attribute_map.items()}
        for key, item in value.items():
            if key in names:
                yield from walk(item, model.openapi_types[names[key]], f"{path}.{key}")
            else:
                yield f"{path}.{key}: {kind} has no such field"


def match(value, schema, path):
    """The same for a schema that is written here."""
    if isinstance(schema, type):
        if not isinstance(value, schema):
            yield f"{path}: {value!r} is no {schema.__name__}"
    elif not isinstance(value, type(schema)):
        yield f"{path}: not a {type(schema).__name__}"
    elif isinstance(schema, list):
        for n, item in enumerate(value):
            yield from match(item, schema[0], f"{path}.{n}")
    else:
        for key, item in value.items():
            if key in schema or "*" in schema:
                yield from match(item, schema.get(key, schema.get("*")), f"{path}.{key}")
            else:
                yield f"{path}.{key}: no such field"


class Answer:
    def __init__(self, document):
        self.data = json.dumps(document)


def check(document):
    kind = document.get("kind")
    if kind == "PodMonitor":
        yield from match(document, PODMONITOR, kind)
    elif kind not in KINDS:
        yield f"{kind} is none of {', '.join(KINDS)}"
    else:
        yield from walk(document, KINDS[kind], kind)
        try:
            client.ApiClient().deserialize(Answer(document), KINDS[kind])
        except (ValueError, TypeError, AttributeError) as error:
            yield f"{kind}: {error}"


def places(value):
    """Each mapping in it."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from places(item)


# Their keys are anybody's.
FREE = {"labels", "matchLabels", "nodeSelector", "annotations", "requests", "limits", "hard"}


def blind(document):
    """Where a field that does not exist would not be found."""
    for n, place in enumerate(places(document)):
        changed = copy.deepcopy(document)
        list(places(changed))[n]["hostNetwrok"] = True
        if not list(check(changed)) and not any(
            place is parent.get(key) for parent in places(document) for key in FREE
        ):
            yield f"{document['kind']}: a field without a meaning is accepted in {place}"


def promises(daemonset, podmonitor, reference, dockerfile):
    """(what, whether it holds): what the documents promise."""
    template = daemonset["spec"]["template"]
    pod = template["spec"]
    (container,) = pod["containers"]
    security, env = container["securityContext"], {e["name"]: e for e in container["env"]}
    ask = json.loads(re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", dockerfile, re.M)[1])
    yield "the host's network and its names", (
        pod["hostNetwork"] is True and pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    )
    yield "no other namespace of the host's", not pod.get("hostPID") and not pod.get("hostIPC")
    yield "three capabilities and no more", (
        sorted(security["capabilities"]["add"]) == ["BPF", "NET_ADMIN", "PERFMON"] and
        security["capabilities"]["drop"] == ["ALL"] and
        security["allowPrivilegeEscalation"] is False and not security.get("privileged")
    )
    yield "a read-only root", security["readOnlyRootFilesystem"] is True
    yield "the runtime's seccomp profile", (
        pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    )
    yield "no token", (
        pod["automountServiceAccountToken"] is False and "serviceAccountName" not in pod
    )
    yield "no variables of services", pod["enableServiceLinks"] is False
    yield "every node", pod["tolerations"] == [{"operator": "Exists"}]
    yield "evicted last", pod["priorityClassName"] == "system-node-critical"
    yield "bounded memory", set(container["resources"]) == {"requests", "limits"}
    yield "time for the last push", pod["terminationGracePeriodSeconds"] > 5
    yield "the node's name as the pushed instance", (
        env["PE_PUSH_INSTANCE"]["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"
    )
    yield "variables that exist", all(f"`{name}`" in reference for name in env)
    yield "the image's own check", all(
        container[f"{probe}Probe"]["exec"]["command"] == ask
        for probe in ("startup", "readiness", "liveness")
    )
    yield "what is mounted is read only", (
        all(mount["readOnly"] for mount in container["volumeMounts"]) and
        {v["name"] for v in pod["volumes"]} == {m["name"] for m in container["volumeMounts"]}
    )
    (port,) = container["ports"]
    yield "the default port", f"`:{port['containerPort']}` | `PE_WEB_LISTEN_ADDRESS`" in reference
    yield "selectors that find the pods", all(
        template["metadata"]["labels"].items() >= spec["selector"]["matchLabels"].items() >= LABELS.items()
        for spec in (daemonset["spec"], podmonitor["spec"])
    )
    (endpoint,) = podmonitor["spec"]["podMetricsEndpoints"]
    yield "the scraped port and page", (
        endpoint["port"] == port["name"] and f"`{endpoint['path']}` |" in reference
    )
    yield "the labels of what is counted", endpoint["honorLabels"] is True
    yield "the node's name as the scraped instance", {
        "sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "instance"
    } in endpoint["relabelings"]


def main():
    texts = [open(path, encoding="utf-8").read() for path in sys.argv[1:]]
    documents = list(yaml.load_all(texts[0], UniqueKeys)) + [yaml.load(texts[1], UniqueKeys)]
    kinds = {document["kind"]: document for document in documents}
    for missing in {*KINDS, "PodMonitor"} - set(kinds):
        print(f"there is no {missing}")
    for document in documents:
        wrong = [*check(document), *blind(document)]
        namespaced = document["kind"] != "Namespace"
        if document["metadata"].get("namespace", NAME if not namespaced else None) != NAME:
            wrong.append(f"{document['kind']}: not in the namespace {NAME}")
        print(*wrong, sep="\n", end="\n" if wrong else "")
    for what, holds in promises(kinds["DaemonSet"], kinds["PodMonitor"], *texts[2:]):
        if not holds:
            print(f"not kept: {what}")


main()
