"""Computes with PyTorch what Holdfast's tasks and optimizers are compared with: tests/fixtures/*.json.

  bash bench/run.sh environment                                      # once: PyTorch 2.11
  ~/.cache/holdfast/peer-venv/bin/python scripts/make_fixtures.py    # writes the fixtures; --check compares instead

Weights and batches are not stored: both sides compute them from a formula over integers (tests/fixtures/README.md),
exactly. For each case the file holds the loss and gradients of the first batch, and the losses and parameters of three
optimizer steps on that batch, each tensor with the tolerance that rounding needs (from the same computation in float64).
"""
import argparse
import json
import math
import pathlib
import sys

import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import workloads  # noqa: E402

STEPS = 3
INPUT_STREAM, TARGET_STREAM = 1000, 1001
GPT = {"context": 16, "layers": 2, "width": 32, "heads": 4}
OPTIMIZERS = {
    "mlp": {"kind": "sgd", "lr": 0.01, "momentum": 0.9},
    "cnn": {"kind": "adamw", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01},
    "gpt": {"kind": "adamw", "lr": 3e-4, "betas": [0.9, 0.95], "eps": 1e-8, "weight_decay": 0.1},
}
CASES = {
    "mlp": {"task": "mlp", "batch": 12},
    "mlp_label_smoothing": {"task": "mlp", "batch": 12, "label_smoothing": 0.1},
    "mlp_clipping": {"task": "mlp", "batch": 12, "clip_norm": 0.05},
    "mlp_accumulation": {"task": "mlp", "batch": 12, "micro_batches": [8, 4]},
    "cnn": {"task": "cnn", "batch": 4},
    "gpt": {"task": "gpt", "batch": 3, "model": GPT},
    "gpt_accumulation_clipping": {"task": "gpt", "batch": 3, "model": GPT, "micro_batches": [2, 1], "clip_norm": 0.05},
}


def hashed(stream, count):
    """`count` unsigned 32-bit numbers of a stream: MurmurHash3's finalizer of the flat index."""
    mask = numpy.uint64(0xFFFFFFFF)
    x = (numpy.arange(count, dtype=numpy.uint64) * numpy.uint64(0x9E3779B9) + numpy.uint64(stream * 0x85EBCA6B + 1)) & mask
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> numpy.uint64(shift)
        x = (x * numpy.uint64(factor)) & mask
    return x ^ (x >> numpy.uint64(16))


def unit(stream, shape):
    """float32 in [-1, 1): 24 bits of the hash, so that no rounding takes place."""
    bits = hashed(stream, math.prod(shape)) >> numpy.uint64(8)
    return torch.from_numpy((bits.astype(numpy.float64) * 2.0**-23 - 1.0).astype(numpy.float32)).reshape(shape)


def initialise(model):
    with torch.no_grad():
        for position, (name, parameter) in enumerate(model.named_parameters()):
            shape = tuple(parameter.shape)
            matrix = len(shape) >= 2
            amplitude = torch.tensor(1.0 / math.sqrt(parameter.numel() / shape[0]) if matrix else 0.1, dtype=torch.float32)
            value = amplitude * unit(position, shape)
            parameter.copy_(value if matrix or name.endswith("bias") else 1.0 + value)


def make_batch(case):
    samples = case["batch"]
    if case["task"] == "gpt":
        length = GPT["context"] + 1
        tokens = hashed(INPUT_STREAM, samples * length) % numpy.uint64(workloads.VOCABULARY)
        tokens = torch.from_numpy(tokens.astype(numpy.int64)).reshape(samples, length)
        return tokens[:, :-1], tokens[:, 1:]
    shape = (784,) if case["task"] == "mlp" else (1, 28, 28)
    targets = hashed(TARGET_STREAM, samples) % numpy.uint64(workloads.CLASSES)
    return unit(INPUT_STREAM, (samples, *shape)), torch.from_numpy(targets.astype(numpy.int64))


def make_model(case):
    if case["task"] == "mlp":
        model = workloads.make_mlp()
    elif case["task"] == "cnn":
        model = workloads.Cnn(dropout=(0.0, 0.0))
    else:
        model = workloads.Gpt(**GPT)
    initialise(model)
    return model


def make_optimizer(case, model):
    options = dict(OPTIMIZERS[case["task"]])
    if options.pop("kind") == "sgd":
        return torch.optim.SGD(model.parameters(), **options)
    decay = options.pop("weight_decay")
    groups = [{"params": [p for p in model.parameters() if p.dim() >= 2], "weight_decay": decay},
              {"params": [p for p in model.parameters() if p.dim() < 2], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, **options)


def backward(case, model, batch):
    """Leaves the gradient of the batch's mean loss in the parameters; returns (loss, gradient norm before clipping)."""
    inputs, targets = batch
    loss, start = 0.0, 0
    model.zero_grad()
    for size in case.get("micro_batches", [case["batch"]]):
        part = slice(start, start + size)
        share = workloads.loss_of(model, (inputs[part], targets[part]), reduction="sum",
                                  label_smoothing=case.get("label_smoothing", 0.0)) / targets.numel()
        share.backward()
        loss, start = loss + share.item(), start + size
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), case.get("clip_norm", math.inf))
    return loss, norm.item()


