"""The three trainings that Holdfast and PyTorch are both timed on and whose mathematics are compared.

Both sides have the same layers, sizes, batches and optimizers; data are random numbers of the right shape, so that only
computation and communication are timed. Everything is float32.

  mlp   Linear 784-512-256-10 with ReLU between. Global batch 128. SGD, rate 0.01, momentum 0.9.
  cnn   Conv 1-32 3x3, ReLU, Conv 32-64 3x3, ReLU, max-pool 2, dropout 0.25, Linear 9216-128, ReLU, dropout 0.5,
        Linear 128-10. Global batch 128. AdamW, rate 1e-3.
  gpt   Bytes (256 tokens), context 256, 4 pre-norm blocks of width 256 with 8 heads and a GELU(tanh) layer of 4 x width,
        learned positions, output tied to the embedding, no dropout. Global batch 16 sequences. AdamW, rate 3e-4,
        betas 0.9 and 0.95, decay 0.1.

Module names are part of the contract: Holdfast's parameters have the names that state_dict() gives here.
"""
import torch
import torch.nn.functional as F
from torch import nn

GLOBAL_BATCH = {"mlp": 128, "cnn": 128, "gpt": 16}
CLASSES = 10
VOCABULARY = 256


def make_mlp():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, CLASSES))


class Cnn(nn.Module):
    def __init__(self, dropout=(0.25, 0.5)):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(),
            nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(dropout[0]),
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(dropout[1]),
            nn.Linear(128, CLASSES))

    def forward(self, images):
        return self.body(images)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def attend(self, h):
        batch, length, width = h.shape
        split = (batch, length, self.heads, width // self.heads)
        query, key, value = (part.view(split).transpose(1, 2) for part in self.qkv(h).split(width, dim=2))
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, width))

    def forward(self, h):
        h = h + self.attend(self.ln1(h))
        return h + self.down(F.gelu(self.up(self.ln2(h)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, context=256, layers=4, width=256, heads=8):
        super().__init__()
        self.token = nn.Embedding(VOCABULARY, width)
        self.position = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens):
        h = self.token(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            h = block(h)
        return self.norm(h) @ self.token.weight.t()


MODELS = {"mlp": make_mlp, "cnn": Cnn, "gpt": Gpt}


def random_batch(workload, samples, device="cpu"):
    """(inputs, targets); a sequence of 257 bytes is 256 inputs and the 256 bytes that follow them."""
    if workload == "gpt":
        tokens = torch.randint(0, VOCABULARY, (samples, 257), device=device)
        return tokens[:, :-1], tokens[:, 1:]
    shape = (784,) if workload == "mlp" else (1, 28, 28)
    return torch.randn(samples, *shape, device=device), torch.randint(0, CLASSES, (samples,), device=device)


def loss_of(model, batch, **options):
    """Mean cross entropy over samples (tokens, for gpt); options are those of F.cross_entropy."""
    inputs, targets = batch
    logits = model(inputs)
    return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), targets.reshape(-1), **options)


def optimizer_of(workload, parameters, **options):
    """options are PyTorch's own, such as fused=True."""
    if workload == "mlp":
        return torch.optim.SGD(parameters, lr=0.01, momentum=0.9, **options)
    if workload == "cnn":
        return torch.optim.AdamW(parameters, lr=1e-3, **options)
    return torch.optim.AdamW(parameters, lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, **options)
