#!/usr/bin/env python3
"""A PyTorch model goes into rankd and comes back: pytorch_round_trip.py PORT

Each case makes a module with the tensor names that rankd takes, saves its state_dict as safetensors, imports it over
HTTP, and compares rankd's scores with the module's forward pass; then loads what rankd gives out, at once and after it
has learned, into a new module. Tolerance 1e-5.
"""
import json
import struct
import sys
import urllib.request

import numpy
import torch
from torch import nn

COLUMNS, DIM, USERS, ITEMS = 12, 4, 5, 9
CONTEXT = 4  # the first columns are the context's, so that a list's rows are sums of disjoint parts
TOLERANCE = 1e-5
INDEXED = {"space": "indexed", "size": COLUMNS}


class FM(nn.Module):
    """Rendle 2010, equation 1 and lemma 3.1."""

    config = {"kind": "fm", "features": INDEXED, "dim": DIM}

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(COLUMNS, 1)
        self.embedding = nn.Embedding(COLUMNS, DIM)

    def forward(self, x, user, items):
        v = self.embedding.weight
        pairs = 0.5 * ((x @ v).square() - x.square() @ v.square()).sum(1)
        return self.linear(x).squeeze(1) + pairs, None


class Joint(nn.Module):
    """A click head on the features and a ranking head on the ids; one score."""

    config = {"kind": "joint", "features": INDEXED, "dim": DIM, "hidden": [8, 6], "alpha": 0.3,
              "users": {"space": "indexed", "size": USERS}, "items": {"space": "indexed", "size": ITEMS}}

    def __init__(self):
        super().__init__()
        self.ctrs = nn.Sequential(nn.Linear(COLUMNS, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 1))
        self.user_embedding = nn.Embedding(USERS, DIM)
        self.item_embedding = nn.Embedding(ITEMS, DIM)

    def heads(self, x, user, items):
        return self.item_embedding(items) @ self.user_embedding(user), self.ctrs(x).squeeze(1)

    def forward(self, x, user, items):
        rank, click = self.heads(x, user, items)
        return rank + click, torch.sigmoid(rank + click)


class Separate(Joint):
    """The same with a score for each head."""

    config = dict(Joint.config, heads="separate")

    def forward(self, x, user, items):
        rank, click = self.heads(x, user, items)
        alpha = self.config["alpha"]
        return alpha * rank + (1 - alpha) * click, torch.sigmoid(click)


# ---- safetensors ----

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def tensor_file(state, dtype):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in state.items():
        tensor = tensor.to(TYPES[dtype]).contiguous()
        raw = (tensor.view(torch.int16) if dtype == "BF16" else tensor).numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read_tensors(raw):
    n = struct.unpack("<Q", raw[:8])[0]
    header, data = json.loads(raw[8:8 + n]), raw[8 + n:]
    header.pop("__metadata__", None)
    state = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", entry
        begin, end = entry["data_offsets"]
        state[name] = torch.from_numpy(numpy.frombuffer(data[begin:end], "<f4").copy()).reshape(entry["shape"])
    return state


# ---- rankd ----

def ask(method, path, body=None, content_type="application/json"):
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request("http://127.0.0.1:%s%s" % (sys.argv[1], path), raw, method=method)
    if raw is not None:
        request.add_header("Content-Type", content_type)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        raise SystemExit("%s %s: %d %s" % (method, path, error.code, error.read().decode()))


def sample():
    """A list: its context and items as columns, a user, and the items' ids."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(ITEMS, COLUMNS, generator=generator) * (torch.rand(ITEMS, COLUMNS, generator=generator) < 0.7)
    x[:, :CONTEXT] = x[0, :CONTEXT]
    return x, torch.tensor(2), torch.randperm(ITEMS, generator=generator)


def request_of(x, user, items):
    context = {"indices": list(range(CONTEXT)), "values": x[0, :CONTEXT].tolist()}
    features = [{str(CONTEXT + j): v for j, v in enumerate(row.tolist()) if v != 0} for row in x[:, CONTEXT:]]
    return {"user": {"id": str(int(user))}, "context": context,
            "items": [{"id": str(int(i)), "features": f} for i, f in zip(items, features)]}


def compare(what, name, module, x, user, items):
    """rankd's answer against the forward pass in double precision."""
    answer = json.loads(ask("POST", "/v1/score", dict(request_of(x, user, items), model=name, log=False))[1])
    with torch.no_grad():
        scores, clicks = module.double()(x.double(), user, items)
    module.float()
    by_id = {item["id"]: item for item in answer["items"]}
    worst = max(abs(by_id[str(int(i))]["score"] - float(s)) for i, s in zip(items, scores))
    if clicks is not None:
        worst = max([worst] + [abs(by_id[str(int(i))]["ctr"] - float(c)) for i, c in zip(items, clicks)])
    print("%-9s %-22s version %d: largest difference %.1e" % (name, what, answer["version"], worst))
    if not worst <= TOLERANCE:
        raise SystemExit("the scores differ")
    return answer["version"]


def load(kind, name, version):
    """What rankd gives out, in a new module; strict: exactly its tensors."""
    module = kind()
    module.load_state_dict(read_tensors(ask("GET", "/v1/models/%s/versions/%d" % (name, version))[1]), strict=True)
    return module


def learn(name, x, user, items):
    lists = request_of(x, user, items)
    for k, item in enumerate(lists["items"]):
        item["label"] = 1 if k % 3 == 0 else 0
    ask("POST", "/v1/batches", {"model": name, "groups": [lists] * 3})
    return json.loads(ask("POST", "/v1/models/%s/train?wait=1" % name)[1])["version"]


def round_trip(kind, dtype):
    name = "%s-%s" % (kind.__name__.lower()[:5], dtype.lower())
    module, data = kind(), sample()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter).mul(0.5).to(TYPES[dtype]).float())
    ask("PUT", "/v1/models/" + name, kind.config)
    status, answer = ask("POST", "/v1/models/%s/versions" % name, tensor_file(module.state_dict(), dtype),
                         "application/vnd.safetensors")
    assert status == 201 and json.loads(answer)["version"] == 1, answer
    assert compare("as imported", name, module, *data) == 1
    back = load(kind, name, 1)
    for key, tensor in module.state_dict().items():
        assert torch.equal(tensor, back.state_dict()[key]), key
    compare("as given back", name, back, *data)
    version = learn(name, *data)
    assert version > 1, version
    assert compare("as learned, given back", name, load(kind, name, version), *data) == version


def main():
    torch.manual_seed(1)
    for kind in (FM, Joint, Separate):
        for dtype in TYPES:
            round_trip(kind, dtype)
    print("all %d round trips agree" % (3 * len(TYPES)))


main()