def summary(name, tensor):
    """Sum, 2-norm and eight elements spread over the tensor; sum and norm are taken in float64."""
    flat = tensor.detach().reshape(-1)
    indices = [j * (flat.numel() - 1) // 7 for j in range(8)]
    return {"name": name, "shape": list(tensor.shape), "sum": flat.double().sum().item(),
            "norm": flat.double().norm().item(), "samples": [[i, flat[i].item()] for i in indices]}


def compute(case, dtype):
    model, batch = make_model(case).to(dtype), make_batch(case)
    if case["task"] != "gpt":
        batch = (batch[0].to(dtype), batch[1])
    optimizer = make_optimizer(case, model)
    with torch.no_grad():
        correct = (model(batch[0]).argmax(-1) == batch[1]).sum().item()
    result = {"correct": correct, "steps": []}
    for step in range(STEPS):
        loss, norm = backward(case, model, batch)
        if step == 0:
            result["gradients"] = [summary(name, p.grad) for name, p in model.named_parameters()]
        optimizer.step()
        result["steps"].append({"loss": loss, "gradient_norm": norm})
    result["parameters"] = [summary(name, p) for name, p in model.named_parameters()]
    result["loss_after"] = backward(case, model, batch)[0]
    return result


def tensor_distance(a, b):
    """Norms relative; the sum and each element relative to what the norm bounds them by (near zero, their own size says
    nothing)."""
    elements = math.prod(b["shape"])
    mean_square = b["norm"] / math.sqrt(elements)
    return max(abs(a["norm"] - b["norm"]) / b["norm"], abs(a["sum"] - b["sum"]) / (b["norm"] * math.sqrt(elements)),
               *(abs(x - y) / max(abs(y), mean_square) for (_, x), (_, y) in zip(a["samples"], b["samples"])))


def loss_distance(a, b):
    losses = [(x["loss"], y["loss"]) for x, y in zip(a["steps"], b["steps"])] + [(a["loss_after"], b["loss_after"])]
    return max(abs(x - y) / abs(y) for x, y in losses)


def add_tolerances(result, exact, learning_rate):
    """What float32 leaves open, times 4, and 1e-5 at least. The gradient of the keys' bias is zero but for rounding, and
    Adam scales that up to whole updates, of either sign: there the tolerance is what all updates can come to."""
    for kind in ("gradients", "parameters"):
        for ours, true in zip(result[kind], exact[kind]):
            tolerance = max(1e-5, 4 * tensor_distance(ours, true))
            if kind == "parameters" and ours["name"].endswith("qkv.bias"):
                tolerance = 2 * STEPS * learning_rate * math.sqrt(math.prod(true["shape"])) / true["norm"]
            ours["tolerance"] = float(f"{tolerance:.1e}")


def disagreements(result, committed):
    """Names of what lies further from the committed fixture than its tolerance."""
    apart = [f"{kind} of {x['name']}" for kind in ("gradients", "parameters")
             for x, y in zip(result[kind], committed[kind]) if tensor_distance(x, y) > y["tolerance"]]
    return apart + (["the loss"] if loss_distance(result, committed) > 1e-5 else [])


def as_text(document):
    """JSON with one line for each tensor, so that a person can read a difference."""
    def member(key, value):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return f'  {json.dumps(key)}: [\n' + ",\n".join(f"    {json.dumps(item)}" for item in value) + "\n  ]"
        return f"  {json.dumps(key)}: {json.dumps(value)}"
    return "{\n" + ",\n".join(member(*item) for item in document.items()) + "\n}\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="compare with what is there instead of writing")
    check = arguments.parse_args().check
    torch.set_num_threads(1)
    failed = False
    for name, case in CASES.items():
        path = ROOT / "tests" / "fixtures" / f"{name}.json"
        result, exact = compute(case, torch.float32), compute(case, torch.float64)
        add_tolerances(result, exact, OPTIMIZERS[case["task"]]["lr"])
        widest = max((t["tolerance"], f"{kind} of {t['name']}") for kind in ("gradients", "parameters") for t in result[kind])
        print(f"{name}: loss within {loss_distance(result, exact):.1e} of float64; widest tolerance {widest[0]:.1e}, {widest[1]}")
        if check:
            apart = disagreements(result, json.loads(path.read_text()))
            failed |= bool(apart)
            print(*(f"  {what} differs from the committed fixture" for what in apart), sep="\n", end="")
            continue
        document = {"case": name, "torch": torch.__version__.split("+")[0], "task": case["task"], "model": case.get("model", {}),
                    "batch": case["batch"], "micro_batches": case.get("micro_batches", [case["batch"]]),
                    "label_smoothing": case.get("label_smoothing", 0.0), "clip_norm": case.get("clip_norm"),
                    "optimizer": OPTIMIZERS[case["task"]], **result}
        path.write_text(as_text(document))
    sys.exit(failed)


if __name__ == "__main__":
    main()
